package bus

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The kinds of what can be revoked.
const (
	KindSession = "session"
	KindKey     = "key"
	KindJTI     = "jti"
	KindClient  = "client"
)

const (
	revocationsBucket = "gatehouse_revocations"
	// reloadInterval is a second string to what the watch may miss.
	reloadInterval = 10 * time.Minute
	pruneInterval  = time.Minute
)

func (b *Bus) revocationsBucket(ctx context.Context) (*KeyValue, error) {
	// Marker TTLs are what lets a value have a TTL of its own.
	return b.keyValue(ctx, jetstream.KeyValueConfig{
		Bucket: revocationsBucket, LimitMarkerTTL: time.Minute,
		Description: "Gatehouse: revoked sessions, keys and tokens",
	})
}

// awaitRevocationsBucket waits for a broker that is not there yet.
func (b *Bus) awaitRevocationsBucket(ctx context.Context) (*KeyValue, error) {
	for {
		kv, err := b.revocationsBucket(ctx)
		if err == nil || !isUnavailable(err) && b.conn.IsConnected() {
			return kv, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-b.life.Done():
			return nil, ErrDisconnected
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Revoke puts a session, key or token on the list until the time at which
// nobody would accept it anyway; the zero time means forever. It returns when
// the broker has stored it.
func (b *Bus) Revoke(ctx context.Context, kind, id string, until time.Time) error {
	if kind == "" || strings.ContainsAny(kind, ".*> ") || id == "" {
		return fmt.Errorf("revoke %q %q: no valid kind and id", kind, id)
	}
	if _, err := b.revocationsBucket(ctx); err != nil {
		return fmt.Errorf("revoke %s: %w", kind, err)
	}
	msg := nats.NewMsg("$KV." + revocationsBucket + "." + revocationKey(kind, id))
	var opts []jetstream.PublishOpt
	if !until.IsZero() {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		msg.Data = []byte(until.UTC().Format(time.RFC3339Nano))
		// Whole seconds are what the broker knows.
		opts = append(opts, jetstream.WithMsgTTL(left.Truncate(time.Second)+time.Second))
	}
	if err := b.store(ctx, msg, opts...); err != nil {
		return fmt.Errorf("revoke %s: %w", kind, err)
	}
	return nil
}

// revocationKey makes a key of any id.
func revocationKey(kind, id string) string {
	return kind + "." + base64.RawURLEncoding.EncodeToString([]byte(id))
}

// Revocations is a copy of the list of what is revoked, kept up to date. It
// is safe for concurrent use.
type Revocations struct {
	bus *Bus

	mu    sync.RWMutex
	until map[string]time.Time // by revocationKey; zero means forever

	loaded atomic.Pointer[epoch] // the connection that until is complete for
}

// FollowRevocations loads the list and then follows its changes until ctx is
// done or the bus is closed; after a lost connection, or every ten minutes, it
// loads it again. It returns when the list is loaded, or with the error of
// ctx.
func FollowRevocations(ctx context.Context, b *Bus) (*Revocations, error) {
	r := &Revocations{bus: b}
	kv, err := b.awaitRevocationsBucket(ctx)
	if err != nil {
		return nil, fmt.Errorf("load revocations: %w", err)
	}
	loaded := make(chan struct{})
	var once sync.Once
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(b.life, cancel)
	b.workers.Go(func() {
		defer cancel()
		for ctx.Err() == nil {
			err := r.follow(ctx, kv, func() { once.Do(func() { close(loaded) }) })
			if err != nil && ctx.Err() == nil {
				b.logger.WarnContext(ctx, "revocations, loading them again", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	select {
	case <-loaded:
		return r, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("load revocations: %w", context.Cause(ctx))
	}
}

// Connected reports whether the list is complete: while it is false, ask auth
// itself about what must not be revoked.
func (r *Revocations) Connected() bool {
	e := r.loaded.Load()
	return e != nil && e.connected && *e == r.bus.epoch()
}

// Revoked reports whether that is on the list, as far as it is known; see
// Connected.
func (r *Revocations) Revoked(kind, id string) bool {
	r.mu.RLock()
	until, ok := r.until[revocationKey(kind, id)]
	r.mu.RUnlock()
	return ok && (until.IsZero() || time.Now().Before(until))
}

// follow loads the list anew and follows it until the connection is another
// one, the watch ends, or it is time to load again.
func (r *Revocations) follow(ctx context.Context, kv *KeyValue, loaded func()) error {
	begun := r.bus.epoch()
	if !begun.connected {
		return nil
	}
	w, err := kv.kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }() // the connection may be gone
	// What was known counts until the new list is complete.
	fresh := map[string]time.Time{}
	target := fresh
	check := time.NewTicker(250 * time.Millisecond)
	defer check.Stop()
	reload := time.After(reloadInterval)
	pruned := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reload:
			return nil
		case now := <-check.C:
			if r.bus.epoch() != begun {
				return nil
			}
			if now.Sub(pruned) > pruneInterval {
				pruned = now
				r.prune(now)
			}
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return fmt.Errorf("the watch of bucket %q ended", revocationsBucket)
			case e == nil: // all that was there has been seen
				r.mu.Lock()
				r.until, target = fresh, nil
				r.mu.Unlock()
				r.loaded.Store(&begun)
				loaded()
			default:
				r.change(target, entryOf(e))
			}
		}
	}
}

// change enters a change into a list that is being loaded, or else into that
// in use.
func (r *Revocations) change(loading map[string]time.Time, e Entry) {
	until := time.Time{}
	if len(e.Value) > 0 {
		// What does not parse is revoked forever rather than not at all.
		until, _ = time.Parse(time.RFC3339Nano, string(e.Value))
	}
	list := loading
	if loading == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		list = r.until
	}
	if e.Deleted {
		delete(list, e.Key)
		return
	}
	list[e.Key] = until
}

func (r *Revocations) prune(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, until := range r.until {
		if !until.IsZero() && until.Before(now) {
			delete(r.until, key)
		}
	}
}
