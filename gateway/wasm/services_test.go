package wasm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
)

// servicesFilter builds the guest that does as it is told.
func (b *bench) servicesFilter(t testing.TB, name string, change func(*filter.Spec), grants ...string) filter.Filter {
	t.Helper()
	use, _ := json.Marshal(map[string][]string{"use": grants})
	s := spec("services", string(use), grants...)
	s.Name = name
	if change != nil {
		change(&s)
	}
	f, err := b.host.Build(context.Background(), s)
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func order(t testing.TB, f filter.Filter, do string, fields ...string) *exchange.Exchange {
	t.Helper()
	ex := newExchange("GET", "/", append(fields, "X-Do", do)...)
	run(t, f, ex)
	return ex
}

// TestKVVectors runs the tables of the kit through a compiled guest.
func TestKVVectors(t *testing.T) {
	text, err := os.ReadFile("../../pluginspec/filter/v1/testdata/kv.json")
	if err != nil {
		t.Fatal(err)
	}
	var tables []struct {
		Name  string
		Bytes int64
		Steps []struct {
			AdvanceMS  int64 `json:"advance_ms"`
			Do         string
			Key        string
			KeyBytes   int `json:"key_bytes"`
			Value      string
			ValueBytes int   `json:"value_bytes"`
			TTL        int64 `json:"ttl_ms"`
			Delta, Sum int64
			Status     string
		}
	}
	if err := json.Unmarshal(text, &tables); err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	for i, table := range tables {
		t.Run(table.Name, func(t *testing.T) {
			f := b.servicesFilter(t, fmt.Sprint("f", i), func(s *filter.Spec) { s.Limits.KV = table.Bytes }, "kv")
			for i, s := range table.Steps {
				// What a time.Duration cannot say, the tests of capability do.
				s.TTL = min(max(s.TTL, -1), math.MaxInt64/int64(time.Millisecond))
				b.clock.advance(time.Duration(s.AdvanceMS) * time.Millisecond)
				h := order(t, f, s.Do, "X-Key", s.Key, "X-Key-Bytes", strconv.Itoa(s.KeyBytes), "X-Value", s.Value,
					"X-Value-Bytes", strconv.Itoa(s.ValueBytes), "X-TTL", fmt.Sprint(s.TTL), "X-Delta", fmt.Sprint(s.Delta))
				want := ""
				switch {
				case s.Do == "get" && s.Status == "ok":
					want = strings.Repeat(s.Value, max(1, s.ValueBytes))
				case s.Do == "incr":
					want = fmt.Sprint(s.Sum)
				}
				if got := h.Response.Header.Get("X-Status"); got != s.Status || string(h.Response.Body.Bytes) != want {
					t.Errorf("step %d, %s %.20q: %s with %.30q, want %s", i, s.Do, s.Key, got, h.Response.Body.Bytes, s.Status)
				}
			}
		})
	}
}

// TestKVSurvivesReload: what the old filter has left, the new one finds, and
// filters of other names do not.
func TestKVSurvivesReload(t *testing.T) {
	b := newBench(t)
	old, err := b.host.Build(t.Context(), spec("services", `{"use":["kv"]}`, "kv"))
	if err != nil {
		t.Fatal(err)
	}
	order(t, old, "put", "X-Key", "a", "X-Value", "one")
	renewed := b.servicesFilter(t, "services", nil, "kv")
	if err := old.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := order(t, renewed, "get", "X-Key", "a"); string(got.Response.Body.Bytes) != "one" {
		t.Errorf("after a reload: %q", got.Response.Body.Bytes)
	}
	if got := order(t, b.servicesFilter(t, "other", nil, "kv"), "get", "X-Key", "a"); got.Response.Header.Get("X-Status") != "absent" {
		t.Error("another filter reads it")
	}
}

// TestRefusedReloadTakesNothing: a filter that does not start leaves the running
// one all that it remembers.
func TestRefusedReloadTakesNothing(t *testing.T) {
	b := newBench(t)
	f := b.servicesFilter(t, "services", nil, "kv")
	order(t, f, "put", "X-Key", "a", "X-Value", "x", "X-Value-Bytes", "5000")
	s := spec("services", `{"wrong":1}`, "kv")
	s.Limits.KV = 200
	if _, err := b.host.Build(t.Context(), s); err == nil {
		t.Fatal("built")
	}
	if got := order(t, f, "get", "X-Key", "a").Response.Header.Get("X-Status"); got != "ok" {
		t.Errorf("after a refused reload: %s", got)
	}
	b.servicesFilter(t, "services", func(s *filter.Spec) { s.Limits.KV = 200 }, "kv")
	if got := order(t, f, "get", "X-Key", "a").Response.Header.Get("X-Status"); got != "absent" {
		t.Errorf("after a reload: %s", got)
	}
}

func TestServicesNeedGrants(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t, func(o *wasm.Options) { o.Registry = registry })
	for _, grant := range []string{"kv", "metrics", "http"} {
		_, err := b.host.Build(t.Context(), spec("services", `{"use":["`+grant+`"]}`))
		if err == nil || !strings.Contains(err.Error(), "not granted: "+grant) {
			t.Errorf("without %s: %v", grant, err)
		}
	}
	counted := counters(t, registry, "gatehouse_filter_refused_total")
	for _, grant := range []string{"kv", "metrics", "http"} {
		if counted[grant+" services"] == 0 {
			t.Errorf("the refusal of %s is not counted: %v", grant, counted)
		}
	}
}

