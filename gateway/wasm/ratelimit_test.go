package wasm_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
)

// What one window refuses is taken from none, and one answer tells of all.
func TestRateLimitWindows(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "ratelimit", `{"key":["route","source_address"],"limits":[{"rate":2,"per":"1s"},{"name":"hour","rate":3,"per":"1h"}]}`)
	for i, want := range []struct {
		status int
		state  string
	}{
		{200, `"default";r=1;t=1, "hour";r=2;t=1200`},
		{200, `"default";r=0;t=1, "hour";r=1;t=2400`},
		{429, `"default";r=0;t=1, "hour";r=1;t=2400`},
	} {
		ex := newExchange("GET", "/")
		run(t, f, ex)
		if got := ex.Response.Header.Get("RateLimit"); ex.Response.Status != want.status || got != want.state {
			t.Errorf("request %d: %d %s, want %+v", i, ex.Response.Status, got, want)
		}
	}
	b.clock.advance(time.Second)
	ex := newExchange("GET", "/")
	if run(t, f, ex); ex.Response.Status != 200 {
		t.Errorf("a second later: %d %s", ex.Response.Status, ex.Response.Header.Get("RateLimit"))
	}
}

// What several filters of a route say is there together, and what the upstream
// says is not.
func TestRateLimitFieldsOfSeveralFilters(t *testing.T) {
	b := newBench(t)
	key := withChecksum(goodKey)
	b.keys.keys[key] = capability.APIKey{ID: "key-1", OwnerKind: "client", OwnerID: "shop"}
	chain := filter.Chain{
		b.build(t, "apikey", `{"quota":[{"rate":3}]}`, "key"),
		b.build(t, "ratelimit", `{"limits":[{"name":"minute","rate":9,"per":"1m"},{"name":"hour","rate":2,"per":"1h"}]}`),
		b.build(t, "ratelimit", `{"limits":[{"name":"route","rate":5,"per":"1s"}],"key":"route","partition_key":true}`),
	}
	for i, want := range []struct{ status, policies, states, retry string }{
		{"200", `"key";q=3;w=86400, "minute";q=9;w=60, "hour";q=2;w=3600, "route";q=5;w=1`, `"key";r=2;t=28800, "minute";r=8;t=7, "hour";r=1;t=1800, "route";r=4;t=1`, ""},
		{"200", `"key";q=3;w=86400, "minute";q=9;w=60, "hour";q=2;w=3600, "route";q=5;w=1`, `"key";r=1;t=57600, "minute";r=7;t=14, "hour";r=0;t=3600, "route";r=3;t=1`, ""},
		{"429", `"key";q=3;w=86400, "minute";q=9;w=60, "hour";q=2;w=3600`, `"key";r=0;t=86400, "minute";r=7;t=14, "hour";r=0;t=1800`, "1800"},
		{"429", `"key";q=3;w=86400`, `"key";r=0;t=28800`, "28800"},
	} {
		ex := newExchange("GET", "/", "X-API-Key", key)
		var run filter.Run
		answered, err := chain.HandleRequest(t.Context(), ex, &run, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !answered {
			ex.Response.Status = 200
			for _, field := range []string{"RateLimit", "ratelimit", "RateLimit-Policy"} {
				ex.Response.Header.Add(field, `"upstream";r=1`)
			}
		}
		if err := run.HandleResponse(t.Context(), ex, false, nil); err != nil {
			t.Fatal(err)
		}
		ex.ApplyDeferred()
		got := struct{ status, policies, states, retry string }{
			fmt.Sprint(ex.Response.Status), items(ex, "RateLimit-Policy"), items(ex, "RateLimit"), ex.Response.Header.Get("Retry-After"),
		}
		if got != want {
			t.Errorf("request %d:\n%+v, want\n%+v", i, got, want)
		}
	}
}

// items are those of all fields of a name, without pk.
func items(ex *exchange.Exchange, name string) string {
	var all []string
	for i := range ex.Response.Header.Len() {
		if f := ex.Response.Header.At(i); strings.EqualFold(f.Name, name) {
			item, _, _ := strings.Cut(f.Value, ";pk=")
			all = append(all, item)
		}
	}
	return strings.Join(all, ", ")
}

func TestRateLimitShadow(t *testing.T) {
	f := newBench(t).build(t, "ratelimit", `{"limits":[{"rate":1,"per":"1h"}],"shadow":true}`, "metrics")
	for i, want := range []string{"", "limited"} {
		ex := newExchange("GET", "/")
		if run(t, f, ex).Answered || ex.Response.Header.Has("RateLimit") {
			t.Errorf("request %d: %d", i, ex.Response.Status)
		}
		if got, _ := ex.Attribute("ratelimit.shadow"); got != want {
			t.Errorf("request %d: attribute %q", i, got)
		}
	}
}

// Errors of the filter and of the host name the same places.
func TestRateLimitConfig(t *testing.T) {
	b := newBench(t)
	for config, want := range map[string]string{
		`{"limits":[{"rate":0}]}`:                                   "config/limits/0/rate: ",
		`{"limits":[{"rate":1},{"rate":5000000000,"burst":1}]}`:     "config/limits/1/rate: ",
		`{"limits":[{"rate":1,"per":"10000h"}]}`:                    "config/limits/0/per: ",
		`{"limits":[{"rate":1}],"store":"redis"}`:                   "config/store: redis needs gateway.redis_url",
		`{"limits":[{"rate":1}],"key":["route","cookie"]}`:          "config/key/1: ",
		`{"limits":[{"rate":1}],"on_unavailable":"ask"}`:            "config/on_unavailable",
		`{"limits":[{"rate":10}],"cost":11}`:                        "config/cost: want at most 10",
		`{"limits":[{"rate":10}],"exempt":["10.0.0.0/8","intern"]}`: "config/exempt/1: ",
	} {
		f, err := b.host.Build(t.Context(), spec("ratelimit", config))
		if err == nil {
			_ = f.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
}

// Two gateways share a count, and go on without the store as they were told.
func TestRateLimitStore(t *testing.T) {
	address, kill := startRedis(t)
	gateway := func() *bench {
		store, err := capability.NewRedisLimits(context.Background(), capability.RedisOptions{
			URL: "redis://" + address, Namespace: "test", Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return newBench(t, func(o *wasm.Options) {
			o.Limiter = capability.NewLimiter(capability.LimiterOptions{Store: store})
		})
	}
	const config = `{"limits":[{"rate":3,"per":"1h"}],"store":"redis","on_unavailable":"deny"}`
	a, b := gateway().build(t, "ratelimit", config), gateway().build(t, "ratelimit", config)
	for i, want := range []int{200, 200, 200, 429} {
		f := a
		if i%2 == 1 {
			f = b
		}
		ex := newExchange("GET", "/")
		if run(t, f, ex); ex.Response.Status != want {
			t.Errorf("request %d: %d %s", i, ex.Response.Status, ex.Response.Header.Get("RateLimit"))
		}
	}
	kill()
	ex := newExchange("GET", "/")
	if run(t, a, ex); ex.Response.Status != 503 || ex.Response.Header.Get("Retry-After") == "" {
		t.Errorf("without the store: %d", ex.Response.Status)
	}
}

// startRedis starts a real server on a free port.
func startRedis(t *testing.T) (address string, kill func()) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if program, err = exec.LookPath("valkey-server"); err != nil {
			t.Fatal("neither redis-server nor valkey-server is on PATH: run internal/tools/setup.sh redis")
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(kill)
	for range 500 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return address, kill
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("redis-server does not listen")
	return "", nil
}
