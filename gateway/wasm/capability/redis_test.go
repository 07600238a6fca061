package capability

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// context0 is for goroutines and measurements that outlive no test.
var context0 = context.Background()

// redisServer is a real server on a port of its own.
type redisServer struct {
	t       testing.TB
	address string
	command *exec.Cmd
}

func startRedis(t testing.TB) *redisServer {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, address: free.Addr().String()}
	free.Close()
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	program := "redis-server"
	if _, err := exec.LookPath(program); err != nil {
		if program, err = exec.LookPath("valkey-server"); err != nil {
			s.t.Fatal("neither redis-server nor valkey-server is on PATH: run internal/tools/setup.sh redis")
		}
	}
	_, port, _ := net.SplitHostPort(s.address)
	s.command = exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.t.TempDir(), "--requirepass", "swordfish")
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := s.client()
	for range 500 {
		if client.Ping(context0).Err() == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("redis-server does not answer")
}

func (s *redisServer) kill() {
	if s.command != nil {
		_ = s.command.Process.Kill()
		_ = s.command.Wait()
		s.command = nil
	}
}

func (s *redisServer) url() string { return "redis://:swordfish@" + s.address + "/0" }

func (s *redisServer) client() *redis.Client {
	quiet()
	c := redis.NewClient(&redis.Options{Addr: s.address, Password: "swordfish", MaxRetries: -1, DialerRetries: 1})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// sharedLimiter is a limiter as one gateway has it.
func sharedLimiter(t testing.TB, o RedisOptions) (*Limiter, *RedisLimits) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second // a busy machine is no lost store
	}
	store, err := NewRedisLimits(context0, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return NewLimiter(LimiterOptions{Store: store}), store
}

// metric returns the value of a metric of the store, or how many observations
// it has.
func metric(t testing.TB, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "gatehouse_limit_store_"+name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestRedisTakesFromAllWindowsOrNone(t *testing.T) {
	s := startRedis(t)
	l, _ := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test"})
	windowsAllOrNone(t, l, newPolicy(t, l, "f", "redis", "", testWindow{1, time.Hour, 5}, testWindow{2, time.Hour, 2}, testWindow{3, 24 * time.Hour, 3}))
}

// Two gateways, each with fifty requests at the same time, and the same again
// after the server has forgotten its scripts.
func TestRedisCountsExactlyForAll(t *testing.T) {
	s := startRedis(t)
	a, _ := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test"})
	b, _ := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test"})
	p := newPolicy(t, a, "f", "redis", "deny", testWindow{7, 30 * 24 * time.Hour, 333}, testWindow{1, time.Hour, 1000})
	if n := takeFromMany(p, 50, 10, a, b); n != 333 {
		t.Errorf("%d allowed, want exactly 333", n)
	}
	if _, states := takeOne(t, b, p, "k", 0); states[0].Remaining != 0 || states[1].Remaining != 667 {
		t.Errorf("states %+v", states)
	}
	client := s.client()
	if err := client.ScriptFlush(context0).Err(); err != nil {
		t.Fatal(err)
	}
	if status, _ := takeOne(t, a, p, "other", 1); status != filterv1.StatusOK {
		t.Errorf("after SCRIPT FLUSH: %v", status)
	}
	other, _ := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "other"})
	if status, _ := takeOne(t, other, p, "k", 1); status != filterv1.StatusOK {
		t.Error("installations share a count")
	}
}

// Counts end by themselves, and say nothing of what they count.
func TestRedisKeysEndAndAreHashed(t *testing.T) {
	s := startRedis(t)
	l, store := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test"})
	p := newPolicy(t, l, "per-ip", "redis", "", testWindow{10, time.Second, 20}, testWindow{1, time.Minute, 2})
	takeOne(t, l, p, "a192.0.2.77", 1)
	client := s.client()
	keys := client.Keys(context0, "*").Val()
	if len(keys) != 2 { // the other is the probe's
		t.Errorf("keys %q", keys)
	}
	for _, k := range keys {
		if !strings.HasPrefix(k, "gatehouse:limit:test:") || strings.Contains(k, "192") || strings.Contains(k, "per-ip") {
			t.Errorf("key %q", k)
		}
		if ttl := client.PTTL(context0, k).Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("%s ends in %s", k, ttl)
		}
	}
	if ttl := client.PTTL(context0, store.name(p, []byte("a192.0.2.77"))).Val(); ttl < 55*time.Second {
		t.Errorf("the count ends in %s, before its longer window is whole", ttl)
	}
	// A look writes nothing.
	takeOne(t, l, p, "a192.0.2.78", 0)
	if n := client.DBSize(context0).Val(); n != 2 {
		t.Errorf("%d keys after a look", n)
	}
}

