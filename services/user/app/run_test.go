package app_test

import (
	"context"
	"path/filepath"
	"strings"
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

// TestRun: an abandoned registration is swept and an account that was deleted
// long ago is erased; what happened arrives on a real bus, in order.
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
		Config: config.User{PendingRetention: time.Hour, DeletedRetention: time.Hour}, DB: db, Bus: b,
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

	gone, _, err := yesterday.Create(ctx, user.New{Email: "gone@example.com", Origin: user.OriginAdministration})
	if err != nil {
		t.Fatal(err)
	}
	if err := yesterday.Delete(ctx, gone.ID, nil); err != nil {
		t.Fatal(err)
	}

	seen := make(chan string, 10)
	consumed, ran := make(chan error, 1), make(chan error, 1)
	go func() {
		consumed <- b.Consume(ctx, bus.Consumer{
			Name: "test", Types: []string{event.TypeUserRegistered, event.TypeUserDeleted, event.TypeUserErased},
			Handle: func(_ context.Context, e event.Event) error {
				switch e.Subject {
				case id.String():
					seen <- "ada " + e.Type
				case gone.ID.String():
					seen <- "gone " + e.Type
				}
				return nil
			},
		})
	}()
	go func() { ran <- a.Run(ctx) }()
	got := map[string][]string{}
	for range 6 {
		select {
		case one := <-seen:
			who, typ, _ := strings.Cut(one, " ")
			got[who] = append(got[who], typ)
		case <-time.After(30 * time.Second):
			t.Fatalf("events after 30 s: %v", got)
		}
	}
	life := []string{event.TypeUserRegistered, event.TypeUserDeleted, event.TypeUserErased}
	if diff := cmp.Diff(map[string][]string{"ada": life, "gone": life}, got); diff != "" {
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
