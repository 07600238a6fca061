package bench

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// TestSwaps replaces a filter's module again and again while requests flow:
// none fails, both modules answer, and nothing stays behind.
func TestSwaps(t *testing.T) {
	swaps := either(1000, 150)
	up := startUpstream(t)
	config := func(stamp string) string {
		return fmt.Sprintf(`filters: {stamp: {module: "file:%s"}}
upstreams: {u: {targets: ["http://%s"]}}
routes: [{name: all, match: {path: "/*"}, filters: [stamp], upstream: u}]
`, filepath.Join(work, "stamp-"+stamp+".wasm"), up)
	}
	g := startGateway(t, config("a"))
	end := startLoad(t, g.HTTP, "/", 4)
	answers := func(stamp string) func() bool {
		return func() bool {
			resp, err := g.client.Get("http://" + g.HTTP + "/")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("status %d", resp.StatusCode)
			}
			return resp.Header.Get("X-Stamp") == stamp
		}
	}
	var early, last int64
	started := time.Now()
	for i := range swaps {
		stamp := string("ba"[i%2])
		g.write(t, config(stamp))
		eventually(t, fmt.Sprintf("swap %d", i+1), 20*time.Second, answers(stamp))
		switch i + 1 {
		case swaps / 10:
			early = g.residentBytes()
		case swaps:
			last = g.residentBytes()
		}
	}
	took := time.Since(started)
	r := end()
	if r.Failures != 0 {
		t.Errorf("%d of %d requests failed, first: %s\n%s", r.Failures, r.Requests, r.First, g.log)
	}
	if r.Stamps["a"] == 0 || r.Stamps["b"] == 0 || r.Stamps["a"]+r.Stamps["b"] != r.Requests {
		t.Errorf("answers by module: %v of %d", r.Stamps, r.Requests)
	}
	t.Logf("%d swaps in %s, %d requests, p99 %.1f ms, resident %s after %d and %s after all (%.2f times)", swaps, took.Round(time.Second),
		r.Requests, r.P99, mib(early), swaps/10, mib(last), float64(last)/float64(early))
	// A short run has hardly begun to collect garbage after a tenth of it.
	allowed := 1.1
	if !full {
		allowed = 1.5
	}
	if float64(last) > allowed*float64(early) {
		t.Errorf("resident memory grew from %s to %s", mib(early), mib(last))
	}
	if n := g.metric("gatehouse_filter_instances", "stamp"); n > 64 {
		t.Errorf("%v instances are left", n)
	}
}
