package app_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/telemetry"
	"gatehouse.example/services/graph/app"
)

const (
	domain = "test.internal"
	ada    = "01890a5d-ac96-774b-bcce-b302099a8057"
	bob    = "01890a5d-ac96-774b-bcce-b302099a8058"
	nobody = "01890a5d-ac96-774b-bcce-b302099a8059"
)

// fixture is the graph service between a gateway and three services, with real
// mutual TLS on every connection.
type fixture struct {
	t         *testing.T
	authority *mtls.Authority
	gateway   *mtls.Bundle
	url       string
	app       *app.App
	client    *http.Client
	// user, auth and email answer like the services.
	user, auth, email *fake
}

// fake is one of the three services. Its answers are in routes, which tests
// change before they ask.
type fake struct {
	name     string
	verifier *identity.Verifier
	routes   map[string]http.HandlerFunc
	// hangs makes every call wait for its caller to give up.
	hangs  atomic.Bool
	server *httptest.Server

	mu    sync.Mutex
	calls []call
}

type call struct {
	uri, peer, subject, requestID, language string
	traced                                  bool
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	identity.Authenticate(f.verifier)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.calls = append(f.calls, call{
			uri: r.URL.RequestURI(), peer: identity.Peer(r.Context()), subject: identity.PrincipalFrom(r.Context()).Subject,
			requestID: r.Header.Get("X-Request-Id"), language: r.Header.Get("Accept-Language"), traced: r.Header.Get("Traceparent") != "",
		})
		f.mu.Unlock()
		if f.hangs.Load() {
			<-r.Context().Done()
			return
		}
		route, ok := f.routes[r.URL.Path]
		if !ok {
			problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", ""))
			return
		}
		route(w, r)
	})).ServeHTTP(w, r)
}

// asked returns the URIs that were asked for, sorted, and forgets them.
func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var uris []string
	for _, c := range f.calls {
		uris = append(uris, c.uri)
	}
	f.calls = nil
	slices.Sort(uris)
	return uris
}

// stop makes the service unreachable.
func (f *fake) stop() {
	f.server.CloseClientConnections()
	f.server.Close()
}

// change is what a test has different.
type change func(*config.Graph)

func setUp(t *testing.T, changes ...change) *fixture {
	t.Helper()
	dir := t.TempDir()
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), domain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, authority: authority}
	f.gateway = f.bundle("gateway")
	f.user, f.auth, f.email = f.fake("user", userRoutes()), f.fake("auth", authRoutes()), f.fake("email", emailRoutes())
	own := f.bundle("graph")
	cfg := config.Graph{MaxDepth: 8, MaxCost: 2000, MaxAliases: 20, Timeout: 5 * time.Second}
	for _, c := range changes {
		c(&cfg)
	}
	f.app, err = app.New(app.Options{
		Config: cfg, Verifier: f.verifier(own), Logger: slog.New(slog.DiscardHandler),
		User: f.reach(own, f.user), Auth: f.reach(own, f.auth), Email: f.reach(own, f.email),
	})
	if err != nil {
		t.Fatal(err)
	}
	tele, err := telemetry.Setup(t.Context(), telemetry.Options{Service: "graph", Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	f.url = f.serve(own, telemetry.Middleware("graph", tele)(f.app.Handler())).URL
	f.client = f.httpClient(f.gateway, "graph")
	return f
}

func (f *fixture) bundle(service string) *mtls.Bundle {
	f.t.Helper()
	b, err := f.authority.IssueService(service, time.Hour)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

func (f *fixture) verifier(b *mtls.Bundle) *identity.Verifier {
	return identity.NewVerifier(b.Roots, domain, "gatehouse", time.Now)
}

func (f *fixture) fake(name string, routes map[string]http.HandlerFunc) *fake {
	f.t.Helper()
	b := f.bundle(name)
	s := &fake{name: name, verifier: f.verifier(b), routes: routes}
	s.server = f.serve(b, s)
	return s
}

func (f *fixture) serve(b *mtls.Bundle, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.TLS = b.ServerTLS()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	f.t.Cleanup(s.Close)
	return s
}

func (f *fixture) httpClient(b *mtls.Bundle, service string) *http.Client {
	transport := &http.Transport{TLSClientConfig: b.ClientTLS(service)}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (f *fixture) reach(own *mtls.Bundle, s *fake) api.Options {
	return api.Options{Base: s.server.URL, HTTP: f.httpClient(own, s.name)}
}

// person is the principal of a user's internal token.
func person(id string) identity.Principal {
	return identity.Principal{Kind: identity.KindUser, Subject: id, ClientID: "app", SessionID: "s1", Roles: []string{"user"}, Expires: time.Now().Add(time.Minute)}
}

func (f *fixture) token(p identity.Principal) string {
	f.t.Helper()
	token, _, err := identity.NewMinter(f.gateway, time.Now).Mint(p, "gatehouse")
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// request is a POST of ada's; tests change it.
func (f *fixture) request(body string) *http.Request {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url+"/graphql", strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+f.token(person(ada)))
	return r
}

func (f *fixture) send(r *http.Request) (*http.Response, []byte) {
	f.t.Helper()
	resp, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, body
}

// answer is a GraphQL response.
type answer struct {
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Path       []any  `json:"path"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`
}

// problems returns "path code" of each error, sorted.
func (a answer) problems() []string {
	var all []string
	for _, e := range a.Errors {
		var path []string
		for _, p := range e.Path {
			path = append(path, fmt.Sprint(p))
		}
		all = append(all, strings.TrimSpace(strings.Join(path, ".")+" "+e.Extensions.Code))
	}
	slices.Sort(all)
	return all
}

func post(query string, variables ...map[string]any) string {
	in := map[string]any{"query": query}
	for _, v := range variables {
		in["variables"] = v
	}
	body, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// ask sends ada's query and wants 200.
func (f *fixture) ask(query string, variables ...map[string]any) answer {
	f.t.Helper()
	return f.askAs(person(ada), query, variables...)
}

func (f *fixture) askAs(p identity.Principal, query string, variables ...map[string]any) answer {
	f.t.Helper()
	r := f.request(post(query, variables...))
	r.Header.Set("Authorization", "Bearer "+f.token(p))
	resp, body := f.send(r)
	if resp.StatusCode != http.StatusOK {
		f.t.Fatalf("%s: %d %s", query, resp.StatusCode, body)
	}
	return parse(f.t, body)
}

func parse(t *testing.T, body []byte) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return a
}

// wantData compares the data as JSON.
func wantData(t *testing.T, a answer, want string) {
	t.Helper()
	var got, expected bytes.Buffer
	if err := cmp.Or(json.Compact(&got, a.Data), json.Compact(&expected, []byte(want))); err != nil {
		t.Fatalf("%v: %s", err, a.Data)
	}
	if got.String() != expected.String() {
		t.Errorf("data\n got %s\nwant %s", &got, &expected)
	}
}
