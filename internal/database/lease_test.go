package database_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
)

func signal(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestLeaseExcludes(t *testing.T) {
	db := databasetest.New(t, things())
	var holders, most atomic.Int32
	var mu sync.Mutex
	seen := map[int64]bool{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			err := db.Lease(t.Context(), "sweep", time.Second, func(ctx context.Context, token int64) error {
				most.Store(max(most.Load(), holders.Add(1)))
				defer holders.Add(-1)
				mu.Lock()
				seen[token] = true
				mu.Unlock()
				time.Sleep(30 * time.Millisecond)
				return ctx.Err()
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 || len(seen) != 4 {
		t.Errorf("%d holders at once, tokens %v", most.Load(), seen)
	}
}

func TestLeaseIsRenewed(t *testing.T) {
	db := databasetest.New(t, things())
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- db.Lease(ctx, "job", time.Second, func(ctx context.Context, _ int64) error {
			close(began)
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(2500 * time.Millisecond):
				return nil
			}
		})
	}()
	<-began
	wait, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	err := db.Lease(wait, "job", time.Second, func(context.Context, int64) error {
		t.Error("two holders")
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for the lease: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("holder: %v", err)
	}
	cancel()
}

func TestStolenLease(t *testing.T) {
	db := databasetest.New(t, things())
	var tokens []int64
	var causes []error
	err := db.Lease(t.Context(), "job", time.Second, func(ctx context.Context, token int64) error {
		tokens = append(tokens, token)
		fence := func() error {
			return db.InTx(context.WithoutCancel(ctx), func(ctx context.Context, tx bun.Tx) error {
				return database.Fence(ctx, tx, "job", token)
			})
		}
		if err := fence(); err != nil {
			t.Errorf("fence of the holder: %v", err)
		}
		if len(tokens) > 1 {
			return nil
		}
		_, err := db.Pool.Exec(ctx, "UPDATE leases SET token = token + 1, holder = gen_random_uuid(), expires_at = now() + interval '1 second'")
		if err != nil {
			return err
		}
		if err := fence(); !errors.Is(err, database.ErrLeaseLost) {
			t.Errorf("fence after the loss: %v", err)
		}
		<-ctx.Done()
		causes = append(causes, context.Cause(ctx))
		return ctx.Err()
	})
	if err != nil {
		t.Error(err)
	}
	if len(tokens) != 2 || tokens[1] <= tokens[0]+1 || len(causes) != 1 || !errors.Is(causes[0], database.ErrLeaseLost) {
		t.Errorf("tokens %v, causes %v", tokens, causes)
	}
}

// Without its database a holder must stop before another could begin.
func TestLeaseWithoutDatabase(t *testing.T) {
	s := databasetest.NewServer(t)
	set := things()
	set.Service, set.Schema, set.Role = "things", "things", ""
	if _, err := database.Migrate(t.Context(), database.MigrateOptions{URL: s.AdminURL(), Sets: []database.MigrationSet{set}, Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Options{URL: s.AdminURL(), Schema: "things", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err = db.Lease(ctx, "job", time.Second, func(held context.Context, _ int64) error {
		defer cancel()
		begun := time.Now()
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		select {
		case <-held.Done():
			if d := time.Since(begun); d > 1200*time.Millisecond {
				t.Errorf("lost only after %s", d)
			}
			return context.Cause(held)
		case <-time.After(10 * time.Second):
			return errors.New("still held")
		}
	})
	if !errors.Is(err, database.ErrLeaseLost) && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
