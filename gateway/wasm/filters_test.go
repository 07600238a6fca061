package wasm_test

import (
	"testing"
)

func TestRateLimit(t *testing.T) {
	b := newBench(t)
	f := b.build(t, "ratelimit", `{"key":"source_address","limits":[{"rate":100,"per":"1s","burst":2}]}`)
	ex := newExchange("GET", "/v1/users/1")
	run(t, f, ex)
	t.Log(ex.Response)
}
