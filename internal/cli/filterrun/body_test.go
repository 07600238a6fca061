package filterrun

import (
	"io"
	"slices"
	"strings"
	"testing"

	"gatehouse.example/gateway/exchange"
)

func TestWatchedBody(t *testing.T) {
	stream := func() exchange.Body { return exchange.Body{Stream: io.NopCloser(strings.NewReader("abc")), Length: 3} }
	buffered := func() exchange.Body { return exchange.Body{Bytes: []byte("abc")} }
	for _, row := range []struct {
		name string
		body exchange.Body
		do   func(b *exchange.Body) error
		want []string
	}{
		{"a stream left alone", stream(), func(*exchange.Body) error { return nil }, nil},
		{"a stream read", stream(), func(b *exchange.Body) error { return b.Buffer(10) }, nil},
		{"a stream rewritten", stream(), func(b *exchange.Body) error {
			err := b.Buffer(10)
			b.SetBytes([]byte("wxyz"))
			return err
		}, []string{"body rewritten: 4 bytes, was 3"}},
		{"bytes left alone", buffered(), func(*exchange.Body) error { return nil }, nil},
		{"bytes rewritten", buffered(), func(b *exchange.Body) error { b.SetBytes([]byte("xyz")); return nil }, []string{"body rewritten: 3 bytes, was 3"}},
		{"no body", exchange.Body{}, func(*exchange.Body) error { return nil }, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := watchBody(&row.body)
			if err := row.do(&row.body); err != nil {
				t.Fatal(err)
			}
			if got := w.changes(); !slices.Equal(got, row.want) {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

func TestContentLengthIsNotAChange(t *testing.T) {
	var h exchange.Header
	h.Set("Content-Length", "3")
	h.Set("X-A", "b")
	if got := fieldsOf(&h); !slices.Equal(got, []string{"X-A: b"}) {
		t.Errorf("%q", got)
	}
}
