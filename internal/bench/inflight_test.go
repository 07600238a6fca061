package bench

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// builtIns are the four built-in filters as a route would have them.
const builtIns = `filters:
  cors: {module: "builtin:cors", config: {origins: ["http://localhost:3000"]}}
  per-ip: {module: "builtin:ratelimit", config: {limits: [{rate: 1000000, per: 1s, burst: 1000000}]}}
  key: {module: "builtin:apikey", grants: [key]}
  token: {module: "builtin:jwt", grants: [jwt], config: {issuers: [{issuer: self, audience: [gatehouse]}]}}
`

// TestInFlight holds thousands of requests in a slow upstream behind the four
// built-in filters. A filter without a response phase gives its instance back
// before the upstream is called, so the filters cost their instances' memory
// and nothing per request.
func TestInFlight(t *testing.T) {
	connections := either(8000, 2000)
	run := func(t *testing.T, filters string) (peak int64, instances float64) {
		up := startUpstream(t)
		g := startGateway(t, builtIns+`upstreams: {u: {targets: ["http://`+up+`"]}}
routes: [{name: slow, match: {path: "/*"}, filters: [`+filters+`], upstream: u}]
`)
		if status, body := g.get("/warm"); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		before := g.residentBytes()
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the gateway said:\n%.4000s", g.log)
			}
		})
		client := start(t, "hold", "-address", g.HTTP, "-tokens", g.tokens(), "-connections", strconv.Itoa(connections))
		eventually(t, "all requests in flight", time.Minute, func() bool {
			n, _ := strconv.Atoi(strings.TrimSpace(ask(t, "http://"+up+"/waiting")))
			return n == connections
		})
		peak = g.residentBytes()
		instances = g.metric("gatehouse_filter_instances", "")
		ask(t, "http://"+up+"/release")
		var r loadResult
		client.read(&r)
		client.stop()
		if r.Requests != connections || r.Failures != 0 {
			t.Errorf("%d of %d failed, first: %s\n%s", r.Failures, r.Requests, r.First, g.log)
		}
		t.Logf("filters [%s]: %d requests in flight, resident %s before, %s with them, %.0f instances", filters, connections, mib(before), mib(peak), instances)
		return peak, instances
	}
	var without, with int64
	var instances float64
	t.Run("without filters", func(t *testing.T) { without, _ = run(t, "") })
	t.Run("with four filters", func(t *testing.T) { with, instances = run(t, "cors, per-ip, key, token") })
	// The default limit of an instance is 16 MiB; what is allowed on top is the
	// bound that the configuration promises.
	const memory = 16 << 20
	if bound := without + int64(instances)*memory; with > bound {
		t.Errorf("resident %s with filters, %s without: more than %.0f instances of %s may hold", mib(with), mib(without), instances, mib(memory))
	}
	// Four filters of at most max(4, 2 CPUs) instances each.
	if instances > 4*64 {
		t.Errorf("%.0f instances for four filters", instances)
	}
}
