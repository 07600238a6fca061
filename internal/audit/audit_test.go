package audit_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptrace/bun"

	"context"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/telemetry"
	"gatehouse.example/migrations"
)

func TestTheMigrationsHaveTheTable(t *testing.T) {
	want, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]fs.FS{"auth": migrations.Auth, "user": migrations.User, "email": migrations.Email} {
		text, err := fs.ReadFile(set, "0002_audit.up.sql")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), string(want)) {
			t.Errorf("migrations/%s/0002_audit.up.sql does not contain internal/audit/schema.sql word for word", name)
		}
	}
}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func record(t *testing.T) audit.Record {
	t.Helper()
	ctx := identity.WithPrincipal(t.Context(), identity.Principal{Kind: identity.KindUser, Subject: "ada", ClientID: "shop"})
	ctx = telemetry.WithClientAddress(telemetry.WithRequestID(ctx, "r1"), "192.0.2.7")
	r, err := audit.New(ctx, "user", "user.suspended", "user", "bob", now)
	if err != nil {
		t.Fatal(err)
	}
	return r.With("from", "active").With("to", "suspended")
}

func TestWriteIsPartOfTheChange(t *testing.T) {
	db := databasetest.New(t, database.MigrationSet{Service: "user", Role: "gatehouse_user", FS: migrations.User, ReadsAudit: true})
	kept, dropped := record(t), record(t)
	if err := db.InTx(t.Context(), func(ctx context.Context, tx bun.Tx) error { return audit.Write(ctx, tx, kept) }); err != nil {
		t.Fatal(err)
	}
	err := db.InTx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		if err := audit.Write(ctx, tx, dropped); err != nil {
			return err
		}
		return context.Canceled
	})
	if err == nil {
		t.Fatal("the transaction was committed")
	}
	var ids, events []string
	if err := db.Bun.NewRaw(`SELECT id::text FROM audit_log`).Scan(t.Context(), &ids); err != nil {
		t.Fatal(err)
	}
	if err := db.Bun.NewRaw(`SELECT event::text FROM outbox`).Scan(t.Context(), &events); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{kept.ID}, ids); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	var e event.Event
	if err := json.Unmarshal([]byte(events[0]), &e); err != nil {
		t.Fatal(err)
	}
	back, err := audit.FromEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kept, back); diff != "" {
		t.Errorf("the event tells another record (-written +told):\n%s", diff)
	}
}

func TestTheRoleCannotChangeOrRead(t *testing.T) {
	db := databasetest.New(t, database.MigrationSet{Service: "user", Role: "gatehouse_user", FS: migrations.User})
	if err := audit.Insert(t.Context(), db.Bun, record(t)); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"SELECT * FROM audit_log", "UPDATE audit_log SET action = ''", "DELETE FROM audit_log", "TRUNCATE audit_log"} {
		if _, err := db.Bun.NewRaw(statement).Exec(t.Context()); err == nil {
			t.Errorf("%s was allowed", statement)
		}
	}
}

func TestARecordNamesWhoAndWhence(t *testing.T) {
	r := record(t)
	want := audit.Record{
		ID: r.ID, Time: now, Service: "user", ActorKind: identity.KindUser, ActorID: "ada", ClientID: "shop",
		Action: "user.suspended", SubjectKind: "user", SubjectID: "bob", Outcome: audit.Success,
		Address: "192.0.2.7", RequestID: "r1", Details: map[string]string{"from": "active", "to": "suspended"},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	if e, err := event.New("gatehouse/user", event.TypeUserDeleted, "x", event.UserDeleted{}, now); err != nil {
		t.Fatal(err)
	} else if _, err := audit.FromEvent(e); err == nil {
		t.Error("an event of another type was taken for a record")
	}
}

// TestARecordNamesTheCredential: which session, API key or token it was.
func TestARecordNamesTheCredential(t *testing.T) {
	for name, c := range map[string]struct {
		principal identity.Principal
		want      map[string]string
	}{
		"a session":        {identity.Principal{Kind: identity.KindUser, Subject: "ada", SessionID: "s1", TokenID: "t1"}, map[string]string{"session_id": "s1"}},
		"a person's key":   {identity.Principal{Kind: identity.KindUser, Subject: "ada", TokenID: "k1"}, map[string]string{"credential_id": "k1"}},
		"a client's token": {identity.Principal{Kind: identity.KindClient, Subject: "c", ClientID: "c", TokenID: "t2"}, map[string]string{"credential_id": "t2"}},
		"a service":        {identity.Principal{Kind: identity.KindService, Subject: "auth"}, nil},
		"nobody":           {identity.Principal{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := audit.New(identity.WithPrincipal(t.Context(), c.principal), "user", "user.updated", "user", "bob", now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, r.Details); diff != "" {
				t.Error(diff)
			}
		})
	}
}
