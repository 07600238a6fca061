// Package bus carries events.
package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"gatehouse.example/internal/event"
)

type InProcess interface{ InProcessConn() (net.Conn, error) }

type Options struct {
	URL       string
	Name      string
	TLS       *tls.Config
	InProcess InProcess
	Replicas  int
	Logger    *slog.Logger
}

type Bus struct{}

func Connect(ctx context.Context, o Options) (*Bus, error) { return nil, errors.New("not there yet") }

func (b *Bus) EnsureStream(ctx context.Context) error           { return nil }
func (b *Bus) Publish(ctx context.Context, e event.Event) error { return nil }
func (b *Bus) Ready(ctx context.Context) error                  { return nil }
func (b *Bus) Close()                                           {}

type Consumer struct {
	Name          string
	Types         []string
	Handle        func(ctx context.Context, e event.Event) error
	MaxAckPending int
	MaxDeliver    int
	Backoff       []time.Duration
	Logger        *slog.Logger
}

func (b *Bus) Consume(ctx context.Context, c Consumer) error                             { return nil }
func (b *Bus) Notify(ctx context.Context, subject string, data []byte) error             { return nil }
func (b *Bus) Subscribe(ctx context.Context, subject string, fn func(data []byte)) error { return nil }

type KeyValue struct{}
type Entry struct {
	Key     string
	Value   []byte
	Deleted bool
}

func (b *Bus) KeyValue(ctx context.Context, bucket string, ttl time.Duration) (*KeyValue, error) {
	return nil, nil
}
func (k *KeyValue) Put(ctx context.Context, key string, value []byte) error { return nil }
func (k *KeyValue) Get(ctx context.Context, key string) ([]byte, error)     { return nil, nil }
func (k *KeyValue) Delete(ctx context.Context, key string) error            { return nil }
func (k *KeyValue) Watch(ctx context.Context, fn func(Entry)) error         { return nil }

func (b *Bus) Revoke(ctx context.Context, kind, id string, until time.Time) error { return nil }

type Revocations struct{}

func FollowRevocations(ctx context.Context, b *Bus) (*Revocations, error) { return nil, nil }
func (r *Revocations) Connected() bool                                    { return false }
func (r *Revocations) Revoked(kind, id string) bool                       { return false }
