package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// do is a configuration of the guest do.wat: operation with phase and kind,
// name and value in turn.
func do(operations ...string) string {
	var b strings.Builder
	for i := 0; i < len(operations); i += 3 {
		fmt.Fprintf(&b, "%s%s\x01%s\x02", operations[i], operations[i+1], operations[i+2])
	}
	return fmt.Sprintf("config: %s", yamlText(b.String()))
}

// yamlText is a YAML string in double quotes.
func yamlText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\x%02x`, s[i])
	}
	return `"` + b.String() + `"`
}

// TestFramingIsOurs gives a filter every chance to make two messages of one, or
// an upstream and the gateway read a message differently.
func TestFramingIsOurs(t *testing.T) {
	var requests atomic.Int64
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		body, err := io.ReadAll(r.Body)
		if r.URL.Path == "/none" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprintf(w, "%s %s host=%s te=%v cl=%d body=%q %v", r.Method, r.RequestURI, r.Host, r.TransferEncoding, r.ContentLength, body, err)
		for _, name := range []string{"Connection", "Keep-Alive", "Upgrade", "Te", "Expect", "X-User-Id", "A"} {
			if v, ok := r.Header[name]; ok {
				fmt.Fprintf(w, " %s=%q", name, v)
			}
		}
	})
	host := strings.TrimPrefix(target, "http://")
	const smuggled = "x\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
	get := func(rest string) string { return "GET /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + rest + "\r\n" }
	post := "POST /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
	chunked := "POST /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	plain := func(method, uri, rest string) string {
		return fmt.Sprintf("%s %s host=%s %s <nil>", method, uri, host, rest)
	}
	const trap = "503"
	for _, row := range []struct {
		name, config, request, status, body string
		without                             []string // what the response must not hold
		forwarded                           int64
	}{
		{"nothing", do(), get(""), "200", plain("GET", "/f", `te=[] cl=0 body=""`), nil, 1},
		{"request: longer Content-Length", do("Sq0", "Content-Length", "50"), post, "200", plain("POST", "/f", `te=[] cl=5 body="hello"`), nil, 1},
		{"request: shorter Content-Length", do("Sq0", "content-length", "1"), post, "200", plain("POST", "/f", `te=[] cl=5 body="hello"`), nil, 1},
		{"request: second Content-Length", do("Bq0", "", "world", "Aq0", "Content-Length", "1"), chunked, "200", plain("POST", "/f", `te=[] cl=5 body="world"`), nil, 1},
		{"request: Transfer-Encoding", do("Sq0", "Transfer-Encoding", "chunked"), post, "200", plain("POST", "/f", `te=[] cl=5 body="hello"`), nil, 1},
		{"request: framing removed", do("Rq0", "Content-Length", "", "Rq0", "Transfer-Encoding", ""), post, "200", plain("POST", "/f", `te=[] cl=5 body="hello"`), nil, 1},
		{"request: body of GET", do("Bq0", "", "hello "+smuggled), get(""), "200", plain("GET", "/f", fmt.Sprintf("te=[] cl=%d body=%q", 6+len(smuggled), "hello "+smuggled)), nil, 1},
		{"request: chunked body replaced", do("Bq0", "", "one", "Bq0", "", "two"), chunked, "200", plain("POST", "/f", `te=[] cl=6 body="onetwo"`), nil, 1},
		{"request: body removed", do("Bq0", "", ""), chunked, "200", plain("POST", "/f", `te=[] cl=0 body=""`), nil, 1},
		{"request: hop-by-hop", do("Sq0", "Connection", "A, close", "Sq0", "A", "1", "Sq0", "Upgrade", "h2c", "Sq0", "Keep-Alive", "1", "Sq0", "Expect", "100-continue"), get(""), "200",
			plain("GET", "/f", `te=[] cl=0 body=""`), nil, 1},
		{"request: Host stays the target's", do("Sq0", "Host", "evil.example", "Rq0", "Host", ""), get(""), "200", plain("GET", "/f", `te=[] cl=0 body=""`), nil, 1},
		{"request: bad Host", do("Sq0", "Host", "a/b"), get(""), trap, "", nil, 0},
		{"request: empty Host", do("Sq0", "Host", ""), get(""), trap, "", nil, 0},
		{"request: second Host", do("Aq0", "Host", "b"), get(""), trap, "", nil, 0},
		{"request: line break in a value", do("Sq0", "A", smuggled), get(""), trap, "", nil, 0},
		{"request: line feed in a value", do("Sq0", "A", "1\nB: 2"), get(""), trap, "", nil, 0},
		{"request: NUL in a value", do("Sq0", "A", "1\x002"), get(""), trap, "", nil, 0},
		{"request: line break in a name", do("Sq0", "A\r\nB", "1"), get(""), trap, "", nil, 0},
		{"request: space in a name", do("Sq0", "A B", "1"), get(""), trap, "", nil, 0},
		{"request: empty name", do("Sq0", "", "1"), get(""), trap, "", nil, 0},
		{"request: removing no token", do("Rq0", "A B", ""), get(""), "200", plain("GET", "/f", `te=[] cl=0 body=""`), nil, 1},
		{"request: method", do("Mq0", "", "patch"), get(""), "200", plain("patch", "/f", `te=[] cl=0 body=""`), nil, 1},
		{"request: line break in the method", do("Mq0", "", "GET /admin HTTP/1.1\r\nA: b\r\n\r\nGET"), get(""), trap, "", nil, 0},
		{"request: empty method", do("Mq0", "", ""), get(""), trap, "", nil, 0},
		{"request: line break in the URI", do("Uq0", "", "/a HTTP/1.1\r\n\r\nGET /admin"), get(""), trap, "", nil, 0},
		{"request: space in the URI", do("Uq0", "", "/a b"), get(""), trap, "", nil, 0},
		{"request: fragment", do("Uq0", "", "/a#b"), get(""), trap, "", nil, 0},
		{"request: fragment in the query", do("Uq0", "", "/a?b#c"), get(""), trap, "", nil, 0},
		{"request: dot segments", do("Uq0", "", "/a/../b"), get(""), trap, "", nil, 0},
		{"request: absolute URI", do("Uq0", "", "http://evil.example/"), get(""), trap, "", nil, 0},
		{"request: empty URI", do("Uq0", "", ""), get(""), "200", plain("GET", "/", `te=[] cl=0 body=""`), nil, 1},
		{"request: query alone", do("Uq0", "", "?a=%26b+c"), get(""), "200", plain("GET", "/?a=%26b+c", `te=[] cl=0 body=""`), nil, 1},
		{"request: escapes stay", do("Uq0", "", "/caf%C3%a9%26?x=%2f"), get(""), "200", plain("GET", "/caf%C3%a9%26?x=%2f", `te=[] cl=0 body=""`), nil, 1},
		{"request: trailer that frames", do("Sq2", "Content-Length", "1"), chunked, trap, "", nil, 0},

		{"response: longer Content-Length", do("Bp1", "", "hi", "Sp1", "Content-Length", "50"), get(""), "200", "hi", nil, 1},
		{"response: Transfer-Encoding", do("Bp1", "", "hi", "Sp1", "Transfer-Encoding", "chunked"), get(""), "200", "hi", []string{"chunked"}, 1},
		{"response: hop-by-hop", do("Bp1", "", "hi", "Sp1", "Connection", "Upgrade", "Sp1", "Upgrade", "h2c", "Sp1", "Keep-Alive", "9"), get(""), "200", "hi", []string{"Upgrade", "Keep-Alive"}, 1},
		{"response: line break in a value", do("Sp1", "A", "1\r\nSet-Cookie: a=b"), get(""), trap, "", []string{"Set-Cookie"}, 1},
		{"response: line break in a name", do("Sp1", "A: 1\r\nB", "2"), get(""), trap, "", []string{"B: 2"}, 1},
		{"response: 204 with a body", do("Cp1", "", "204", "Bp1", "", "hi"), get(""), "204", "", []string{"Content-Length", "hi"}, 1},
		{"response: 304 with a body", do("Cp1", "", "304", "Bp1", "", "hi"), get(""), "304", "", []string{"hi"}, 1},
		{"response: 204 of a streaming body", do("Cp1", "", "204"), get(""), "204", "", []string{"Content-Length", "GET"}, 1},
		{"response: informational", do("Cp1", "", "100"), get(""), trap, "", nil, 1},
		{"response: switching protocols", do("Cp1", "", "101"), get(""), trap, "", nil, 1},
		{"response: no status", do("Cp1", "", "0"), get(""), trap, "", nil, 1},
		{"response: four digits", do("Cp1", "", "1000"), get(""), trap, "", nil, 1},
		{"response: body of 204", do("Uq0", "", "/none", "Cp1", "", "200", "Bp1", "", "hi"), get(""), "200", "hi", nil, 1},
		{"response: HEAD", do("Bp1", "", "hello"), strings.Replace(get(""), "GET", "HEAD", 1), "200", "", []string{"hello"}, 1},
		{"response: the request's body", do("Bp0", "", "hello"), get(""), trap, "", nil, 1},
		{"response: the request's method", do("Mp0", "", "PUT"), get(""), trap, "", nil, 1},
		{"response: no such kind", do("Sp9", "A", "1"), get(""), trap, "", nil, 1},

		{"answer: status and body", do("Nq0", "", "", "Cq1", "", "418", "Sq1", "A", "1", "Bq1", "", "short", "Bq1", "", " and stout"), get(""), "418", "short and stout", nil, 0},
		{"answer: Content-Length of HEAD", do("Nq0", "", "", "Sq1", "Content-Length", "99"), strings.Replace(get(""), "GET", "HEAD", 1), "200", "", []string{"Length: 99"}, 0},
		{"answer: unread body", do("Nq0", "", "", "Bq1", "", "no"), post, "200", "no", nil, 0},
		{"answer: trailers", do("Nq0", "", "", "Bq1", "", "x", "Sq3", "Sum", "1"), get(""), "200", "1\r\nx\r\n0\r\nSum: 1\r\n\r\n", []string{"Content-Length"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := startWasm(t, `filters: {do: {module: "file:`+wild(t, "do")+`", grants: [body], `+row.config+`}}
upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: f, match: {path: /f}, filters: [do], upstream: u}]
`)
			before := requests.Load()
			got := g.raw(row.request)
			head, body, _ := strings.Cut(got, "\r\n\r\n")
			if !strings.HasPrefix(head, "HTTP/1.1 "+row.status+" ") || strings.Count(got, "HTTP/1.1 ") != 1 {
				t.Errorf("%q, want %s\n%s", got, row.status, errorLines(g))
			}
			if row.status != trap && body != row.body {
				t.Errorf("body %q, want %q", body, row.body)
			}
			if strings.Count(head, "Content-Length") > 1 {
				t.Errorf("two lengths: %q", head)
			}
			for _, text := range row.without {
				if strings.Contains(got, text) {
					t.Errorf("%q is in %q", text, got)
				}
			}
			if n := requests.Load() - before; n != row.forwarded {
				t.Errorf("%d requests reached the upstream, want %d", n, row.forwarded)
			}
		})
	}
}
