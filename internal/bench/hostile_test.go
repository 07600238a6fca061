package bench

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// misdeeds are what the hostile filter does, and what the log says of it.
var misdeeds = []struct{ name, says string }{
	{"loop", "fuel"}, {"fill", "fuel"}, {"recurse", ""}, {"memory", ""}, {"crlf", "control byte"}, {"trap", "on purpose"},
}

func hostileGateway(t testing.TB) *gateway {
	up := startUpstream(t)
	return startGateway(t, builtIns+`  hostile: {module: "file:`+filepath.Join(work, "hostile.wasm")+`", limits: {memory: 48MiB}}
upstreams: {u: {targets: ["http://`+up+`"]}}
routes:
  - {name: hostile, match: {path: "/hostile/*"}, filters: [hostile], upstream: u}
  - {name: neighbour, match: {path: "/*"}, filters: [cors, per-ip, key, token], upstream: u}
`)
}

// TestHostile lets a filter do its worst, again and again and side by side:
// each misdeed costs its own request, the next one on the same route succeeds,
// and those of the neighbour route do not notice.
func TestHostile(t *testing.T) {
	g := hostileGateway(t)
	neighbour := startLoad(t, g.HTTP, "/neighbour", 1, "-tokens", g.tokens(), "-pause", "2ms")
	for _, m := range misdeeds {
		t.Run(m.name, func(t *testing.T) {
			before := len(g.log.String())
			end := startLoad(t, g.HTTP, "/hostile/"+m.name, 4)
			time.Sleep(1500 * time.Millisecond)
			r := end()
			if r.Requests == 0 || r.Statuses[503] != r.Requests {
				t.Errorf("answers %v, first failure %s", r.Statuses, r.First)
			}
			if status, body := g.get("/hostile/nothing"); status != 200 {
				t.Errorf("the next request: %d %s", status, body)
			}
			said := g.log.String()[before:]
			lines := strings.Count(said, `"filter trapped"`)
			if lines == 0 || lines > 5 || strings.Count(said, "\n") > 20 || !strings.Contains(said, m.says) {
				t.Errorf("%d lines in the log of %d traps:\n%.2000s", lines, r.Requests, said)
			}
			t.Logf("%d requests, p50 %.1f ms, p99 %.1f ms", r.Requests, r.P50, r.P99)
		})
	}
	t.Run("log", func(t *testing.T) {
		before := len(g.log.String())
		if status, _ := g.get("/hostile/log"); status != 200 && status != 503 {
			t.Errorf("status %d", status)
		}
		if n := len(g.log.String()) - before; n > 200<<10 {
			t.Errorf("10 MB of logs became %d bytes", n)
		}
	})
	if r := neighbour(); r.Failures != 0 || r.Requests == 0 {
		t.Errorf("%d of %d of the neighbour's requests failed, first: %s", r.Failures, r.Requests, r.First)
	}
}

// BenchmarkNeighbour compares the neighbour's p99 beside each misdeed with its
// p99 beside as many harmless requests on the same route, in one run: the
// ratios are what counts.
func BenchmarkNeighbour(b *testing.B) {
	g := hostileGateway(b)
	measure := func(other string) (neighbour, others loadResult) {
		end := startLoad(b, g.HTTP, "/hostile/"+other, 2, "-pause", "5ms")
		endNeighbour := startLoad(b, g.HTTP, "/neighbour", 2, "-tokens", g.tokens(), "-pause", "2ms")
		time.Sleep(4 * time.Second)
		neighbour, others = endNeighbour(), end()
		if neighbour.Failures != 0 {
			b.Errorf("%d of %d failed: %s", neighbour.Failures, neighbour.Requests, neighbour.First)
		}
		return neighbour, others
	}
	for b.Loop() {
		harmless, _ := measure("nothing")
		b.Logf("harmless: p50 %.2f ms, p99 %.2f ms", harmless.P50, harmless.P99)
		for _, m := range append(misdeeds, struct{ name, says string }{"log", ""}) {
			r, h := measure(m.name)
			b.ReportMetric(r.P99/harmless.P99, m.name+"-p99-ratio")
			b.Logf("%s: p50 %.2f ms, p99 %.2f ms (%.2f times), %d misdeeds, their p50 %.1f ms, p99 %.1f ms", m.name, r.P50, r.P99, r.P99/harmless.P99, h.Requests, h.P50, h.P99)
		}
	}
}
