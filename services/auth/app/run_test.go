package app_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/event"
)

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

func connect(t *testing.T) *bus.Bus {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	broker, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Stop)
	b, err := bus.Connect(t.Context(), bus.Options{URL: broker.URL(), Name: t.Name(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRun is the background work on a real broker: mails are asked for,
// revocations reach gateways, and a suspension ends what a person holds.
func TestRun(t *testing.T) {
	b := connect(t)
	s := start(t, b)
	var mu sync.Mutex
	var mails []event.VerificationRequested
	revocations, err := bus.FollowRevocations(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := s.app.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	wait.Go(func() {
		_ = b.Consume(ctx, bus.Consumer{Name: "test-mails", Types: []string{event.TypeVerificationRequested}, Handle: func(_ context.Context, e event.Event) error {
			mu.Lock()
			defer mu.Unlock()
			var m event.VerificationRequested
			err := json.Unmarshal(e.Data, &m)
			mails = append(mails, m)
			return err
		}})
	})
	defer wait.Wait()
	defer cancel()
	if err := s.app.Ready(t.Context()); err != nil {
		t.Error(err)
	}

	client := s.publicClient()
	account, browser := s.person("ada@example.com")
	eventually(t, "the event for the mail", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(mails) == 1 && mails[0].UserID == account.ID && mails[0].Email == "ada@example.com" && mails[0].Purpose == event.PurposeVerifyEmail
	})
	revoked := browser.tokens(client.ClientID)
	_, payload := claims(t, revoked.AccessToken)
	browser.post("/oauth2/revoke", url.Values{"client_id": {client.ClientID}, "token": {revoked.AccessToken}}).want(t, http.StatusOK)
	eventually(t, "the jti on the revocation list", func() bool { return revocations.Revoked("jti", payload["jti"].(string)) })

	held := browser.tokens(client.ClientID)
	e, err := event.New(event.SourceUser, event.TypeUserSuspended, account.ID, event.UserSuspended{UserID: account.ID}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session on the revocation list", func() bool { return revocations.Revoked("session", payload["sid"].(string)) })
	browser.redeem(refreshForm(client.ClientID, held.RefreshToken), http.StatusBadRequest)
	browser.get("/account").want(t, http.StatusSeeOther)

	erased, err := event.New(event.SourceUser, event.TypeUserErased, account.ID, event.UserErased{UserID: account.ID}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), erased); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the credential to be gone", func() bool {
		var n int
		err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM credentials`).Scan(&n)
		return err == nil && n == 0
	})
}

// TestRestart finds keys and sessions as they were.
func TestRestart(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	_, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	s.restart()
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}}).want(t, http.StatusOK)
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusOK)
	b.get("/account").want(t, http.StatusOK)
}
