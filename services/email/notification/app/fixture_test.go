package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/internal/telemetry"
	"gatehouse.example/migrations"
	"gatehouse.example/services/email/notification/app"
	"gatehouse.example/services/email/notification/rest"
)

// principalHeader carries the principal of a test's request; authentication is
// not this package's.
const principalHeader = "X-Test-Principal"

// accounts knows everybody but those who are gone.
type accounts struct {
	mu   sync.Mutex
	gone map[string]string // status by id; "" is unknown
}

var _ rest.Accounts = (*accounts)(nil)

func (a *accounts) AccountByID(_ context.Context, id string) (userapi.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	status, gone := a.gone[id]
	if gone && status == "" {
		return userapi.Account{}, problem.New(http.StatusNotFound, userapi.CodeNotFound, "")
	}
	if !gone {
		status = userapi.StatusActive
	}
	return userapi.Account{ID: id, Status: status}, nil
}

func (a *accounts) set(id, status string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone[id] = status
}

// fixture is one database and one broker for several instances.
type fixture struct {
	t        *testing.T
	db       *database.DB
	broker   *embedded.Server
	bus      *bus.Bus // of the test itself
	accounts *accounts
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, accounts: &accounts{gone: map[string]string{}}}
	f.db = databasetest.New(t, database.MigrationSet{Service: "email", Schema: "email", Role: "gatehouse_email", FS: migrations.Email})
	var err error
	if f.broker, err = embedded.Start(embedded.Options{Dir: t.TempDir(), Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.broker.Stop)
	f.bus = f.connect()
	if err := f.bus.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (f *fixture) connect() *bus.Bus {
	f.t.Helper()
	b, err := bus.Connect(f.t.Context(), bus.Options{URL: f.broker.URL(), Name: "test", Logger: quiet()})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(b.Close)
	return b
}

// instance is one process of the service, as far as notifications go.
type instance struct {
	t      *testing.T
	app    *app.App
	server *httptest.Server
	client *http.Client
	stop   func()
}

// instance starts one; change may alter its options.
func (f *fixture) instance(change ...func(*app.Options)) *instance {
	f.t.Helper()
	o := app.Options{DB: f.db, Bus: f.connect(), Users: f.accounts, Logger: slog.New(slog.NewTextHandler(f.t.Output(), nil))}
	for _, c := range change {
		c(&o)
	}
	a, err := app.New(o)
	if err != nil {
		f.t.Fatal(err)
	}
	i := &instance{t: f.t, app: a}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	i.server = httptest.NewUnstartedServer(telemetry.Middleware("email", &telemetry.Telemetry{Logger: quiet()})(principals(a.Handler())))
	i.server.Config.RegisterOnShutdown(a.Drain)
	i.server.Start()
	i.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	i.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("Run: %v", err)
		}
		i.client.CloseIdleConnections()
		i.server.Close()
	})
	f.t.Cleanup(i.stop)
	eventually(f.t, "ready", func() bool { return a.Ready() == nil })
	return i
}

// second serves the same instance over HTTP/2.
func (i *instance) second() *instance {
	server := httptest.NewUnstartedServer(i.server.Config.Handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	i.t.Cleanup(server.Close)
	client := server.Client()
	i.t.Cleanup(client.CloseIdleConnections)
	return &instance{t: i.t, app: i.app, server: server, client: client}
}

func record(t *testing.T, user string) audit.Record {
	t.Helper()
	r, err := audit.New(t.Context(), "email", "notification.sent_by_client", "user", user, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func principals(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := base64.StdEncoding.DecodeString(r.Header.Get(principalHeader))
		if len(text) > 0 && err == nil {
			var p identity.Principal
			if err := json.Unmarshal(text, &p); err != nil {
				panic(err)
			}
			r = r.WithContext(identity.WithPrincipal(r.Context(), p))
		}
		next.ServeHTTP(w, r)
	})
}

func person(id string) identity.Principal {
	return identity.Principal{Kind: identity.KindUser, Subject: id, ClientID: "app", SessionID: uuid.NewString(), TokenID: uuid.NewString()}
}

// shop is a client that may send.
func shop() identity.Principal {
	return identity.Principal{Kind: identity.KindClient, Subject: "shop", ClientID: "shop", Scopes: []string{rbac.MessagesSend}}
}

func newPerson() string { return uuid.Must(uuid.NewV7()).String() }

func (i *instance) request(p identity.Principal, method, path string, body []byte, header ...string) *http.Request {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), method, i.server.URL+path, bytes.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		i.t.Fatal(err)
	}
	if p.Authenticated() {
		r.Header.Set(principalHeader, base64.StdEncoding.EncodeToString(text))
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	return r
}

