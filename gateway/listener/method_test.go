package listener_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
)

// What filters make of a method or a status does not move the end of a
// response: the client knows it by the method that it has sent and the status
// that it gets.
func TestResponsesEndWhereTheClientThinks(t *testing.T) {
	stream := func(body string, length int64) exchange.Body {
		return exchange.Body{Stream: io.NopCloser(strings.NewReader(body)), Length: length}
	}
	for _, row := range []struct {
		name, sent, changed string
		status              int
		body                func() exchange.Body
		want                string
	}{
		// An upstream's answer to HEAD has a length and no body.
		{"GET to HEAD", "GET", "HEAD", 200, func() exchange.Body { return exchange.Body{Length: 26} }, ""},
		{"HEAD to GET", "HEAD", "GET", 200, func() exchange.Body { return exchange.Body{Bytes: []byte("body"), Length: 4} }, ""},
		{"HEAD to GET, stream", "HEAD", "GET", 200, func() exchange.Body { return stream("body", 4) }, ""},
		{"HEAD to GET, chunked", "HEAD", "GET", 200, func() exchange.Body { return stream("body", -1) }, ""},
		{"HEAD", "HEAD", "HEAD", 200, func() exchange.Body { return exchange.Body{Length: 26} }, ""},
		{"GET to HEAD, chunked", "GET", "HEAD", 200, func() exchange.Body { return exchange.Body{Length: -1} }, ""},
		{"304 with a length made 200", "GET", "GET", 200, func() exchange.Body { return exchange.Body{Length: 26} }, ""},
		{"304 with a length", "GET", "GET", 304, func() exchange.Body { return exchange.Body{Length: 26} }, ""},
		{"200 made 304", "GET", "GET", 304, func() exchange.Body { return exchange.Body{Bytes: []byte("body"), Length: 4} }, ""},
		{"200 made 204", "GET", "GET", 204, func() exchange.Body { return exchange.Body{Bytes: []byte("body"), Length: 4} }, ""},
		{"200 made 204, stream", "GET", "GET", 204, func() exchange.Body { return stream("body", 4) }, ""},
		{"200 made 304, chunked", "GET", "GET", 304, func() exchange.Body { return stream("body", -1) }, ""},
		{"200 made 205", "GET", "GET", 205, func() exchange.Body { return stream("body", 4) }, "body"},
		{"GET to CONNECT", "GET", "CONNECT", 200, func() exchange.Body { return exchange.Body{Bytes: []byte("body"), Length: 4} }, "body"},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := open(t, &handler{serve: func(ex *exchange.Exchange) {
				if ex.Request.Path == "/second" {
					describe(ex)
					return
				}
				ex.Request.Method = row.changed
				ex.Response.Status, ex.Response.Body = row.status, row.body()
			}}, config.DefaultLimits())
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(3 * time.Second))
			br := bufio.NewReader(c)
			ask := func(method, path string) (int, string) {
				if _, err := io.WriteString(c, method+" "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(br, &http.Request{Method: method})
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatalf("%s: %v after %q", path, err, body)
				}
				return resp.StatusCode, string(body)
			}
			if status, body := ask(row.sent, "/first"); status != row.status || body != row.want {
				t.Errorf("%d %q", status, body)
			}
			if status, body := ask("GET", "/second"); status != 200 || !strings.HasPrefix(body, "GET HTTP/1.1 h /second") {
				t.Errorf("the next response: %d %q", status, body)
			}
			if n := br.Buffered(); n > 0 {
				t.Errorf("%d bytes too many", n)
			}
		})
	}
}
