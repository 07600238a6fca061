package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
	"gatehouse.example/internal/jose"
)

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

// BenchmarkInstantiate measures a new instance of the largest built-in filter,
// until it is ready for a request.
func BenchmarkInstantiate(b *testing.B) {
	f := newBench(b).build(b, "jwt", "", "jwt")
	b.ReportAllocs()
	for b.Loop() {
		if err := wasm.Instantiate(f); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRestore measures what a trap costs instead: the instance is put
// back to its first state.
func BenchmarkRestore(b *testing.B) {
	f := newBench(b).build(b, "jwt", "", "jwt")
	b.ReportAllocs()
	for b.Loop() {
		if !wasm.Restore(f) {
			b.Fatal("not restored")
		}
	}
}

// BenchmarkTrap measures a request that traps until the filter is as good as
// new.
func BenchmarkTrap(b *testing.B) {
	for name, guest := range map[string]string{"restored": "respond", "replaced": "mean"} {
		b.Run(name, func(b *testing.B) { benchmarkTrap(b, guest) })
	}
}

func benchmarkTrap(b *testing.B, guest string) {
	h := newBench(b)
	f := h.build(b, guest, "")
	for b.Loop() {
		if _, err := f.HandleRequest(context.Background(), newExchange("GET", "/panic")); err == nil {
			b.Fatal("no trap")
		}
		wasm.Mended(h.host)
	}
}

// BenchmarkCompile measures how long a module of Go takes to be ready to be
// instantiated: without and with its machine code in the folder.
func BenchmarkCompile(b *testing.B) {
	binary, err := guestModule("jwt")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	once := func(b *testing.B, dir string) {
		h, err := wasm.New(context.Background(), wasm.Options{CacheDir: dir})
		if err == nil {
			err = errors.Join(h.Precompile(context.Background(), binary), h.Close(context.Background()))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			once(b, "")
		}
	})
	b.Run("warm", func(b *testing.B) {
		once(b, dir)
		for b.Loop() {
			once(b, dir)
		}
	})
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