// Who knows everything but the password cannot find a client by trying all
// addresses, and gateways of one installation agree on names.
func TestRedisNamesAreKeyed(t *testing.T) {
	var log syncBuffer
	store := func(address, namespace string) *RedisLimits {
		_, s := sharedLimiter(t, RedisOptions{URL: address, Namespace: namespace, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		return s
	}
	a := store("redis://:swordfish@127.0.0.1:1/0", "test")
	p := newPolicy(t, NewLimiter(LimiterOptions{Store: a}), "f", "redis", "", testWindow{1, time.Hour, 2})
	key := []byte("a192.0.2.77")
	plain := sha256.Sum256(append(p.digest[:], key...))
	if name := a.name(p, key); strings.HasSuffix(name, base64.RawURLEncoding.EncodeToString(plain[:20])) {
		t.Errorf("%s is a plain hash", name)
	}
	if strings.Contains(log.String(), "no password") || strings.Contains(log.String(), "swordfish") {
		t.Errorf("log:\n%s", log.String())
	}
	for _, c := range []struct {
		name, address, namespace string
		same                     bool
	}{
		{"another gateway", "redis://gateway:swordfish@localhost:1/0?pool_size=3", "test", true},
		{"another password", "redis://:herring@127.0.0.1:1/0", "test", false},
		{"no password", "redis://127.0.0.1:1/0", "test", false},
	} {
		if other := store(c.address, c.namespace); (other.name(p, key) == a.name(p, key)) != c.same {
			t.Errorf("%s: same name is %v", c.name, !c.same)
		}
	}
	if bytes.Equal(a.secret, store("redis://:swordfish@127.0.0.1:1/0", "other").secret) {
		t.Error("installations share a secret")
	}
	if !strings.Contains(log.String(), "no password") {
		t.Errorf("log:\n%s", log.String())
	}
}

// What somebody else has written under one name costs that key alone.
func TestRedisCountThatIsNone(t *testing.T) {
	s := startRedis(t)
	var log syncBuffer
	registry := prometheus.NewRegistry()
	l, store := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test", Registry: registry, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	p := newPolicy(t, l, "f", "redis", "deny", testWindow{1, time.Hour, 2})
	client := s.client()
	probe := &LimitPolicy{}
	for _, name := range []string{store.name(p, []byte("k")), store.name(probe, []byte("probe"))} {
		if err := errors.Join(client.Del(context0, name).Err(), client.LPush(context0, name, "x").Err()); err != nil {
			t.Fatal(err)
		}
	}
	const times = 2 * storeFailures
	for range times {
		if status, _ := takeOne(t, l, p, "k", 1); status != filterv1.StatusUnavailable {
			t.Errorf("status %v", status)
		}
	}
	if store.down.Load() || metric(t, registry, "errors_total") != times || metric(t, registry, "up") != 1 {
		t.Errorf("down %v, errors %v", store.down.Load(), metric(t, registry, "errors_total"))
	}
	if status, _ := takeOne(t, l, p, "other", 1); status != filterv1.StatusOK {
		t.Errorf("another key: %v", status)
	}
	if n := strings.Count(log.String(), "is no count"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
	if err := store.probe(context0); err != nil {
		t.Errorf("a probe of a server that works: %v", err)
	}
}

func TestRedisCountErrors(t *testing.T) {
	for text, want := range map[string]bool{
		"WRONGTYPE Operation against a key holding the wrong kind of value script: 1, on @user_script:8.": true,
		"ERR user_script:12: attempt to compare nil with number script: 1, on @user_script:12.":           true,
		"ERR Error running script (call to f_1): @user_script:8: WRONGTYPE Operation against a key":       true,
		"ERR Error running script (call to f_1): @user_script:8: -OOM command not allowed":                false,
		"OOM command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:30.":          false,
		"READONLY You can't write against a read only replica. script: 1, on @user_script:30.":            false,
		"LOADING Redis is loading the dataset in memory":                                                  false,
		"NOAUTH Authentication required.":                                                                 false,
		"ERR max number of clients reached":                                                               false,
	} {
		if got := isCountError(fmt.Errorf("run: %w", redisAnswer(text))); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if isCountError(errors.New("WRONGTYPE of something else")) || isCountError(nil) {
		t.Error("what no server says is a count's error")
	}
}

// redisAnswer is an error that a server answers.
type redisAnswer string

func (a redisAnswer) Error() string { return string(a) }
func (redisAnswer) RedisError()     {}

// The server's clock counts, and time gives back.
func TestRedisWindowsRefill(t *testing.T) {
	s := startRedis(t)
	l, _ := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test"})
	p := newPolicy(t, l, "f", "redis", "", testWindow{5, time.Second, 1})
	if status, _ := takeOne(t, l, p, "k", 1); status != filterv1.StatusOK {
		t.Fatal(status)
	}
	status, states := takeOne(t, l, p, "k", 1)
	if status != filterv1.StatusLimited || states[0].Retry <= 0 || states[0].Retry > 200*time.Millisecond {
		t.Fatalf("%v %+v", status, states)
	}
	time.Sleep(states[0].Retry + 5*time.Millisecond)
	if status, states := takeOne(t, l, p, "k", 1); status != filterv1.StatusOK {
		t.Errorf("after Retry: %v %+v", status, states)
	}
}

// A lost server costs each policy what its on_unavailable says; a restarted one
// counts again.
func TestRedisLostAndFound(t *testing.T) {
	s := startRedis(t)
	var log syncBuffer
	registry := prometheus.NewRegistry()
	l, store := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test", Registry: registry, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	window := testWindow{1, time.Hour, 2}
	local, allow, deny := newPolicy(t, l, "a", "redis", "", window), newPolicy(t, l, "b", "redis", "allow", window), newPolicy(t, l, "c", "redis", "deny", window)
	takeOne(t, l, local, "k", 2)
	if got := metric(t, registry, "up"); got != 1 {
		t.Errorf("up is %v", got)
	}

	s.kill()
	for i, want := range []filterv1.Status{filterv1.StatusOK, filterv1.StatusOK, filterv1.StatusLimited} {
		if status, _ := takeOne(t, l, local, "k", 1); status != want {
			t.Errorf("local, request %d: %v, want %v", i, status, want)
		}
		if status, states := takeOne(t, l, allow, "k", 1); status != filterv1.StatusOK || states[0].Remaining != 2 {
			t.Errorf("allow, request %d: %v %+v", i, status, states)
		}
		if status, _ := takeOne(t, l, deny, "k", 1); status != filterv1.StatusUnavailable {
			t.Errorf("deny, request %d: %v", i, status)
		}
	}
	if !store.down.Load() || metric(t, registry, "up") != 0 || metric(t, registry, "errors_total") != storeFailures || metric(t, registry, "skipped_total") != 9-storeFailures {
		t.Errorf("down %v, errors %v, skipped %v", store.down.Load(), metric(t, registry, "errors_total"), metric(t, registry, "skipped_total"))
	}

	s.start()
	for i := 0; store.down.Load() && i < 1000; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	if status, _ := takeOne(t, l, deny, "k", 1); status != filterv1.StatusOK {
		t.Errorf("after the restart: %v", status)
	}
	if n := metric(t, registry, "duration_seconds"); n == 0 {
		t.Error("no durations")
	}
	text := log.String()
	if strings.Count(text, "cannot be reached") != 1 || strings.Count(text, "reached again") != 1 || strings.Contains(text, "swordfish") {
		t.Errorf("log:\n%s", text)
	}
}

// A server that hangs costs a request its timeout, and only the first few.
func TestRedisThatHangsDoesNotBlock(t *testing.T) {
	s := startRedis(t)
	registry := prometheus.NewRegistry()
	l, store := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test", Registry: registry, Timeout: 200 * time.Millisecond})
	p := newPolicy(t, l, "f", "redis", "deny", testWindow{1, time.Hour, 2})
	if err := s.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for i := 0; !store.down.Load() && i < 100; i++ {
		takeOne(t, l, p, fmt.Sprint(i), 1)
	}
	if !store.down.Load() {
		t.Error("the breaker is not open")
	}
	skipped := metric(t, registry, "skipped_total")
	for range 1000 {
		takeOne(t, l, p, "k", 1)
	}
	if got := metric(t, registry, "skipped_total") - skipped; got < 900 {
		t.Errorf("%v of 1000 were skipped", got)
	}
	if err := s.command.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for i := 0; store.down.Load() && i < 1000; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	if store.down.Load() {
		t.Error("a store that answers again is not used")
	}
}

// A caller that hangs up is no failure of the store.
func TestRedisCallerHangsUp(t *testing.T) {
	s := startRedis(t)
	registry := prometheus.NewRegistry()
	l, store := sharedLimiter(t, RedisOptions{URL: s.url(), Namespace: "test", Registry: registry})
	p := newPolicy(t, l, "f", "redis", "deny", testWindow{1, time.Hour, 2})
	gone, cancel := context.WithCancel(context0)
	cancel()
	for range 2 * storeFailures {
		if status := l.Take(gone, p, []byte("k"), 1, make([]Limit, 1)); status != filterv1.StatusUnavailable {
			t.Errorf("status %v", status)
		}
	}
	if store.down.Load() || metric(t, registry, "errors_total") != 0 {
		t.Error("counted as failures of the store")
	}
	if status, _ := takeOne(t, l, p, "k", 1); status != filterv1.StatusOK {
		t.Errorf("afterwards: %v", status)
	}
}

func TestRedisOptions(t *testing.T) {
	for _, address := range []string{"http://user:swordfish@host", "redis://user:sword fish@host:x", "redis://:swordfish@host/a"} {
		_, err := NewRedisLimits(t.Context(), RedisOptions{URL: address})
		if err == nil || strings.Contains(err.Error(), "fish") {
			t.Errorf("%s: error %v", address, err)
		}
	}
	// Nobody listens, and nothing waits for it.
	l, store := sharedLimiter(t, RedisOptions{URL: "redis://127.0.0.1:1", Namespace: "test"})
	p := newPolicy(t, l, "f", "redis", "deny", testWindow{1, time.Hour, 2})
	if status, _ := takeOne(t, l, p, "k", 1); status != filterv1.StatusUnavailable || !store.down.Load() {
		t.Errorf("status %v", status)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
