package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"gatehouse.example/internal/event"
)

const (
	// ackWait is after how long the broker gives an event to another process
	// when the first is not heard of any more.
	ackWait           = 10 * time.Second
	defaultMaxDeliver = 50
)

// Consumer is a durable reader of events: all processes that consume under
// one name share its events.
type Consumer struct {
	// Name is of letters, digits, - and _, such as "email".
	Name string
	// Types are the types of events to read; none means all.
	Types []string
	// Handle is called for each event at least once. An error delivers it
	// again later, and so does a panic; [Permanent] gives it up at once. The
	// context ends with that of Consume. It may take as long as it needs.
	Handle func(ctx context.Context, e event.Event) error
	// MaxAckPending is how many events are at work at once, over all
	// processes. 0 means 1, which keeps the order: an event that fails holds
	// up those after it until it is handled or given up.
	MaxAckPending int
	// MaxDeliver is after how many attempts an event is given up: it goes to
	// the stream of dead events. 0 means 50.
	MaxDeliver int
	// Backoff is the pauses after the first, second, ... attempt; the last is
	// repeated. None means from one second to ten minutes.
	Backoff []time.Duration
	// Logger receives failures; nil means that of the bus.
	Logger *slog.Logger
}

func (c *Consumer) setDefaults(b *Bus) error {
	if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(c.Name) {
		return fmt.Errorf("consumer name %q: want letters, digits, - and _", c.Name)
	}
	if c.Handle == nil {
		return fmt.Errorf("consumer %q has no Handle", c.Name)
	}
	c.MaxAckPending = max(c.MaxAckPending, 1)
	if c.MaxDeliver <= 0 {
		c.MaxDeliver = defaultMaxDeliver
	}
	if len(c.Backoff) == 0 {
		c.Backoff = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute}
	}
	if c.Logger == nil {
		c.Logger = b.logger
	}
	c.Logger = c.Logger.With("consumer", c.Name)
	return nil
}

// pause returns that after the nth attempt, from 1.
func (c *Consumer) pause(n uint64) time.Duration {
	return c.Backoff[min(max(n, 1), uint64(len(c.Backoff)))-1]
}

// Permanent marks an error that no further attempt can cure, such as data
// that does not decode.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Consume hands the events to c.Handle until ctx is done, waits for handlers
// that are at work, and returns nil. A new durable consumer begins with the
// oldest event that the stream still has. Lost connections and a broker that
// is not there are waited out; an error is only that c is not valid.
func (b *Bus) Consume(ctx context.Context, c Consumer) error {
	if err := c.setDefaults(b); err != nil {
		return err
	}
	pause := 100 * time.Millisecond
	for ctx.Err() == nil {
		begun := time.Now()
		err := b.consume(ctx, &c)
		if ctx.Err() != nil {
			break
		}
		if time.Since(begun) > time.Minute {
			pause = 100 * time.Millisecond
		}
		c.Logger.WarnContext(ctx, "consumer interrupted, going on", "error", err, "pause", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
	}
	return nil
}

func (b *Bus) consume(ctx context.Context, c *Consumer) error {
	cfg := jetstream.ConsumerConfig{
		Durable:       c.Name,
		AckPolicy:     jetstream.AckExplicitPolicy,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1, // we give up ourselves, so that the event is not lost
		MaxAckPending: c.MaxAckPending,
	}
	for _, t := range c.Types {
		cfg.FilterSubjects = append(cfg.FilterSubjects, subjectOf(t))
	}
	setup, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	consumer, err := b.js.CreateOrUpdateConsumer(setup, StreamEvents, cfg)
	if err != nil {
		return fmt.Errorf("consumer %q: %w", c.Name, err)
	}
	messages, err := consumer.Messages(
		// No more than are worked at: the time to acknowledge runs from delivery.
		jetstream.PullMaxMessages(c.MaxAckPending),
		jetstream.PullExpiry(10*time.Second),
		jetstream.PullHeartbeat(2*time.Second),
	)
	if err != nil {
		return fmt.Errorf("consumer %q: %w", c.Name, err)
	}
	defer messages.Stop()
	var working sync.WaitGroup
	defer working.Wait()
	free := make(chan struct{}, c.MaxAckPending)
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("consumer %q: %w", c.Name, err)
		}
		working.Go(func() {
			defer func() { <-free }()
			b.deliver(ctx, c, msg)
		})
	}
}

// deliver handles one delivery and tells the broker how it went.
func (b *Bus) deliver(ctx context.Context, c *Consumer, msg jetstream.Msg) {
	e, err := event.Parse(msg.Data())
	if err != nil {
		err = Permanent(err)
	} else {
		err = handle(ctx, c, e, msg)
	}
	attempt := uint64(1)
	if md, mdErr := msg.Metadata(); mdErr == nil {
		attempt = md.NumDelivered
	}
	log := c.Logger.With("event", e.ID, "type", e.Type, "attempt", attempt)
	var answer error
	switch {
	case err == nil:
		answer = acknowledge(ctx, msg)
	case ctx.Err() != nil:
		answer = msg.Nak() // we are stopping; another process may have it at once
	case errors.As(err, &permanent{}) || attempt >= uint64(c.MaxDeliver):
		log.ErrorContext(ctx, "event given up", "error", err)
		if answer = b.bury(ctx, c, msg, e, err); answer == nil {
			answer = msg.TermWithReason("given up")
		}
	default:
		pause := c.pause(attempt)
		log.WarnContext(ctx, "event not handled, again later", "error", err, "pause", pause)
		answer = msg.NakWithDelay(pause)
	}
	if answer != nil {
		// The broker delivers it again after ackWait.
		log.WarnContext(ctx, "answer to the broker", "error", answer)
	}
}

// acknowledge waits until the broker knows that the event is handled, so that
// the next one surely is a later one. Over a lost connection it asks again: an
// event that is not acknowledged holds up the others for ackWait.
func acknowledge(ctx context.Context, msg jetstream.Msg) error {
	for end := time.Now().Add(ackWait); ; {
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		err := msg.DoubleAck(attempt)
		cancel()
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// handle calls the handler and meanwhile tells the broker that it works.
func handle(ctx context.Context, c *Consumer, e event.Event, msg jetstream.Msg) (err error) {
	done := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		t := time.NewTicker(ackWait / 3)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				_ = msg.InProgress() // if it is lost, the event is delivered once more
			}
		}
	})
	defer func() {
		if p := recover(); p != nil {
			c.Logger.ErrorContext(ctx, "panic in the handler of an event", "event", e.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
		close(done)
		beating.Wait()
	}()
	return c.Handle(ctx, e)
}