// answer is an answer with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

// pointers are those of a problem's violations.
func (a answer) pointers(t *testing.T) string {
	t.Helper()
	var p problem.Problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	var all []string
	for _, v := range p.Errors {
		all = append(all, v.Place())
	}
	return strings.Join(all, " ")
}

func (i *instance) do(p identity.Principal, method, path, body string, header ...string) answer {
	i.t.Helper()
	var raw []byte
	if body != "" {
		raw = []byte(body)
	}
	response, err := i.client.Do(i.request(p, method, path, raw, header...))
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, text}
}

// send creates a notification and returns its id.
func (i *instance) send(user, title string) string {
	i.t.Helper()
	got := i.do(shop(), "POST", rest.Root, draft(user, title))
	if got.status != http.StatusCreated {
		i.t.Fatalf("create: %d %s", got.status, got.body)
	}
	return got.json(i.t)["id"].(string)
}

func draft(user, title string) string {
	return `{"user_id":"` + user + `","category":"product","title":"` + title + `","body":"It is here.","link":"/orders/1"}`
}

// message is one server-sent event.
type message struct{ id, event, data string }

// reader is an open stream.
type reader struct {
	messages chan message // closed at the end of the stream
	close    func()
}

// open opens a stream and fails unless it is answered 200.
func (i *instance) open(p identity.Principal, lastID string, header ...string) *reader {
	i.t.Helper()
	if lastID != "" {
		header = append(header, "Last-Event-ID", lastID)
	}
	ctx, cancel := context.WithCancel(i.t.Context())
	response, err := i.client.Do(i.request(p, "GET", rest.StreamPath, nil, header...).WithContext(ctx))
	if err != nil {
		cancel()
		i.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		cancel()
		i.t.Fatalf("stream: %d %s", response.StatusCode, body)
	}
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if got := response.Header.Get(name); got != want {
			i.t.Errorf("%s: %q", name, got)
		}
	}
	r := &reader{messages: make(chan message, 10000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(r.messages)
		defer response.Body.Close()
		parse(response.Body, r.messages)
	}()
	r.close = sync.OnceFunc(func() { cancel(); <-done })
	i.t.Cleanup(r.close)
	return r
}

// parse reads events as a browser does (HTML Living Standard §9.2.6); comments
// come as events called "comment".
func parse(from io.Reader, into chan<- message) {
	var m message
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if m.event != "" {
				into <- m
			}
			m = message{}
		case name == "":
			into <- message{event: "comment", data: value}
		case name == "id":
			m.id = value
		case name == "event":
			m.event = value
		case name == "data":
			m.data += value
		}
	}
}

// next returns the next event of that name, skipping others.
func (r *reader) next(t *testing.T, name string) message {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case m, ok := <-r.messages:
			if !ok {
				t.Fatalf("the stream ended before %q", name)
			}
			if m.event == name {
				return m
			}
		case <-late:
			t.Fatalf("no %q within 10 s", name)
		}
	}
}

// ended waits for the end of the stream.
func (r *reader) ended(t *testing.T) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case _, ok := <-r.messages:
			if !ok {
				return
			}
		case <-late:
			t.Fatal("the stream did not end within 10 s")
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// publish sends an event as a relay does.
func (f *fixture) publish(e event.Event) {
	f.t.Helper()
	if err := f.bus.Publish(f.t.Context(), e); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) event(typ, subject string, data any) event.Event {
	f.t.Helper()
	e, err := event.New(event.SourceAuth, typ, subject, data, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}
