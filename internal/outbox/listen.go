package outbox

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// listen wakes the relay when a transaction with an event commits. It has a
// connection of its own, made again whenever it is lost; until then the
// interval of the relay is enough.
func (r *Relay) listen(ctx context.Context, wake chan<- struct{}) {
	pause := 100 * time.Millisecond
	for ctx.Err() == nil {
		begun := time.Now()
		err := r.listenOnce(ctx, wake)
		if ctx.Err() != nil {
			return
		}
		r.logger.DebugContext(ctx, "outbox relay lost its notifications, listening again", "error", err)
		if time.Since(begun) > time.Minute {
			pause = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func (r *Relay) listenOnce(ctx context.Context, wake chan<- struct{}) error {
	// Not out of the pool, which closes connections that are old.
	conn, err := pgx.ConnectConfig(ctx, r.o.DB.Pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	var channel string
	if err := conn.QueryRow(ctx, "SELECT 'gatehouse_outbox_' || current_schema()").Scan(&channel); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	for {
		select { // also once at the start, for what was told while nobody listened
		case wake <- struct{}{}:
		default:
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
