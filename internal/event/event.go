// Package event owns the events that services tell one another: the envelope
// (CloudEvents 1.0 in JSON) and the data of each event type. The same is
// written down for other languages as JSON Schema in pluginspec/event.
//
// It leaves carrying them to internal/bus, and telling them reliably to
// internal/outbox. Events hold no secret: no code, link, token or password.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// SpecVersion is the version of CloudEvents that [New] writes.
const SpecVersion = "1.0"

// ContentType is the media type of an encoded Event (CloudEvents JSON format §3).
const ContentType = "application/cloudevents+json"

// Event is a CloudEvents 1.0 event in JSON format. Field comments cite the
// sections of the CloudEvents specification.
type Event struct {
	// ID is a UUIDv7, unique for all events (§ id). A receiver recognises a
	// repetition by it.
	ID string `json:"id"`
	// Source is the service that the event comes from, such as
	// "gatehouse/user" (§ source).
	Source string `json:"source"`
	// SpecVersion is "1.0" (§ specversion).
	SpecVersion string `json:"specversion"`
	// Type is one of the Type constants (§ type).
	Type string `json:"type"`
	// Subject is the id of the aggregate that the event is about (§ subject).
	// Events of one Source and Subject arrive in order.
	Subject string `json:"subject"`
	// Time is when it happened, in UTC (§ time).
	Time time.Time `json:"time"`
	// DataContentType is "application/json" (§ datacontenttype).
	DataContentType string `json:"datacontenttype,omitempty"`
	// TraceParent is the W3C trace context of the request that caused the
	// event (extension "Distributed Tracing"); empty if there was none.
	TraceParent string `json:"traceparent,omitempty"`
	// Data is the data of the event, of the struct that Type names.
	Data json.RawMessage `json:"data"`
}

// New makes an event with a new id. now is converted to UTC; data is encoded
// as JSON.
//
// # Errors
//
// An empty source, typ or subject, and data that JSON cannot express.
func New(source, typ, subject string, data any, now time.Time) (Event, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Event{}, fmt.Errorf("new event %q: %w", typ, err)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return Event{}, fmt.Errorf("encode data of event %q: %w", typ, err)
	}
	e := Event{
		ID:              id.String(),
		Source:          source,
		SpecVersion:     SpecVersion,
		Type:            typ,
		Subject:         subject,
		Time:            now.UTC(),
		DataContentType: "application/json",
		Data:            raw,
	}
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// Validate reports whether the event has what each Gatehouse event has.
func (e Event) Validate() error {
	switch {
	case e.SpecVersion != SpecVersion:
		return fmt.Errorf("event %q: specversion is %q, want %q", e.ID, e.SpecVersion, SpecVersion)
	case e.Source == "":
		return errors.New("event without source")
	case e.Type == "":
		return errors.New("event without type")
	case e.Subject == "":
		return fmt.Errorf("event of type %q without subject", e.Type)
	}
	if _, err := uuid.Parse(e.ID); err != nil {
		return fmt.Errorf("event of type %q: id %q: %w", e.Type, e.ID, err)
	}
	return nil
}

// Decode decodes the data of the event into v, a pointer to the struct that
// belongs to its Type. Unknown members are ignored: a newer sender may add some.
func (e Event) Decode(v any) error {
	if err := json.Unmarshal(e.Data, v); err != nil {
		return fmt.Errorf("decode data of event %s (%s): %w", e.ID, e.Type, err)
	}
	return nil
}

// Parse decodes an event as it travels and validates it.
func Parse(data []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(data, &e); err != nil {
		return Event{}, fmt.Errorf("decode event: %w", err)
	}
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	return e, nil
}
