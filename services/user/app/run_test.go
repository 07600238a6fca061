package app_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/migrations"
	"gatehouse.example/services/user"
	"gatehouse.example/services/user/app"
	"gatehouse.example/services/user/postgres"
)

// TestRun: an abandoned registration is swept, and what happened arrives on a
// real bus, in order.
func TestRun(t *testing.T) {
	server, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b, err := bus.Connect(ctx, bus.Options{URL: server.URL(), Name: "user"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStream(ctx); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), domain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	db := databasetest.New(t, database.MigrationSet{Service: "user", Schema: "user", Role: "gatehouse_user", FS: migrations.User})
	a, err := app.New(ctx, app.Options{
		Config: config.User{PendingRetention: time.Hour}, DB: db, Bus: b,
		Verifier: identity.NewVerifier(authority.Roots(), domain, "gatehouse", time.Now),
	})
	if err != nil {
		t.Fatal(err)
	}
	// Registered two hours ago and never finished.
	yesterday := user.NewAccounts(postgres.New(db), user.Options{Now: func() time.Time { return time.Now().Add(-2 * time.Hour) }})
	id := uuid.Must(uuid.NewV7())
	if _, err := yesterday.Ensure(ctx, user.New{ID: id, Email: "ada@example.com", Origin: user.OriginRegistration}); err != nil {
		t.Fatal(err)
	}

	seen := make(chan string, 10)
	consumed, ran := make(chan error, 1), make(chan error, 1)
	go func() {
		consumed <- b.Consume(ctx, bus.Consumer{
			Name: "test", Types: []string{event.TypeUserRegistered, event.TypeUserDeleted},
			Handle: func(_ context.Context, e event.Event) error {
				if e.Subject == id.String() {
					seen <- e.Type
				}
				return nil
			},
		})
	}()
	go func() { ran <- a.Run(ctx) }()
	var got []string
	for len(got) < 2 {
		select {
		case typ := <-seen:
			got = append(got, typ)
		case <-time.After(30 * time.Second):
			t.Fatalf("events after 30 s: %v", got)
		}
	}
	if diff := cmp.Diff([]string{event.TypeUserRegistered, event.TypeUserDeleted}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	cancel()
	for name, done := range map[string]chan error{"Run": ran, "Consume": consumed} {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s does not end with its context", name)
		}
	}
}
