package apikeys

import (
	"context"
	"log/slog"
	"time"

	"gatehouse.example/services/auth"
)

const (
	// usageInterval is how often the last use of a key is written at most.
	usageInterval = time.Minute
	// usageQueue bounds what waits to be written. What does not fit is noted
	// by a later use.
	usageQueue = 1024
	// usageTimeout bounds one write.
	usageTimeout = 5 * time.Second
)

// UsageStore writes when a key was last used, unless that was done within the
// interval before.
type UsageStore interface {
	UseAPIKey(ctx context.Context, id string, at time.Time, interval time.Duration) error
}

// Usage notes when keys were last used, besides the answers. It is safe for
// concurrent use.
type Usage struct {
	store  UsageStore
	logger *slog.Logger
	now    func() time.Time
	queue  chan use
}

type use struct {
	id string
	at time.Time
}

// NewUsage returns a Usage; Run does its work.
func NewUsage(store UsageStore, logger *slog.Logger, now func() time.Time) *Usage {
	return &Usage{store, logger, now, make(chan use, usageQueue)}
}

// Used notes that the key was used. It does not wait for anything.
func (u *Usage) Used(k auth.APIKey) {
	at := u.now()
	if k.LastUsedAt != nil && at.Sub(*k.LastUsedAt) < usageInterval {
		return
	}
	select {
	case u.queue <- use{k.ID, at}:
	default:
	}
}

// Run writes what was noted until ctx is done, and what is left then.
func (u *Usage) Run(ctx context.Context) error {
	for {
		select {
		case n := <-u.queue:
			u.write(ctx, n)
		case <-ctx.Done():
			for {
				select {
				case n := <-u.queue:
					u.write(ctx, n)
				default:
					return ctx.Err()
				}
			}
		}
	}
}

func (u *Usage) write(ctx context.Context, n use) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), usageTimeout)
	defer cancel()
	if err := u.store.UseAPIKey(ctx, n.id, n.at, usageInterval); err != nil {
		u.logger.WarnContext(ctx, "note the last use of an API key", slog.Any("error", err))
	}
}
