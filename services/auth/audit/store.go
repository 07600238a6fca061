package audit

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
)

// Keeper stores records, those of other services too. One that is there already
// is fine.
type Keeper interface {
	KeepAuditRecord(ctx context.Context, r audit.Record) error
}

// errMalformed says that an event holds no record that can be stored.
var errMalformed = errors.New("audit record does not fit")

// Keep returns the handler of the events that carry records. An event that
// holds none is given up at once; the record's id makes repetition harmless.
func Keep(store Keeper) func(ctx context.Context, e event.Event) error {
	return func(ctx context.Context, e event.Event) error {
		r, err := audit.FromEvent(e)
		if err == nil && !fits(r) {
			err = errMalformed
		}
		if err != nil {
			return bus.Permanent(err)
		}
		return store.KeepAuditRecord(ctx, r)
	}
}

// fits reports whether PostgreSQL can store the record.
func fits(r audit.Record) bool {
	texts := []string{
		r.Service, string(r.ActorKind), r.ActorID, r.ClientID, r.Action, r.SubjectKind, r.SubjectID, r.Address, r.RequestID, r.TraceID,
	}
	for name, value := range r.Details {
		texts = append(texts, name, value)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return false
		}
	}
	return r.Service != "" && !r.Time.IsZero() && (r.Outcome == "" || validOutcome(r.Outcome))
}
