package wasm_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"gatehouse.example/gateway/exchange"
)

// What a guest writes of the response before it lets the request go on stands
// before the upstream's body: a change of that, which needs the grant.
func TestEarlyBody(t *testing.T) {
	b := newBench(t)
	refused := b.build(t, "plain", "", "body.request")
	for range 2 {
		_, err := refused.HandleRequest(context.Background(), newExchange("GET", "/", "X-Mode", "early"))
		if err == nil || !strings.Contains(err.Error(), "needs the grant body.response: add it under grants") {
			t.Errorf("without the grant: %v", err)
		}
	}
	f := b.build(t, "plain", "", "body")
	for _, row := range []struct {
		name string
		body exchange.Body
	}{
		{"bytes", exchange.Body{Bytes: []byte("late"), Length: 4}},
		{"stream", exchange.Body{Stream: io.NopCloser(strings.NewReader("late")), Length: 4}},
	} {
		t.Run(row.name, func(t *testing.T) {
			ex := newExchange("GET", "/", "X-Mode", "early")
			result := run(t, f, ex)
			ex.Response.Body = row.body
			for _, name := range []string{"ETag", "content-length", "Digest", "Content-Digest", "repr-digest", "Content-MD5", "Kept"} {
				ex.Response.Header.Add(name, "x")
			}
			if _, err := result.Response.HandleResponse(context.Background(), ex, false); err != nil {
				t.Fatal(err)
			}
			got := string(ex.Response.Body.Bytes)
			if s := ex.Response.Body.Stream; s != nil {
				data, err := io.ReadAll(s)
				if err != nil {
					t.Fatal(err)
				}
				got = string(data)
			}
			if got != "early, late" || ex.Response.Body.Length != int64(len(got)) || ex.Response.Header.Names() != "Kept" {
				t.Errorf("%q of %d bytes, fields %s", got, ex.Response.Body.Length, ex.Response.Header.Names())
			}
		})
	}
}
