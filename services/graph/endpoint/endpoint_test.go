package endpoint_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/graph"
	"gatehouse.example/services/graph/endpoint"
	"gatehouse.example/services/graph/generated"
	"gatehouse.example/services/graph/limit"
	"gatehouse.example/services/graph/load"
	"gatehouse.example/services/graph/resolve"
	"gatehouse.example/services/graph/upstream"
)

// services knows nothing, but at once; what panics panics.
type services struct{ follow func() error }

func (services) Me(context.Context) (*graph.Account, error) {
	return &graph.Account{ID: "me", Email: "ada@example.com", Profile: &graph.Profile{Attributes: graph.JSON(`{"a":[1]}`)}}, nil
}
func (services) User(context.Context, string) (*graph.Account, error)      { return nil, nil }
func (services) Users(context.Context, []string) ([]*graph.Account, error) { return nil, nil }
func (services) Permissions(context.Context, string) ([]string, error) {
	panic("secret of a stack")
}
func (services) Preferences(context.Context, string) ([]graph.Preference, error) {
	return nil, errors.New("dial 10.0.0.7:9102: secret")
}
func (services) Sessions(context.Context, string, int) ([]graph.Session, error) { return nil, nil }
func (services) Notifications(context.Context, upstream.Inbox) (*graph.NotificationPage, error) {
	return &graph.NotificationPage{Items: []graph.Notification{}}, nil
}
func (services) Unread(context.Context) (int, error) { return 0, nil }
func (s services) Follow(context.Context) (func(func(upstream.Event) error) error, error) {
	return func(handle func(upstream.Event) error) error {
		return errors.Join(handle(upstream.Event{Unread: 1}), s.follow())
	}, nil
}

func handler(tb testing.TB, s services, change func(*endpoint.Options)) http.Handler {
	tb.Helper()
	if s.follow == nil {
		s.follow = func() error { return nil }
	}
	caller := identity.Principal{Kind: identity.KindUser, Subject: "me"}
	o := endpoint.Options{
		Schema:  generated.NewExecutableSchema(generated.Config{Resolvers: &resolve.Root{Stream: s}}),
		Limits:  limit.Limits{MaxDepth: 8, MaxCost: 2000, MaxAliases: 20},
		Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler),
		Prepare: func(ctx context.Context) context.Context {
			return load.With(identity.WithPrincipal(ctx, caller), load.New(s, caller, 0))
		},
	}
	if change != nil {
		change(&o)
	}
	e, err := endpoint.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestFaultsAreNotTold(t *testing.T) {
	var logged bytes.Buffer
	h := handler(t, services{}, func(o *endpoint.Options) { o.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, post(`{"query":"{ me { id permissions preferences { namespace } } }"}`))
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "secret") || strings.Count(w.Body.String(), `"code":"INTERNAL"`) != 2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, want := range []string{"secret of a stack", "dial 10.0.0.7:9102"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &logged)
		}
	}
}

func TestAPanicOfAFieldIsInternal(t *testing.T) {
	var logged bytes.Buffer
	h := handler(t, services{}, func(o *endpoint.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		// There are no loaders in this context.
		o.Prepare = func(ctx context.Context) context.Context {
			return identity.WithPrincipal(ctx, identity.Principal{Kind: identity.KindUser, Subject: "me"})
		}
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, post(`{"query":"{ __typename me { id } }"}`))
	const want = `{"data":{"__typename":"Query","me":null},"errors":[{"message":"this could not be answered","path":["me"],"extensions":{"code":"INTERNAL"}}]}`
	if w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d\n got %s\nwant %s", w.Code, w.Body, want)
	}
	if !strings.Contains(logged.String(), "goroutine ") {
		t.Errorf("the log has no stack:\n%s", &logged)
	}
}

func TestSilenceIsFilled(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	h := handler(t, services{follow: func() error { <-hold; return nil }}, func(o *endpoint.Options) { o.Heartbeat = time.Millisecond })
	server := httptest.NewServer(h)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(`{"query":"subscription { unreadNotifications }"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for comments := 0; comments < 3; {
		if !lines.Scan() {
			t.Fatalf("the stream ended after %d comments: %v", comments, lines.Err())
		}
		if lines.Text() == ":" {
			comments++
		}
	}
}

func TestOperationsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := handler(t, services{}, func(o *endpoint.Options) { o.Registry = registry })
	for _, query := range []string{`{ me { id } }`, `{ me { preferences { namespace } } }`, `{ x }`} {
		h.ServeHTTP(httptest.NewRecorder(), post(`{"query":"`+query+`"}`))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/graphql", nil))
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, family := range gathered {
		for _, m := range family.GetMetric() {
			labels := []string{family.GetName()}
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			counted[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{
		"gatehouse_graph_operations_total answered query": 1,
		"gatehouse_graph_operations_total partial query":  1,
		"gatehouse_graph_operations_total refused none":   2,
	}
	if diff := cmp.Diff(want, counted); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// FuzzRequest holds whatever comes to one of the answers that there are.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{ me { id email profile { attributes } notifications(limit: 3) { items { id } unreadCount } } }"}`,
		`{"query":"query a($n: Int! = 3) { me { ...f } } fragment f on User { sessions(limit: $n) { id @skip(if: true) } }","variables":{"n":5},"operationName":"a"}`,
		`{"query":"subscription { unreadNotifications }"}`,
		`{"query":"{ __schema { types { name fields { name } } } }"}`,
		`{"query":"{ user(id: \"01890a5d-ac96-774b-bcce-b302099a8057\") { permissions preferences(namespace: \"x\") { value } } }","extensions":{}}`,
		`{"query":"{ me { ... @defer { id } a: id @include(if: $x) } }","variables":null}`,
		`{"query":"{ me { sessions(limit: 99999999999999999999) { id } } }"}`,
		`[{"query":"{me{id}}"}]`, `{"query":"\u0000"}`, `null`, ``,
	} {
		f.Add([]byte(seed), "application/json")
		f.Add([]byte(seed), "text/event-stream")
	}
	h := handler(f, services{}, nil)
	f.Fuzz(func(t *testing.T, body []byte, accept string) {
		r := post(string(body))
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		media, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
		switch media {
		case "text/event-stream":
			if w.Code != http.StatusOK || !strings.HasSuffix(w.Body.String(), "event: complete\ndata: \n\n") {
				t.Fatalf("%d: %s", w.Code, w.Body)
			}
		case "application/json", "application/graphql-response+json", "application/problem+json":
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("no JSON: %s", w.Body)
			}
		default:
			t.Fatalf("answered as %q", media)
		}
		if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "goroutine ") {
			t.Fatalf("told too much: %s", w.Body)
		}
	})
}
