package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/internal/problem"
	"gatehouse.example/migrations"
	"gatehouse.example/services/email/app"
	"gatehouse.example/services/email/mailbox"
)

const domain = "test.internal"

// plugins is a folder with the transports and their checksums, made once.
var plugins = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "email-app-test-")
	if err != nil {
		return "", err
	}
	var sums []byte
	for _, name := range []string{"file", "smtp"} {
		path := filepath.Join(dir, "mail-"+name)
		if out, err := exec.Command("go", "build", "-o", path, "gatehouse.example/plugins/mail/"+name).CombinedOutput(); err != nil {
			return dir, fmt.Errorf("build plugin: %w: %s", err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return dir, err
		}
		sums = fmt.Appendf(sums, "%x  mail-%s\n", sha256.Sum256(data), name)
	}
	return dir, os.WriteFile(filepath.Join(dir, pluginhost.ChecksumFile), sums, 0o600)
})

func TestMain(m *testing.M) {
	if settings := os.Getenv(childVariable); settings != "" {
		if err := runChild(settings); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if dir, _ := plugins(); dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// fixture is the whole service on real parts. Only auth and user are played: by
// an HTTP server whose answers a test sets.
type fixture struct {
	app     *app.App
	db      *database.DB
	bus     *bus.Bus
	data    string
	url     string
	gateway *http.Client
	others  *api.Client
	peers   string // address of auth and user
	broker  string
	own     *mtls.Bundle
	token   func(identity.Principal) string

	mu     sync.Mutex
	answer http.HandlerFunc
	people map[string]userapi.Account
}

// person makes an account that the user service knows from now on.
func (f *fixture) person(a userapi.Account) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.ID == "" {
		a.ID = uuid.NewString()
	}
	if f.people == nil {
		f.people = map[string]userapi.Account{}
	}
	f.people[a.ID] = a
	return a.ID
}

func (f *fixture) answerAccount(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	account, ok := f.people[r.PathValue("id")]
	f.mu.Unlock()
	if !ok {
		problem.Write(w, r, problem.New(http.StatusNotFound, userapi.CodeNotFound, ""))
		return
	}
	_ = json.NewEncoder(w).Encode(account)
}

func (f *fixture) auth(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func linkOf(challenge string) string {
	return "https://id.example.com/verify?challenge=" + challenge + "&code=very-secret-code"
}

func answerLink(w http.ResponseWriter, r *http.Request) {
	link := authapi.Link{Link: linkOf(r.PathValue("id")), Purpose: "verify_email", ExpiresAt: time.Now().Add(time.Hour)}
	_ = json.NewEncoder(w).Encode(link)
}

func answerProblem(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.New(status, code, "")) }
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{answer: answerLink, data: t.TempDir()}
	f.db = databasetest.New(t, database.MigrationSet{Service: "email", Schema: "email", Role: "gatehouse_email", FS: migrations.Email})
	f.startBus(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+authapi.PathChallengeLink, func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		answer := f.answer
		f.mu.Unlock()
		answer(w, r)
	})
	mux.HandleFunc("GET "+userapi.PathAccount, f.answerAccount)
	auth := httptest.NewServer(mux)
	t.Cleanup(auth.Close)

	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(f.data, "ca.pem"), filepath.Join(f.data, "ca-key.pem"), domain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	own, gateway := issue(t, authority, "email"), issue(t, authority, "gateway")
	f.peers = auth.URL
	f.others, f.own = api.New(api.Options{Base: auth.URL}), own
	f.app = f.newApp(t, nil)
	server := httptest.NewUnstartedServer(f.app.Handler())
	server.TLS = own.ServerTLS()
	server.StartTLS()
	t.Cleanup(server.Close)
	f.url = server.URL
	transport := &http.Transport{TLSClientConfig: gateway.ClientTLS("email")}
	t.Cleanup(transport.CloseIdleConnections)
	f.gateway = &http.Client{Transport: transport}
	minter := identity.NewMinter(gateway, time.Now)
	f.token = func(p identity.Principal) string {
		p.Expires = time.Now().Add(time.Minute)
		token, _, err := minter.Mint(p, "gatehouse")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	return f
}

