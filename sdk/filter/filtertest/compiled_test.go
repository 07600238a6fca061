package filtertest

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that only remembers why it has failed.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) {
	r.failure = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

// failureOf returns why f fails a test.
func failureOf(f func(r *recorder)) string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.failure
}

// What only the native gateway knows says nothing of a compiled filter.
func TestNativeOnly(t *testing.T) {
	filter := func(r *recorder) *Filter {
		g := newGateway(r, "")
		g.compiled = true
		return &Filter{t: r, gateway: g}
	}
	start := func(o Option) func(*recorder) {
		return func(r *recorder) {
			g := newGateway(r, "")
			Compiled()(g)
			o(g)
			_ = g.startCompiled(true)
		}
	}
	for what, use := range map[string]func(*recorder){
		"Filter.KV":            func(r *recorder) { filter(r).KV("a") },
		"Filter.SetKV":         func(r *recorder) { filter(r).SetKV("a", "b") },
		"filtertest.KVBytes":   start(KVBytes(1000)),
		"filtertest.StoreDown": start(StoreDown()),
		"filtertest.Remote":    start(Remote("https://api.example", http.NotFoundHandler())),
	} {
		if why := failureOf(use); !strings.HasPrefix(why, what+" is for a native filter only: leave out Compiled") {
			t.Errorf("%s: %q", what, why)
		}
	}
}
