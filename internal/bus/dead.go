package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"gatehouse.example/internal/event"
)

// Headers of a dead event.
const (
	headerConsumer = "Gatehouse-Consumer"
	headerError    = "Gatehouse-Error"
)

// The errors of what names a dead event, besides those of the broker.
var (
	// ErrNoDeadEvent says that no dead event has that sequence: it never was, or
	// it was replayed, dropped or forgotten.
	ErrNoDeadEvent = errors.New("there is no such dead event")
	// ErrNoEvent says that what a consumer gave up is no event, so that nobody
	// could handle it if it came again.
	ErrNoEvent = errors.New("its data is no event")
)

// DeadEvent is an event that a consumer gave up.
type DeadEvent struct {
	// Sequence names it for Replay.
	Sequence uint64 `json:"sequence"`
	// Consumer gave it up, at the time Died, because of Error.
	Consumer string    `json:"consumer"`
	Error    string    `json:"error"`
	Died     time.Time `json:"died"`
	// Event is empty if the data was no event; Data is what there was.
	Event event.Event `json:"event"`
	Data  []byte      `json:"-"`
}

// bury keeps an event that a consumer gives up, once for each delivery in the
// main stream.
func (b *Bus) bury(ctx context.Context, c *Consumer, msg jetstream.Msg, e event.Event, cause error) error {
	dead := nats.NewMsg(subjectDead + c.Name)
	dead.Data = msg.Data()
	dead.Header.Set(headerConsumer, c.Name)
	text := []rune(cause.Error())
	dead.Header.Set(headerError, strconv.Quote(string(text[:min(len(text), 500)])))
	id := c.Name + "/" + e.ID
	if md, err := msg.Metadata(); err == nil {
		id = c.Name + "/" + strconv.FormatUint(md.Sequence.Stream, 10)
	}
	if err := b.store(ctx, dead, jetstream.WithMsgID(id)); err != nil {
		return fmt.Errorf("keep dead event: %w", err)
	}
	return nil
}

// Dead returns up to limit events that consumers gave up, oldest first, from
// the sequence on.
func (b *Bus) Dead(ctx context.Context, from uint64, limit int) ([]DeadEvent, error) {
	stream, err := b.js.Stream(ctx, StreamDead)
	if err != nil {
		return nil, fmt.Errorf("dead events: %w", err)
	}
	info := stream.CachedInfo()
	all := []DeadEvent{}
	for seq := max(from, info.State.FirstSeq, 1); seq <= info.State.LastSeq && len(all) < limit; seq++ {
		d, err := deadAt(ctx, stream, seq)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound): // replayed
		case err != nil:
			return nil, fmt.Errorf("dead events: %w", err)
		default:
			all = append(all, d)
		}
	}
	return all, nil
}

func deadAt(ctx context.Context, stream jetstream.Stream, seq uint64) (DeadEvent, error) {
	msg, err := stream.GetMsg(ctx, seq)
	if err != nil {
		return DeadEvent{}, err
	}
	d := DeadEvent{Sequence: msg.Sequence, Consumer: msg.Header.Get(headerConsumer), Died: msg.Time.UTC(), Data: msg.Data}
	if d.Error, err = strconv.Unquote(msg.Header.Get(headerError)); err != nil {
		d.Error = msg.Header.Get(headerError)
	}
	if e, err := event.Parse(msg.Data); err == nil {
		d.Event = e
	}
	return d, nil
}

// Replay publishes a dead event again and takes it out of the dead ones. All
// consumers get it; those that had consumed it recognise its id.
//
// # Errors
//
// [ErrNoDeadEvent], [ErrNoEvent], or that the broker did not take it.
func (b *Bus) Replay(ctx context.Context, sequence uint64) error {
	stream, err := b.js.Stream(ctx, StreamDead)
	if err != nil {
		return fmt.Errorf("replay dead event %d: %w", sequence, err)
	}
	d, err := deadAt(ctx, stream, sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		err = ErrNoDeadEvent
	case err == nil && d.Event.ID == "":
		err = ErrNoEvent
	}
	if err != nil {
		return fmt.Errorf("replay dead event %d: %w", sequence, err)
	}
	if err := b.publish(ctx, d.Event, fmt.Sprintf("%s/replay/%d", d.Event.ID, sequence)); err != nil {
		return err
	}
	if err := stream.DeleteMsg(ctx, sequence); err != nil {
		return fmt.Errorf("remove dead event %d: %w", sequence, err)
	}
	return nil
}

// Drop takes a dead event out of the dead ones for good: nobody gets it again.
//
// # Errors
//
// [ErrNoDeadEvent], or that the broker did not do it.
func (b *Bus) Drop(ctx context.Context, sequence uint64) error {
	stream, err := b.js.Stream(ctx, StreamDead)
	if err == nil {
		// A look has one error for what is not there; the deletion has several.
		_, err = stream.GetMsg(ctx, sequence)
	}
	if err == nil {
		err = stream.DeleteMsg(ctx, sequence)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = ErrNoDeadEvent
	}
	if err != nil {
		return fmt.Errorf("drop dead event %d: %w", sequence, err)
	}
	return nil
}