func (f *fixture) appOptions(t *testing.T) app.Options {
	t.Helper()
	o := f.options(t, authapi.New(f.others), f.own)
	o.Users = userapi.New(f.others)
	return o
}

// newApp is one process of the service.
func (f *fixture) newApp(t *testing.T, change func(*app.Options)) *app.App {
	t.Helper()
	o := f.appOptions(t)
	if change != nil {
		change(&o)
	}
	a, err := app.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (f *fixture) options(t *testing.T, auth *authapi.Client, own *mtls.Bundle) app.Options {
	t.Helper()
	dir, err := plugins()
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	host, err := pluginhost.New(pluginhost.Options{Directory: dir, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := host.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return app.Options{
		Config: config.Email{
			From: "Gatehouse <no-reply@example.com>", Transport: "file",
			Transports:  map[string]config.Transport{"file": {Plugin: "mail-file", Config: map[string]any{"directory": "mailbox"}}},
			MaxAttempts: 3, Backoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, DevMailbox: true,
		},
		Issuer: "https://id.example.com", Environment: "test", DataDir: f.data,
		DB: f.db, Bus: f.bus, Auth: auth, Plugins: host, Logger: logger, Registry: prometheus.NewRegistry(),
		Verifier: identity.NewVerifier(own.Roots, domain, "gatehouse", time.Now),
	}
}

func issue(t *testing.T, authority *mtls.Authority, service string) *mtls.Bundle {
	t.Helper()
	b, err := authority.IssueService(service, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (f *fixture) startBus(t *testing.T) {
	t.Helper()
	server, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	f.broker = server.URL()
	f.bus, err = bus.Connect(t.Context(), bus.Options{URL: server.URL(), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.bus.Close)
	if err := f.bus.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// run runs the service until the test ends.
func (f *fixture) run(t *testing.T) {
	t.Helper()
	runApp(t, f.app)
}

func runApp(t *testing.T, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (f *fixture) request(t *testing.T, challenge, to string) {
	t.Helper()
	e, err := event.New(event.SourceAuth, event.TypeVerificationRequested, challenge, event.VerificationRequested{
		ChallengeID: challenge, UserID: uuid.NewString(), Email: to, Locale: "en", Purpose: "verify_email",
		ExpiresAt: time.Now().Add(time.Hour),
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.bus.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) get(t *testing.T, path, token string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", "127.0.0.1")
	r.Header.Set("X-Forwarded-Host", "localhost:8080")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := f.gateway.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

func (f *fixture) mails(t *testing.T, to string) []mailbox.Item {
	t.Helper()
	status, body := f.get(t, "/dev/mailbox?to="+to, "")
	var page struct{ Items []mailbox.Item }
	if err := json.Unmarshal(body, &page); err != nil || status != http.StatusOK {
		t.Fatalf("mailbox: %d %s", status, body)
	}
	return page.Items
}

func (f *fixture) mailTo(t *testing.T, to string) mailbox.Item {
	t.Helper()
	var items []mailbox.Item
	eventually(t, "a mail to "+to, func() bool { items = f.mails(t, to); return len(items) > 0 })
	return items[0]
}

// rows is everything the service has stored, as text.
func (f *fixture) rows(t *testing.T, table string) []string {
	t.Helper()
	var rows []string
	if err := f.db.Bun.NewRaw("SELECT row_to_json(x)::text FROM "+table+" x").Scan(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func (f *fixture) waitState(t *testing.T, state string) {
	t.Helper()
	eventually(t, "state "+state, func() bool {
		return strings.Contains(strings.Join(f.rows(t, "messages"), "\n"), `"state":"`+state+`"`)
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
