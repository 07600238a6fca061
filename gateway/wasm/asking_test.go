package wasm_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/gateway/wasm"
	"gatehouse.example/gateway/wasm/capability"
)

// hangingAuthority knows one key, and thinks about all others.
type hangingAuthority struct {
	good string
	end  chan struct{}
}

func (h hangingAuthority) VerifyAPIKey(_ context.Context, key string) (capability.APIKey, error) {
	if key == h.good {
		return capability.APIKey{ID: "key-1", OwnerKind: "client", OwnerID: "shop"}, nil
	}
	<-h.end
	return capability.APIKey{}, capability.ErrKeyInvalid
}

// Made-up credentials, about which somebody far away must be asked, hold half
// of the instances at most: users with good ones that are remembered pass.
func TestMadeUpCredentialsLeaveInstances(t *testing.T) {
	slow := hangingAuthority{good: withChecksum(goodKey), end: make(chan struct{})}
	b := newBench(t, func(o *wasm.Options) {
		o.Keys = capability.NewKeyVerifier(capability.KeyOptions{Authority: slow, Timeout: time.Minute})
	})
	s := spec("apikey", `{}`, "key")
	s.Limits.Instances = 4
	f, err := b.host.Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	request := func(key string) (status int, retry string) {
		ex := newExchange("GET", "/", "X-API-Key", key)
		run(t, f, ex)
		return ex.Response.Status, ex.Response.Header.Get("Retry-After")
	}
	if status, _ := request(slow.good); status != 200 {
		t.Fatalf("a good key: %d", status)
	}
	var held sync.WaitGroup
	for _, made := range []string{"A", "B"} {
		held.Go(func() {
			if status, _ := request(withChecksum(goodKey + made)); status != 401 {
				t.Errorf("a key that is unknown in the end: %d", status)
			}
		})
	}
	for i := 0; wasm.Asking(f) < 2 && i < 5000; i++ {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		if status, retry := request(withChecksum(goodKey + "C")); status != 503 || retry == "" {
			t.Errorf("one more that is made up: %d, Retry-After %q", status, retry)
		}
		if status, _ := request(slow.good); status != 200 {
			t.Errorf("a good key meanwhile: %d", status)
		}
	}
	close(slow.end)
	held.Wait()
	if status, _ := request(withChecksum(goodKey + "C")); status != 401 {
		t.Errorf("afterwards: %d", status)
	}
}

// A filter that may wait for other servers has more instances.
func TestDefaultInstances(t *testing.T) {
	b := newBench(t)
	plain := max(4, 2*runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		module, config, grants string
		want                   int
	}{
		{"cors", `{"origins":["https://a.example"]}`, "", plain},
		{"apikey", `{}`, "key", 8 * plain},
		{"plain", ``, "http", 8 * plain},
		{"plain", ``, "kv", 4 * plain},
	} {
		f := b.build(t, c.module, c.config, strings.Fields(c.grants)...)
		if got := wasm.MaxInstances(f); got != c.want {
			t.Errorf("%s with %q: %d instances, want %d", c.module, c.grants, got, c.want)
		}
	}
}
