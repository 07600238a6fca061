package app_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/gateway/app"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/internal/identity"
)

// gateway is a running gateway under test.
type gateway struct {
	*app.App
	t        *testing.T
	url      string
	file     string
	registry *prometheus.Registry
	log      *logBuffer
	filters  *builder
	client   *http.Client
}

// logBuffer is a log that tests read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs a gateway with a file that holds yaml below a listeners line.
func start(t *testing.T, yaml string, change ...func(*app.Options)) *gateway {
	t.Helper()
	g := &gateway{
		t: t, file: filepath.Join(t.TempDir(), "gateway.yaml"), registry: prometheus.NewRegistry(),
		log: &logBuffer{}, filters: &builder{built: map[string]int{}},
	}
	g.write(yaml)
	o := app.Options{
		ConfigFile: g.file, Filters: g.filters, Issuer: "http://issuer.test", Registry: g.registry,
		Logger: slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})), AdminListen: "127.0.0.1:0",
	}
	for _, f := range change {
		f(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	if g.App, err = app.New(ctx, o); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	g.url = "http://" + g.Addresses().HTTP
	g.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		g.client.CloseIdleConnections()
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(15 * time.Second):
			t.Error("the gateway did not stop")
		}
	})
	return g
}

// write replaces the configuration at once, as careful editors do.
func (g *gateway) write(yaml string) {
	g.t.Helper()
	temporary := g.file + ".new"
	text := "listeners: [{address: \"127.0.0.1:0\"}]\n" + yaml
	if err := errors.Join(os.WriteFile(temporary, []byte(text), 0o600), os.Rename(temporary, g.file)); err != nil {
		g.t.Fatal(err)
	}
}

type answer struct {
	*http.Response
	body string
}

func (g *gateway) do(method, path, body string, header ...string) answer {
	g.t.Helper()
	req, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := g.client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer{resp, string(data)}
}

// raw sends bytes over a connection of its own and returns all that comes back
// until the gateway closes it or a second has passed.
func (g *gateway) raw(request string) string {
	g.t.Helper()
	c, err := net.Dial("tcp", g.Addresses().HTTP)
	if err != nil {
		g.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		g.t.Fatal(err)
	}
	data, _ := io.ReadAll(c)
	return string(data)
}

func (g *gateway) metric(name string, labels map[string]string) float64 {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	metrics:
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if want, ok := labels[l.GetName()]; ok && want != l.GetValue() {
					continue metrics
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// upstream runs a real HTTP server and returns its target.
func upstream(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// builder builds filters that are Go functions: what stands here for WASM.
type builder struct {
	mu     sync.Mutex
	built  map[string]int
	closed int
}

func (b *builder) Build(_ context.Context, s filter.Spec) (filter.Filter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.built[s.Name]++
	if s.Module == "builtin:missing" {
		return nil, errors.New("module is not there; run \"make plugins\"")
	}
	return &stub{spec: s, builder: b}, nil
}

// stub does what its module's name says.
type stub struct {
	spec    filter.Spec
	builder *builder
}

func (s *stub) Name() string            { return s.spec.Name }
func (s *stub) OnError() filter.OnError { return s.spec.OnError }
func (s *stub) Close(context.Context) error {
	s.builder.mu.Lock()
	defer s.builder.mu.Unlock()
	s.builder.closed++
	return nil
}

func (s *stub) HandleRequest(_ context.Context, ex *exchange.Exchange) (filter.Result, error) {
	switch s.spec.Module {
	case "builtin:token":
		// "Bearer SUBJECT scope scope"
		if token, ok := strings.CutPrefix(ex.Request.Header.Get("Authorization"), "Bearer "); ok {
			parts := strings.Fields(token)
			if parts[0] == "bad" {
				ex.Response.Status = 401
				ex.Response.Header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				return filter.Result{Answered: true}, nil
			}
			ex.Principal = identity.Principal{Kind: identity.KindUser, Subject: parts[0], Scopes: parts[1:], Roles: []string{"member"}}
			if parts[0] == "stranger" {
				ex.Principal.Issuer = "https://elsewhere.example"
			}
			ex.Credential = sha256.Sum256([]byte(token))
		}
	case "builtin:fail":
		return filter.Result{}, errors.New("trap")
	case "builtin:panic":
		panic("stub")
	case "builtin:rewrite":
		if to := ex.Request.Header.Get("Rewrite"); to != "" {
			return filter.Result{}, ex.Request.SetURI(to)
		}
	case "builtin:reads":
		return filter.Result{Response: phase{s}}, nil
	case "builtin:phase":
		ex.DeferResponseHeader(exchange.HeaderChange{Op: exchange.HeaderMerge, Name: "Vary", Value: "Origin"})
		return filter.Result{Response: phase{s}}, nil
	}
	return filter.Result{}, nil
}

type phase struct{ stub *stub }

func (p phase) HandleResponse(_ context.Context, ex *exchange.Exchange, failed bool) (filter.Usage, error) {
	if p.stub.spec.Module == "builtin:reads" {
		return filter.Usage{}, ex.Response.Body.Buffer(1 << 20)
	}
	ex.Response.Header.Add("Phase", fmt.Sprintf("%s %d %v", p.stub.spec.Name, ex.Response.Status, failed))
	return filter.Usage{}, nil
}
func (phase) Release() {}
