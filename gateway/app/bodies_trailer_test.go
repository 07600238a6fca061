package app_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// trailersBack answers with the trailers that came: in the body "NAME=VALUE",
// and with a trailer "Sum" of its own.
func trailersBack(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "Sum")
	if seen := r.Header.Get("Seen"); seen != "" {
		w.Header().Set("Got-Seen", seen)
	}
	body, _ := io.ReadAll(r.Body)
	var list []string
	for name, values := range r.Trailer {
		for _, v := range values {
			list = append(list, name+"="+v)
		}
	}
	slices.Sort(list)
	fmt.Fprintf(w, "%d %s", len(body), strings.Join(list, " "))
	w.Header().Set("Sum", "of the response")
	w.Header().Set(http.TrailerPrefix+"Unannounced", "too")
}

// TestTrailers sends trailers both ways, streaming and through a filter that
// reads and adds some.
func TestTrailers(t *testing.T) {
	target := upstream(t, trailersBack)
	g := startWasm(t, `filters:
  guest: {module: "file:`+wild(t, "trailers")+`"}
upstreams: {u: {targets: ["`+target+`"]}}
routes:
  - {name: plain, match: {path: /plain}, upstream: u}
  - {name: guest, match: {path: /guest}, filters: [guest], upstream: u}
`)
	for _, row := range []struct {
		path, body, want, seen, gotSeen string
		trailer                         http.Header
	}{
		{path: "/plain", body: "hello", want: "5 Sum=of the request",
			trailer: http.Header{"Sum": {"of the response"}, "Unannounced": {"too"}}},
		{path: "/plain", body: strings.Repeat("x", 100_000), want: "100000 Sum=of the request",
			trailer: http.Header{"Sum": {"of the response"}, "Unannounced": {"too"}}},
		{path: "/guest", body: strings.Repeat("x", 100_000), want: "100000 Guest=was here Sum=of the request", seen: "of the response", gotSeen: "of the request",
			trailer: http.Header{"Sum": {"of the response"}, "Unannounced": {"too"}, "Guest": {"was here"}}},
	} {
		req, err := http.NewRequest("POST", g.url+row.path, io.NopCloser(strings.NewReader(row.body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"Sum": {"of the request"}}
		resp, err := g.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != row.want || resp.Header.Get("Seen") != row.seen || resp.Header.Get("Got-Seen") != row.gotSeen {
			t.Errorf("%s: %q %v, header %v\n%s", row.path, body, err, resp.Header, errorLines(g))
		}
		if fmt.Sprint(resp.Trailer) != fmt.Sprint(row.trailer) {
			t.Errorf("%s: trailers %v, want %v", row.path, resp.Trailer, row.trailer)
		}
	}
}

// TestTrailersAreNoWayAround sends what is removed from a header, or frames a
// message, after the body.
func TestTrailersAreNoWayAround(t *testing.T) {
	target := upstream(t, trailersBack)
	g := startWasm(t, `upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: plain, match: {path: /plain}, upstream: u}]
`)
	const head = "POST /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
	for _, row := range []struct{ name, trailer, status, want string }{
		{"fine", "Sum: 1\r\n", "200", "1 Sum=1"},
		{"identity", "X-User-Id: root\r\nx_gatehouse_subject: root\r\nSum: 1\r\n", "200", "1 Sum=1"},
		{"credentials", "X-API-Key: k\r\nDPoP: d\r\nSum: 1\r\n", "200", "1 Sum=1"},
		{"forwarded", "X-Forwarded-For: 6.6.6.6\r\nSum: 1\r\n", "400", ""},
		{"framing", "Content-Length: 5\r\n", "400", ""},
		{"not a token", "A b: 1\r\n", "400", ""},
	} {
		got := g.raw(head + row.trailer + "\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+row.status+" ") || !strings.Contains(got, row.want) || strings.Contains(got, "root") {
			t.Errorf("%s: %q", row.name, got)
		}
	}
	// A client of HTTP/1.0 knows neither chunks nor trailers.
	got := g.raw("GET /plain HTTP/1.0\r\nHost: a\r\n\r\n")
	if !strings.HasSuffix(got, "\r\n\r\n0 ") || strings.Contains(got, "Sum") || strings.Contains(got, "chunked") {
		t.Errorf("HTTP/1.0: %q", got)
	}
}
