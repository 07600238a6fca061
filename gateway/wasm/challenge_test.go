package wasm_test

import "testing"

// The jwt filter's realm is that of the route's refusal, too, where there is no
// token at all.
func TestJWTChallenge(t *testing.T) {
	f := newBench(t).build(t, "jwt", `{"realm":"shop","resource_metadata":"https://shop.example/m"}`, "jwt")
	ex := newExchange("GET", "/")
	if run(t, f, ex).Answered || ex.Challenge != `Bearer realm="shop", resource_metadata="https://shop.example/m"` {
		t.Errorf("challenge %q", ex.Challenge)
	}
}
