package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/config"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/oidctest"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/services/auth/app"
)

// socialPlugin builds the provider's plugin once for all tests and returns its
// folder.
var socialPlugin = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gh-social-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "social-oidc")
	if out, err := exec.Command("go", "build", "-o", path, "gatehouse.example/plugins/social/oidc").CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build plugin: %w: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return dir, err
	}
	sums := fmt.Sprintf("%x  social-oidc\n", sha256.Sum256(data))
	return dir, os.WriteFile(filepath.Join(dir, pluginhost.ChecksumFile), []byte(sums), 0o600)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := socialPlugin(); dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// pids is a log that keeps the number of the plugin process that runs now.
type pids struct {
	slog.Handler
	last *atomic.Int64
}

func newPIDs() pids {
	return pids{slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}), &atomic.Int64{}}
}

// Handle implements [slog.Handler].
func (p pids) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "pid" && r.Message == "plugin is running" {
			pid, _ := strconv.ParseInt(a.Value.String(), 10, 64)
			p.last.Store(pid)
		}
		return true
	})
	return nil
}

// WithAttrs implements [slog.Handler].
func (p pids) WithAttrs([]slog.Attr) slog.Handler { return p }

// signal sends a signal to the process.
func (p pids) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for p.last.Load() == 0 {
		if time.Now().After(deadline) {
			t.Fatal("no plugin is running")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := syscall.Kill(int(p.last.Load()), s); err != nil {
		t.Fatal(err)
	}
}

// socialSystem is an auth service with two providers at one issuer each: one
// that is trusted with addresses, one that is not.
type socialSystem struct {
	*system
	trusted, other *oidctest.Issuer
}

func providerOf(issuer, display string, trust bool) config.Provider {
	return config.Provider{Plugin: "social-oidc", DisplayName: display, TrustEmail: trust, Config: map[string]any{
		"issuer": issuer, "client_id": oidctest.ClientID, "client_secret": oidctest.ClientSecret, "allow_loopback_http": true,
	}}
}

func pluginHost(t *testing.T, change func(*pluginhost.Options)) *pluginhost.Host {
	t.Helper()
	dir, err := socialPlugin()
	if err != nil {
		t.Fatal(err)
	}
	o := pluginhost.Options{Directory: dir, CallTimeout: 8 * time.Second, HealthTimeout: 500 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	host, err := pluginhost.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := host.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return host
}

func startSocial(t *testing.T, change ...func(*app.Options)) *socialSystem {
	t.Helper()
	s := &socialSystem{system: start(t), trusted: oidctest.New(t), other: oidctest.New(t)}
	s.options.Config.Providers = map[string]config.Provider{
		"corp": providerOf(s.trusted.URL, "Corp", true), "forum": providerOf(s.other.URL, "A forum", false),
	}
	for _, c := range change {
		c(&s.options)
	}
	if s.options.Plugins == nil {
		s.options.Plugins = pluginHost(t, nil)
	}
	s.restart()
	return s
}

func person(sub, email string, verified bool) map[string]any {
	return map[string]any{"sub": sub, "email": email, "email_verified": verified, "name": "Grace Hopper", "given_name": "Grace", "locale": "en_US"}
}

func (s *socialSystem) issuer(provider string) *oidctest.Issuer {
	return map[string]*oidctest.Issuer{"corp": s.trusted, "forum": s.other}[provider]
}

// away begins a sign-in and returns where the browser was sent.
func (b *browser) away(provider, returnTo string) string {
	b.t.Helper()
	sent := b.get("/login/start/"+provider+"?"+url.Values{"return_to": {returnTo}}.Encode()).want(b.t, http.StatusSeeOther)
	return sent.Header.Get("Location")
}

// back brings the browser back from the provider.
func (b *browser) back(t *testing.T, issuer *oidctest.Issuer, authorizationURL string) answer {
	t.Helper()
	callback, parameters := issuer.Authorize(t, authorizationURL)
	return b.get(local(t, callback) + "?" + parameters.Encode())
}

// local turns an address of the issuer into one of the test's server.
func local(t *testing.T, callback string) string {
	t.Helper()
	path, ok := strings.CutPrefix(callback, issuer)
	if !ok {
		t.Fatalf("callback %q is not below the issuer", callback)
	}
	return path
}

// through signs in through the provider as the person.
func (s *socialSystem) through(b *browser, provider string, who map[string]any) answer {
	s.t.Helper()
	s.issuer(provider).Set(oidctest.Behaviour{Person: who})
	return b.back(s.t, s.issuer(provider), b.away(provider, "/account"))
}

// signedIn returns the id of who is signed in in the browser, or "".
func (s *socialSystem) signedIn(b *browser) string {
	s.t.Helper()
	for _, c := range b.client.Jar.Cookies(mustURL(s.t, s.server.URL)) {
		if c.Name == "gatehouse_session" {
			var id string
			err := s.db.Pool.QueryRow(s.t.Context(), `SELECT user_id::text FROM sessions WHERE cookie_hash = $1 AND ended_at IS NULL`, hashOf(c.Value)).Scan(&id)
			if err != nil {
				s.t.Fatal(err)
			}
			return id
		}
	}
	return ""
}

func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// links returns "provider subject" of the user's identities.
func (s *socialSystem) links(userID string) []string {
	s.t.Helper()
	rows, err := s.db.Pool.Query(s.t.Context(), `SELECT provider || ' ' || subject FROM identities WHERE user_id = $1::uuid ORDER BY 1`, userID)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	links := []string{}
	for rows.Next() {
		var link string
		if err := rows.Scan(&link); err != nil {
			s.t.Fatal(err)
		}
		links = append(links, link)
	}
	return links
}

// trail returns how many events and audit records of a linking there are.
func (s *socialSystem) trail(userID, eventType, action string) (events, records int) {
	s.t.Helper()
	err := s.db.Pool.QueryRow(s.t.Context(), `SELECT (SELECT count(*) FROM outbox WHERE type = $2 AND event->'data'->>'user_id' = $1),
		(SELECT count(*) FROM audit_log WHERE action = $3 AND subject_id = $1 AND actor_id = $1)`, userID, eventType, action).Scan(&events, &records)
	if err != nil {
		s.t.Fatal(err)
	}
	return events, records
}

func (s *socialSystem) wantLinked(userID string) {
	s.t.Helper()
	if events, records := s.trail(userID, event.TypeIdentityLinked, "identity.linked"); events != 1 || records != 1 {
		s.t.Errorf("identity.linked: %d events, %d audit records, want one each", events, records)
	}
}

type identityList struct {
	Items []struct {
		ID          string `json:"id"`
		Provider    string `json:"provider"`
		DisplayName string `json:"display_name"`
		Email       string `json:"email"`
	} `json:"items"`
	NextCursor json.RawMessage `json:"next_cursor"`
}

func newID(t *testing.T) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}
