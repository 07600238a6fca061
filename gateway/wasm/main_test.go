package wasm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/jose"
)

// work is the folder of built guests, compiled that of compiled ones.
var work, compiled string

// maxCompiled bounds how many compiled guests are kept between runs.
const maxCompiled = 64

// compiledFolder is below the checkout's ignored .cache, for under the race
// detector compiling takes most of the time; else it is temporary.
func compiledFolder(work string) string {
	dir, err := filepath.Abs("../../.cache/filters-test")
	if err == nil {
		if old, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(old) > maxCompiled {
			_ = os.RemoveAll(dir)
		}
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return filepath.Join(work, "compiled")
	}
	return dir
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gatehouse-wasm-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	work, compiled = dir, compiledFolder(dir)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// The guests that tests use: the built-in filters, and those of testdata.
var guests = struct {
	sync.Mutex
	built map[string][]byte
}{built: map[string][]byte{}}

var guestPackages = map[string]string{
	"ratelimit": "gatehouse.example/plugins/filters/ratelimit",
	"apikey":    "gatehouse.example/plugins/filters/apikey",
	"cors":      "gatehouse.example/plugins/filters/cors",
	"jwt":       "gatehouse.example/plugins/filters/jwt",
	"plain":     "gatehouse.example/gateway/wasm/testdata/plain",
	"mean":      "gatehouse.example/gateway/wasm/testdata/mean",
	"respond":   "gatehouse.example/gateway/wasm/testdata/respond",
	"noop":      "gatehouse.example/gateway/wasm/testdata/noop",
	"services":  "gatehouse.example/gateway/wasm/testdata/services",
}

// guestModule builds a guest as make plugins does.
func guestModule(name string) ([]byte, error) {
	guests.Lock()
	defer guests.Unlock()
	if b := guests.built[name]; b != nil {
		return b, nil
	}
	pkg, ok := guestPackages[name]
	if !ok {
		return nil, fmt.Errorf("no guest %q", name)
	}
	out := filepath.Join(work, name+".wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build guest %s: %w\n%s", name, err, text)
	}
	b, err := os.ReadFile(out)
	guests.built[name] = b
	return b, err
}

// bench is a host with a clock, an issuer and a key authority of its own.
type bench struct {
	host    *wasm.Host
	key     jose.Key
	keys    *authority
	revoked *revocations
	clock   *clock
}

const issuer = "https://id.example"

type setting func(*wasm.Options)

func newBench(t testing.TB, settings ...setting) *bench {
	t.Helper()
	key, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		key:     key,
		keys:    &authority{keys: map[string]capability.APIKey{}},
		revoked: &revocations{list: map[string]bool{}},
		clock:   &clock{now: time.Now()},
	}
	o := wasm.Options{
		CacheDir: compiled,
		Builtin:  guestModule,
		Limiter:  capability.NewLimiter(capability.LimiterOptions{Now: b.clock.since}),
		Tokens: capability.NewTokenVerifier(capability.TokenOptions{
			Issuer: issuer, Keys: jose.StaticSet(key), Revocations: b.revoked, Now: b.clock.Now,
		}),
		Keys:   capability.NewKeyVerifier(capability.KeyOptions{Authority: b.keys, Revocations: b.revoked, Now: b.clock.Now}),
		Logger: slog.New(slog.DiscardHandler),
		Now:    b.clock.Now,
	}
	for _, s := range settings {
		s(&o)
	}
	b.host, err = wasm.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.host.Close(context.Background()); err != nil {
			t.Errorf("close host: %v", err)
		}
	})
	return b
}

// build makes a filter and closes it with the test, before the host.
func (b *bench) build(t testing.TB, module, config string, grants ...string) filter.Filter {
	t.Helper()
	f, err := b.host.Build(context.Background(), spec(module, config, grants...))
	if err != nil {
		t.Fatalf("build %s: %v", module, err)
	}
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Errorf("close %s: %v", module, err)
		}
	})
	return f
}

func spec(module, config string, grants ...string) filter.Spec {
	s := filter.Spec{Name: module, Module: "builtin:" + module, Grants: grants}
	if config != "" {
		s.Config = json.RawMessage(config)
	}
	return s
}

// newExchange is a request with some usual header fields.
func newExchange(method, uri string, fields ...string) *exchange.Exchange {
	ex := &exchange.Exchange{Route: "users-read", RequestID: "0197a0aa-0000-7000-8000-000000000001"}
	r := &ex.Request
	r.Method, r.Scheme, r.Host, r.Proto = method, "http", "localhost:8080", "HTTP/1.1"
	if err := r.SetURI(uri); err != nil {
		panic(err)
	}
	r.Source = netip.MustParseAddrPort("192.0.2.1:40000")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return ex
}

// run runs the request phase and applies what is deferred, as the chain does
// where the upstream answers 200 or the filter has answered.
func run(t testing.TB, f filter.Filter, ex *exchange.Exchange) filter.Result {
	t.Helper()
	result, err := f.HandleRequest(context.Background(), ex)
	if err != nil {
		t.Fatalf("HandleRequest: %v", err)
	}
	if !result.Answered {
		ex.Response.Status = 200
	}
	ex.ApplyDeferred()
	return result
}

type clock struct {
	mu    sync.Mutex
	now   time.Time
	start time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.Add(c.start)
}

func (c *clock) since() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start += d
}

type authority struct {
	mu    sync.Mutex
	keys  map[string]capability.APIKey
	down  error
	asked int
}

func (a *authority) VerifyAPIKey(_ context.Context, key string) (capability.APIKey, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if a.down != nil {
		return capability.APIKey{}, a.down
	}
	k, ok := a.keys[key]
	if !ok {
		return capability.APIKey{}, capability.ErrKeyInvalid
	}
	return k, nil
}

type revocations struct {
	mu   sync.Mutex
	list map[string]bool
}

func (r *revocations) Revoked(kind, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[kind+":"+id]
}

func (r *revocations) revoke(kind, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list[kind+":"+id] = true
}
