package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// A body that the upstream breaks off while a filter reads it is the
// upstream's failure, not the filter's.
func TestUpstreamBreaksOffWhileAFilterReads(t *testing.T) {
	target := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(make([]byte, 50_000))
		panic(http.ErrAbortHandler)
	})
	g := start(t, `filters: {reads: {module: "builtin:reads"}}
upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: r, match: {path: "/*"}, filters: [reads], upstream: u}]
`)
	if got := g.do("GET", "/", ""); got.StatusCode != http.StatusBadGateway || !strings.Contains(got.body, "upstream_broken") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if n := g.metric("gatehouse_gateway_filter_failures_total", nil); n != 0 {
		t.Errorf("%v failures of filters", n)
	}
}
