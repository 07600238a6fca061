package wasm_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/jose"
)

// request is a request with 12 header fields.
func benchFields() []string {
	return []string{
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
		"Accept", "application/json", "Accept-Encoding", "gzip, deflate, br", "Accept-Language", "en-GB,en;q=0.9",
		"Origin", "http://localhost:3000", "Referer", "http://localhost:3000/people", "Cache-Control", "no-cache",
		"X-Request-Id", "0197a0aa-0000-7000-8000-000000000001", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-site",
	}
}

// BenchmarkChain measures one request through the filters of a route, in their
// order, over 1,000 addresses and 1,000 tokens. The tokens are verified before.
func BenchmarkChain(b *testing.B) {
	chains := map[string][]string{"none": nil, "noop": {"noop"}, "four": {"cors", "ratelimit", "apikey", "jwt"},
		"cors": {"cors"}, "ratelimit": {"ratelimit"}, "apikey": {"apikey"}, "jwt": {"jwt"}}
	for _, name := range []string{"none", "noop", "cors", "ratelimit", "apikey", "jwt", "four"} {
		b.Run(name, func(b *testing.B) { benchmarkChain(b, chains[name]) })
	}
}

func benchmarkChain(b *testing.B, names []string) {
	h := newBench(b)
	var chain []filter.Filter
	configs := map[string]string{
		"cors":      `{"origins":["http://localhost:3000"]}`,
		"ratelimit": `{"limits":[{"rate":1000000,"per":"1s","burst":1000000}]}`,
	}
	grants := map[string][]string{"apikey": {"key"}, "jwt": {"jwt"}}
	for _, name := range names {
		chain = append(chain, h.build(b, name, configs[name], grants[name]...))
	}
	tokens := make([]string, 1000)
	addresses := make([]netip.AddrPort, 1000)
	for i := range tokens {
		tokens[i] = "Bearer " + h.token(b, claims{Subject: fmt.Sprintf("user-%d", i), ID: fmt.Sprintf("token-%d", i)})
		addresses[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4000)
	}
	ex := newExchange("GET", "/v1/users/1", benchFields()...)
	ex.Request.Header.Add("Authorization", tokens[0])
	one := func(i int) {
		ex.Request.Header.Set("Authorization", tokens[i%1000])
		ex.Request.Source = addresses[i%1000]
		throughChain(b, chain, ex)
	}
	for i := range 2000 {
		one(i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		one(i)
		i++
	}
}

func throughChain(b *testing.B, chain []filter.Filter, ex *exchange.Exchange) {
	for _, f := range chain {
		result, err := f.HandleRequest(context.Background(), ex)
		if err != nil || result.Answered {
			b.Fatalf("%s: %v %+v", f.Name(), err, ex.Response)
		}
		if result.Response != nil {
			result.Response.Release()
		}
	}
	// Forget the request as the listener does, but keep its head.
	request := ex.Request
	ex.Request = exchange.Request{}
	ex.Reset()
	ex.Request = request
}

// BenchmarkTokenFirst measures the first verification of a token: with room
// for 16 in the cache, each of 4,096 is new again when its turn comes.
func BenchmarkTokenFirst(b *testing.B) {
	key, err := jose.GenerateES256()
	if err != nil {
		b.Fatal(err)
	}
	h := newBench(b, func(o *wasm.Options) {
		o.Tokens = capability.NewTokenVerifier(capability.TokenOptions{Issuer: issuer, Keys: jose.StaticSet(key), CacheSize: 16})
	})
	h.key = key
	f := h.build(b, "jwt", "", "jwt")
	tokens := make([]string, 4096)
	for i := range tokens {
		tokens[i] = "Bearer " + h.token(b, claims{ID: fmt.Sprint(i), ExpiresAt: time.Now().Add(time.Hour)})
	}
	i := 0
	for b.Loop() {
		ex := newExchange("GET", "/", "Authorization", tokens[i%len(tokens)])
		if result, err := f.HandleRequest(context.Background(), ex); err != nil || result.Answered {
			b.Fatal(err, ex.Response)
		}
		i++
	}
}

// BenchmarkInstantiate measures a new instance of the largest built-in filter.
func BenchmarkInstantiate(b *testing.B) {
	h := newBench(b)
	h.build(b, "jwt", "", "jwt") // keeps the module compiled
	for b.Loop() {
		f, err := h.host.Build(context.Background(), spec("jwt", "", "jwt"))
		if err != nil {
			b.Fatal(err)
		}
		_ = f.Close(context.Background())
	}
}

// BenchmarkLimiter measures limit_take without a guest.
func BenchmarkLimiter(b *testing.B) {
	l := capability.NewLimiter(capability.LimiterOptions{})
	p, err := l.Policy("f", []byte(`{"windows":[{"rate":1000000,"per_ns":1000000000,"burst":1000000}]}`))
	if err != nil {
		b.Fatal(err)
	}
	key := []byte("a10.0.0.1")
	var states [1]capability.Limit
	b.ReportAllocs()
	for b.Loop() {
		l.Take(b.Context(), p, key, 1, states[:])
	}
}
