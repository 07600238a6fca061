package app_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestSlowClientsHoldNoInstance lets clients that never send the rest of a body
// wait, while others pass the filter's only instance; and shows that a client
// that breaks off traps nobody.
func TestSlowClientsHoldNoInstance(t *testing.T) {
	g := startWasm(t, wasmRoutes(upstream(t, echo), "one",
		`module: "file:`+wild(t, "rewrite")+`", grants: [body], limits: {instances: 1, queue_timeout: 500ms}`))
	var slow []net.Conn
	for range 8 {
		c, err := net.Dial("tcp", g.Addresses().HTTP)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST /one/ HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n"+strings.Repeat("x", 10_000)); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	eventually(t, "slow requests", func() bool { return g.metric("gatehouse_gateway_requests_in_flight", nil) == 8 })
	for range 5 {
		if got := g.do("POST", "/one/", "quick"); got.StatusCode != 200 || got.body != "quick" {
			t.Fatalf("%d %s\n%s", got.StatusCode, got.body, errorLines(g))
		}
	}
	for _, c := range slow {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_ = c.(*net.TCPConn).CloseWrite()
	}
	eventually(t, "end of slow requests", func() bool { return g.metric("gatehouse_gateway_requests_in_flight", nil) == 0 })
	if strings.Contains(g.log.String(), "filter trapped") {
		t.Error(errorLines(g))
	}
}
