package listener_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/listener"
)

// handler answers with what it saw.
type handler struct {
	serve  func(ex *exchange.Exchange)
	served atomic.Int32
	done   atomic.Int32
}

func (h *handler) Serve(ex *exchange.Exchange) {
	h.served.Add(1)
	h.serve(ex)
}
func (h *handler) Done(*exchange.Exchange, int64) { h.done.Add(1) }

func describe(ex *exchange.Exchange) {
	r := &ex.Request
	body := string(r.Body.Bytes)
	if r.Body.Stream != nil {
		data, err := io.ReadAll(r.Body.Stream)
		body = fmt.Sprintf("stream of %d, %v", len(data), err)
	}
	ex.Response.Status = 200
	ex.Response.Header.Add("ETag", `"1"`)
	ex.Response.Header.Add("Content-Type", "text/plain")
	ex.Response.Body.SetBytes([]byte(fmt.Sprintf("%s %s %s %s %d fields, body %q", r.Method, r.Proto, r.Host, r.URI(), r.Header.Len(), body)))
}

func open(t *testing.T, h *handler, limits config.Limits) *listener.Listener {
	t.Helper()
	l, err := listener.Open(listener.Options{Address: "127.0.0.1:0", Limits: limits, Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := l.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if h.served.Load() != h.done.Load() {
			t.Errorf("%d served, %d done", h.served.Load(), h.done.Load())
		}
	})
	return l
}

func talk(t *testing.T, l *listener.Listener, parts ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	for _, part := range parts {
		if _, err := io.WriteString(c, part); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	data, _ := io.ReadAll(c)
	return string(data)
}

func TestExchange(t *testing.T) {
	l := open(t, &handler{serve: describe}, config.DefaultLimits())
	for _, row := range []struct {
		name  string
		parts []string
		want  string
	}{
		{"plain", []string{"GET /a?b HTTP/1.1\r\nHost: H:1\r\nConnection: close\r\n\r\n"}, `GET HTTP/1.1 h:1 /a?b 1 fields, body ""`},
		{"in pieces", []string{"GET /a HT", "TP/1.1\r\nHo", "st: h\r\nConnection: close\r\n", "\r\n"}, `GET HTTP/1.1 h /a 1 fields`},
		{"small body", []string{"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\n", "abc"}, `body "abc"`},
		{"large body", []string{"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n", strings.Repeat("a", 9000)}, `stream of 9000, <nil>`},
		{"chunked", []string{"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n", "0\r\n\r\n"}, `stream of 3, <nil>`},
		{"expect", []string{"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "abc"}, `body "abc"`},
		{"keep-alive", []string{"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n", "GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"}, `h /2`},
		{"pipelined", []string{"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nxGET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"}, `h /2`},
		{"HTTP/1.0", []string{"GET /a HTTP/1.0\r\nHost: h\r\n\r\n"}, `GET HTTP/1.0 h /a`},
		{"broken chunk", []string{"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", "zz\r\n"}, `stream of 0, `},
	} {
		if got := talk(t, l, row.parts...); !strings.Contains(got, row.want) || !strings.Contains(got, "ETag: \"1\"\r\n") {
			t.Errorf("%s: %q", row.name, got)
		}
	}
}

func TestSlowHeadIsEnded(t *testing.T) {
	limits := config.DefaultLimits()
	limits.HeadTimeout = 100 * time.Millisecond
	h := &handler{serve: describe}
	l := open(t, h, limits)
	began := time.Now()
	got := talk(t, l, "GET /a HTTP/1.1\r\nHost: h\r\nA:")
	if took := time.Since(began); took > 10*time.Second || !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("%q after %v", got, took)
	}
	if h.served.Load() != 0 {
		t.Error("it was served")
	}
}

func TestSlowBodyIsEnded(t *testing.T) {
	limits := config.DefaultLimits()
	limits.BodyTimeout = 100 * time.Millisecond
	l := open(t, &handler{serve: describe}, limits)
	began := time.Now()
	got := talk(t, l, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\nabc")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%q after %v", got, took)
	}
}

// TestSlowBodyMayTakeLong: what is bounded is each pause, not the whole.
func TestSlowBodyMayTakeLong(t *testing.T) {
	limits := config.DefaultLimits()
	limits.HeadTimeout, limits.BodyTimeout = 200*time.Millisecond, 200*time.Millisecond
	l := open(t, &handler{serve: describe}, limits)
	parts := []string{"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n"}
	for range 20 {
		parts = append(parts, strings.Repeat("x", 1000))
	}
	if got := talk(t, l, parts...); !strings.Contains(got, "stream of 20000, <nil>") {
		t.Errorf("%q", got)
	}
}

func TestReaderThatDoesNotReadIsEnded(t *testing.T) {
	limits := config.DefaultLimits()
	limits.BodyTimeout = 200 * time.Millisecond
	h := &handler{}
	h.serve = func(ex *exchange.Exchange) {
		ex.Response.Status = 200
		ex.Response.Body = exchange.Body{Stream: io.NopCloser(endless{}), Length: -1}
	}
	l := open(t, h, limits)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
	for deadline := time.Now().Add(5 * time.Second); h.done.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the response is still held")
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestEventStreamsEndWithTheServer(t *testing.T) {
	h := &handler{}
	h.serve = func(ex *exchange.Exchange) {
		ex.Response.Status = http.StatusOK
		ex.Response.Header.Add("Content-Type", "text/event-stream")
		ex.Response.Body = exchange.Body{Stream: untilDone{ex.Context()}, Length: -1}
	}
	l, err := listener.Open(listener.Options{Address: "127.0.0.1:0", Limits: config.DefaultLimits(), Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve() }()
	resp, err := http.Get("http://" + l.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := l.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

type untilDone struct{ ctx context.Context }

func (u untilDone) Read([]byte) (int, error) { <-u.ctx.Done(); return 0, u.ctx.Err() }
func (untilDone) Close() error               { return nil }
