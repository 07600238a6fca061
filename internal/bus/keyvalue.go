package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNotFound is the error of a key without a value.
var ErrNotFound = errors.New("bus: key not found")

// KeyValue is a bucket of small values that all processes share. Keys are of
// letters, digits and - _ / = . where dots separate levels.
type KeyValue struct {
	bus    *Bus
	bucket string
	kv     jetstream.KeyValue
}

// Entry is a change of a key.
type Entry struct {
	Key   string
	Value []byte
	// Deleted says that the key has no value any more.
	Deleted bool
}

// KeyValue makes the bucket if it is missing. Values live for ttl; 0 means
// forever.
func (b *Bus) KeyValue(ctx context.Context, bucket string, ttl time.Duration) (*KeyValue, error) {
	return b.keyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, TTL: ttl})
}

func (b *Bus) keyValue(ctx context.Context, cfg jetstream.KeyValueConfig) (*KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	cfg.Storage = jetstream.FileStorage
	cfg.Replicas = max(b.replicas, 1)
	if found, err := b.js.KeyValue(ctx, cfg.Bucket); err == nil {
		if status, err := found.Status(ctx); err == nil {
			now := status.Config()
			if b.replicas == 0 {
				cfg.Replicas = max(now.Replicas, 1)
			}
			// Not asked to change what is so already; see tryStream.
			if now.Replicas == cfg.Replicas && now.TTL == cfg.TTL && now.LimitMarkerTTL == cfg.LimitMarkerTTL {
				return &KeyValue{bus: b, bucket: cfg.Bucket, kv: found}, nil
			}
		}
	}
	kv, err := b.js.CreateOrUpdateKeyValue(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("bucket %q: %w", cfg.Bucket, err)
	}
	return &KeyValue{bus: b, bucket: cfg.Bucket, kv: kv}, nil
}

// Put sets the value of the key and returns when it is stored.
func (k *KeyValue) Put(ctx context.Context, key string, value []byte) error {
	if _, err := k.kv.Put(ctx, key, value); err != nil {
		return fmt.Errorf("put %q in bucket %q: %w", key, k.bucket, err)
	}
	return nil
}

// Get returns the value of the key, or ErrNotFound.
func (k *KeyValue) Get(ctx context.Context, key string) ([]byte, error) {
	e, err := k.kv.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("get %q from bucket %q: %w", key, k.bucket, err)
	}
	return e.Value(), nil
}

// Delete removes the key; one that is missing is no error.
func (k *KeyValue) Delete(ctx context.Context, key string) error {
	if err := k.kv.Delete(ctx, key); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("delete %q from bucket %q: %w", key, k.bucket, err)
	}
	return nil
}

// Watch calls fn for each key that has a value, then for each change, until
// ctx is done. After a lost connection it begins again with all keys: fn sees
// values twice, and it does not see what was deleted meanwhile.
func (k *KeyValue) Watch(ctx context.Context, fn func(Entry)) error {
	for ctx.Err() == nil {
		begun := k.bus.epoch()
		w, err := k.kv.WatchAll(ctx)
		if err == nil {
			k.follow(ctx, w, begun, fn)
			_ = w.Stop() // the connection may be gone
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// follow hands on entries until the connection is another one.
func (k *KeyValue) follow(ctx context.Context, w jetstream.KeyWatcher, begun epoch, fn func(Entry)) {
	check := time.NewTicker(time.Second)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-check.C:
			if now := k.bus.epoch(); now.connected && now != begun {
				return
			}
		case e, ok := <-w.Updates():
			if !ok {
				return
			}
			if e != nil { // nil marks the end of the first values
				fn(entryOf(e))
			}
		}
	}
}

func entryOf(e jetstream.KeyValueEntry) Entry {
	return Entry{Key: e.Key(), Value: e.Value(), Deleted: e.Operation() != jetstream.KeyValuePut}
}

// epoch identifies a connection: what was loaded over another one may have
// missed changes.
type epoch struct {
	connected  bool
	reconnects uint64
}

func (b *Bus) epoch() epoch {
	return epoch{connected: b.conn.IsConnected(), reconnects: b.conn.Stats().Reconnects}
}
