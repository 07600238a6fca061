package filter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/jose"
)

const issuer = "https://id.example"

// cycle is how many tokens, keys and addresses a benchmark takes in turn.
const cycle = 1000

// BenchmarkChain measures one request of 12 header fields through the filters
// of a route: metered guests, tokens and keys that were verified before. Even
// requests carry a token, odd ones a key. What is in front of the first filter
// and behind the last is the row none.
func BenchmarkChain(b *testing.B) {
	for _, row := range []struct {
		name    string
		filters []string
	}{
		{"none", nil}, {"noop", []string{"noop"}}, {"cors", []string{"cors"}}, {"ratelimit", []string{"ratelimit"}},
		{"apikey", []string{"apikey"}}, {"jwt", []string{"jwt"}}, {"four", []string{"cors", "ratelimit", "apikey", "jwt"}},
	} {
		b.Run(row.name, func(b *testing.B) { benchmarkChain(b, row.filters) })
	}
}

func benchmarkChain(b *testing.B, names []string) {
	h := newHost(b)
	var chain filter.Chain
	for _, name := range names {
		chain = append(chain, h.build(b, name))
	}
	requests := h.requests(b)
	ex := newExchange()
	var run filter.Run
	fuel := int64(0)
	one := func(i int) {
		r := &requests[i%len(requests)]
		ex.Request.Header.Add(r.name, r.value)
		ex.Request.Source = r.source
		if answered, err := chain.HandleRequest(context.Background(), ex, &run, nil); err != nil || answered {
			b.Fatalf("%v %+v", err, ex.Response)
		}
		if err := run.HandleResponse(context.Background(), ex, false, nil); err != nil {
			b.Fatal(err)
		}
		forget(ex, r.name)
	}
	for i := range 2 * len(requests) {
		one(i)
	}
	ex.Request.Header.Add(requests[0].name, requests[0].value)
	for _, f := range chain {
		result, err := f.HandleRequest(context.Background(), ex)
		if err != nil {
			b.Fatal(err)
		}
		fuel += result.Usage.Fuel
		if result.Response != nil {
			result.Response.Release()
		}
	}
	forget(ex, requests[0].name)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		one(i)
		i++
	}
	b.ReportMetric(float64(fuel), "fuel/op")
}

// forget makes ex ready for another request as the listener does, but keeps its
// head, without the credential.
func forget(ex *exchange.Exchange, credential string) {
	request := ex.Request
	request.Header.Del(credential)
	ex.Request = exchange.Request{}
	ex.Reset()
	ex.Request = request
}

// host is a filter host with an issuer and an authority for keys.
type host struct {
	*wasm.Host
	key jose.Key
}

func newHost(b *testing.B) host {
	b.Helper()
	key, err := jose.GenerateES256()
	if err != nil {
		b.Fatal(err)
	}
	work := b.TempDir()
	h, err := wasm.New(context.Background(), wasm.Options{
		Builtin: func(name string) ([]byte, error) { return buildGuest(work, name) },
		Tokens:  capability.NewTokenVerifier(capability.TokenOptions{Issuer: issuer, Keys: jose.StaticSet(key)}),
		Keys:    capability.NewKeyVerifier(capability.KeyOptions{Authority: anyKey{}, Remember: time.Hour}),
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close(context.Background()) })
	return host{h, key}
}

// anyKey knows every key.
type anyKey struct{}

// VerifyAPIKey implements capability.KeyAuthority.
func (anyKey) VerifyAPIKey(_ context.Context, key string) (capability.APIKey, error) {
	return capability.APIKey{ID: key, OwnerKind: "client", OwnerID: "client-1", Scopes: []string{"users:read"}, ExpiresAt: time.Now().Add(time.Hour)}, nil
}

// buildGuest builds a filter as make plugins does.
func buildGuest(work, name string) ([]byte, error) {
	pkg := "gatehouse.example/plugins/filters/" + name
	if name == "noop" {
		pkg = "gatehouse.example/gateway/wasm/testdata/noop"
	}
	out := filepath.Join(work, name+".wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build guest %s: %w\n%s", name, err, text)
	}
	return os.ReadFile(out)
}

func (h host) build(b *testing.B, name string) filter.Filter {
	b.Helper()
	config := map[string]string{
		"cors":      `{"origins":["http://localhost:3000"]}`,
		"ratelimit": `{"key":"source_address","limits":[{"rate":1000000,"per":"1s","burst":1000000}]}`,
	}[name]
	grants := map[string][]string{"apikey": {"key"}, "jwt": {"jwt"}}[name]
	f, err := h.Build(context.Background(), filter.Spec{Name: name, Module: "builtin:" + name, Config: json.RawMessage(config), Grants: grants})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close(context.Background()) })
	return f
}

type request struct {
	name, value string
	source      netip.AddrPort
}

func (h host) requests(b *testing.B) []request {
	b.Helper()
	list := make([]request, 0, 2*cycle)
	for i := range cycle {
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4000)
		token, err := jose.Sign(h.key, "at+jwt", jose.Claims{
			Issuer: issuer, Audience: []string{"gatehouse"}, Subject: fmt.Sprintf("user-%d", i), ID: fmt.Sprintf("token-%d", i),
			ExpiresAt: time.Now().Add(time.Hour),
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
		key := fmt.Sprintf("gatehouse_dev_0197a0aa00007000800000000000%04x_SECRETSECRETSECRETSECRETSECRET", i)
		key += fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(key)))
		list = append(list, request{"Authorization", "Bearer " + token, source}, request{"X-API-Key", key, source})
	}
	return list
}

func newExchange() *exchange.Exchange {
	ex := &exchange.Exchange{Route: "users-read", RequestID: "0197a0aa-0000-7000-8000-000000000001"}
	r := &ex.Request
	r.Method, r.Scheme, r.Host, r.Proto = "GET", "http", "localhost:8080", "HTTP/1.1"
	if err := r.SetURI("/v1/users/1"); err != nil {
		panic(err)
	}
	for _, f := range [][2]string{
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"},
		{"Accept", "application/json"}, {"Accept-Encoding", "gzip, deflate, br"}, {"Accept-Language", "en-GB,en;q=0.9"},
		{"Origin", "http://localhost:3000"}, {"Referer", "http://localhost:3000/people"}, {"Cache-Control", "no-cache"},
		{"X-Request-Id", "0197a0aa-0000-7000-8000-000000000001"}, {"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		{"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Site", "same-site"},
	} {
		r.Header.Add(f[0], f[1])
	}
	return ex
}
