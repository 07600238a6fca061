package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"gatehouse.example/internal/event"
)

// The streams and the prefixes of their subjects.
const (
	StreamEvents  = "GATEHOUSE_EVENTS"
	StreamDead    = "GATEHOUSE_DEAD"
	subjectEvents = "gatehouse.event."
	subjectDead   = "gatehouse.dead."
)

const (
	keepEvents = 30 * 24 * time.Hour
	keepDead   = 90 * 24 * time.Hour
	// duplicateWindow is how long JetStream recognises an event that a relay
	// publishes twice; consumers recognise it for longer.
	duplicateWindow = 10 * time.Minute
)

// EnsureStream makes the streams of events, or brings them up to date.
func (b *Bus) EnsureStream(ctx context.Context) error {
	for _, cfg := range []jetstream.StreamConfig{
		{Name: StreamEvents, Description: "Gatehouse: events of the services", Subjects: []string{subjectEvents + ">"}, MaxAge: keepEvents, Duplicates: duplicateWindow},
		{Name: StreamDead, Description: "Gatehouse: events that a consumer gave up", Subjects: []string{subjectDead + ">"}, MaxAge: keepDead, Duplicates: duplicateWindow},
	} {
		if err := b.ensureStream(ctx, cfg); err != nil {
			return fmt.Errorf("ensure stream %s: %w", cfg.Name, err)
		}
	}
	return nil
}

func (b *Bus) ensureStream(ctx context.Context, cfg jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	cfg.Storage = jetstream.FileStorage
	for {
		err := b.tryStream(ctx, cfg)
		// JetStream comes up a moment after the broker, and in a cluster
		// after the election.
		if err == nil || ctx.Err() != nil || !isUnavailable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (b *Bus) tryStream(ctx context.Context, cfg jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	found, err := b.js.Stream(ctx, cfg.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		cfg.Replicas = max(b.replicas, 1)
		_, err = b.js.CreateStream(ctx, cfg) // an equal one made meanwhile is fine
		return err
	}
	if err != nil {
		return err
	}
	now := found.CachedInfo().Config
	if cfg.Replicas = b.replicas; cfg.Replicas == 0 {
		cfg.Replicas = now.Replicas
	}
	// Every process comes by here; the broker is asked to change only what
	// differs, because an update interrupts who reads the stream.
	if now.Replicas == cfg.Replicas && now.Description == cfg.Description && now.Storage == cfg.Storage &&
		now.MaxAge == cfg.MaxAge && now.Duplicates == cfg.Duplicates && slices.Equal(now.Subjects, cfg.Subjects) {
		return nil
	}
	_, err = b.js.UpdateStream(ctx, cfg)
	return err
}

func isUnavailable(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrDisconnected) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, context.DeadlineExceeded)
}

// Publish stores the event in the stream and returns when the broker
// acknowledged it. The same event published again within ten minutes is
// stored once.
func (b *Bus) Publish(ctx context.Context, e event.Event) error {
	return b.publish(ctx, e, e.ID)
}

func (b *Bus) publish(ctx context.Context, e event.Event, msgID string) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	msg := nats.NewMsg(subjectOf(e.Type))
	msg.Data = data
	msg.Header.Set("Content-Type", event.ContentType)
	if err := b.store(ctx, msg, jetstream.WithMsgID(msgID)); err != nil {
		return fmt.Errorf("publish event %s (%s): %w", e.ID, e.Type, err)
	}
	return nil
}

// store publishes to JetStream and waits for the acknowledgement.
func (b *Bus) store(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) error {
	if !b.conn.IsConnected() {
		return ErrDisconnected
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	_, err := b.js.PublishMsg(ctx, msg, opts...)
	return err
}

// subjectOf leaves out the prefix that all our types share.
func subjectOf(typ string) string {
	return subjectEvents + strings.TrimPrefix(typ, "gatehouse.")
}