// counters returns a counter's values by its labels' values.
func counters(t *testing.T, registry *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if family.GetName() == name {
				values[strings.Join(labels, " ")] = m.GetCounter().GetValue()
			}
		}
	}
	return values
}

func TestFilterCounts(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t, func(o *wasm.Options) { o.Registry = registry })
	f := b.servicesFilter(t, "f", nil, "metrics")
	order(t, f, "count")
	order(t, f, "count")
	if got := counters(t, registry, "gatehouse_filter_custom_total")["f seen_total"]; got != 5 {
		t.Errorf("counted %v", got)
	}
}

func TestHTTPCall(t *testing.T) {
	hung := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/slow" {
			<-r.Context().Done()
			hung <- struct{}{}
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Upstream", r.Method+" "+r.RequestURI+" "+r.Header.Get("X-From"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	b := newBench(t)
	f := b.servicesFilter(t, "f", func(s *filter.Spec) { s.HTTP.Allow = []string{server.URL + "/v1"} }, "http")

	ex := order(t, f, "call", "X-Method", "PUT", "X-URL", server.URL+"/v1/x?q=1", "X-Value", "a", "X-Value-Bytes", "100000")
	if r := &ex.Response; r.Status != 202 || string(r.Body.Bytes) != strings.Repeat("a", 100_000) || r.Header.Get("X-Upstream") != "PUT /v1/x?q=1 filter" {
		t.Errorf("%d, %d bytes, %q", r.Status, len(r.Body.Bytes), r.Header.Get("X-Upstream"))
	}
	for name, c := range map[string]struct{ url, want string }{
		"not listed":    {server.URL + "/v2", "not granted: " + server.URL + "/v2 is not listed under http.allow"},
		"dot segment":   {server.URL + "/v1/../v2", "bad argument: the URL: path holds a dot segment"},
		"silent server": {server.URL + "/v1/slow", "unavailable: "},
	} {
		ex := order(t, f, "call", "X-URL", c.url, "X-TTL", "50")
		if body := string(ex.Response.Body.Bytes); ex.Response.Status != 500 || !strings.HasPrefix(body, "http: "+c.want) {
			t.Errorf("%s: %d %s", name, ex.Response.Status, body)
		}
	}
	<-hung

	// The client hangs up while the filter waits.
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	ex = newExchange("GET", "/", "X-Do", "call", "X-URL", server.URL+"/v1/slow")
	start := time.Now()
	if _, err := f.HandleRequest(ctx, ex); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("after the client has gone: %v", err)
	}
	<-hung
	if waited := time.Since(start); waited > 5*time.Second {
		t.Errorf("waited %s", waited)
	}
}

func TestHTTPAllowIsChecked(t *testing.T) {
	s := spec("services", `{}`, "http")
	s.HTTP.Allow = []string{"https://fine.example", "http://10.0.0.1/"}
	if _, err := newBench(t).host.Build(t.Context(), s); err == nil || !strings.Contains(err.Error(), "http/allow/1: http is for the machine itself") {
		t.Errorf("error %v", err)
	}
}

// BenchmarkServices is a request of a filter that reads, counts and measures.
func BenchmarkServices(b *testing.B) {
	h := newBench(b)
	f := h.servicesFilter(b, "f", nil, "kv", "metrics")
	ex := newExchange("GET", "/", "X-Do", "speed")
	b.ReportAllocs()
	for b.Loop() {
		throughChain(b, []filter.Filter{f}, ex)
	}
}

// TestPlacesOfKeysAreHidden: from the moment that a filter looks for API keys
// in a field, others do not see it.
func TestPlacesOfKeysAreHidden(t *testing.T) {
	b := newBench(t)
	f := b.servicesFilter(t, "f", nil, "kv")
	order(t, f, "put", "X-Key", "a", "X-Value", "one")
	if got := order(t, f, "get", "X-Key", "a").Response.Header.Get("X-Status"); got != "ok" {
		t.Fatalf("before: %s", got)
	}
	b.build(t, "apikey", `{"header":"x-key"}`, "key")
	if got := order(t, f, "get", "X-Key", "a").Response.Header.Get("X-Status"); got != "absent" {
		t.Errorf("the filter still reads the field: %s", got)
	}
}
