package listener_test

import (
	"io"
	"strings"
	"testing"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
)

// TestHTTP10GetsNoChunks: a client of HTTP/1.0 reads a body of unknown length
// until the connection ends.
func TestHTTP10GetsNoChunks(t *testing.T) {
	h := &handler{serve: func(ex *exchange.Exchange) {
		ex.Response.Status = 200
		ex.Response.Header.Add("Content-Type", "text/plain")
		ex.Response.Body.Stream, ex.Response.Body.Length = io.NopCloser(strings.NewReader("the whole body")), -1
	}}
	l := open(t, h, config.DefaultLimits())
	for _, head := range []string{"GET /a HTTP/1.0\r\nHost: h\r\n\r\n", "GET /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"} {
		got := talk(t, l, head)
		if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\nthe whole body") ||
			!strings.Contains(got, "Connection: close\r\n") || strings.Contains(got, "chunked") || strings.Contains(got, "Content-Length") {
			t.Errorf("%q: %q", head, got)
		}
	}
	if got := talk(t, l, "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "Transfer-Encoding: chunked\r\n") {
		t.Errorf("HTTP/1.1: %q", got)
	}
}

func TestUnknownVersionIsRefused(t *testing.T) {
	h := &handler{serve: describe}
	l := open(t, h, config.DefaultLimits())
	for _, head := range []string{"GET /a HTTP/2.0\r\nHost: h\r\n\r\n", "GET /a HTTP/3.0\r\nHost: h\r\n\r\n", "GET /a HTTP/1.2\r\nHost: h\r\n\r\n", "GET /a http/1.1\r\nHost: h\r\n\r\n"} {
		got := talk(t, l, head)
		if !strings.HasPrefix(got, "HTTP/1.1 505 ") && !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%q: %q", head, got)
		}
	}
	if h.served.Load() != 0 {
		t.Error("it was served")
	}
}
