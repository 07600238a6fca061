package app_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse.example/gateway/app"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
)

func TestServiceUpstream(t *testing.T) {
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "ca-key.pem"), "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issue := func(name string) *mtls.Bundle {
		b, err := authority.IssueService(name, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	own, user := issue("gateway"), issue("user")
	verifier := identity.NewVerifier(user.Roots, "test", "gatehouse", time.Now)
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _ := mtls.PeerID(r.TLS)
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.URL.Path == "/readyz" {
			return
		}
		p, err := verifier.Verify(token)
		fmt.Fprintf(w, "%s %s %v %v %s", peer, p.Subject, p.Scopes, err, r.Header.Get("Cookie"))
	}))
	service.TLS = user.ServerTLS()
	service.StartTLS()
	defer service.Close()
	g := start(t, `filters: {token: {module: "builtin:token", grants: [jwt]}}
upstreams: {user: {targets: ["service:user"]}}
routes: [{name: u, match: {path: "/v1/*"}, filters: [token], upstream: user}]
`, func(o *app.Options) {
		o.Bundle = own
		o.Resolve = func(name string) (string, bool) { return service.Listener.Addr().String(), name == "user" }
	})
	got := g.do("GET", "/v1/x", "", "Authorization", "Bearer ada users:read", "Cookie", "gatehouse_session=1")
	if want := "spiffe://test/service/gateway ada [users:read] <nil> gatehouse_session=1"; got.body != want {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	// Another issuer's principal may pass the route; our service does not see it.
	if got := g.do("GET", "/v1/x", "", "Authorization", "Bearer stranger users:read"); got.StatusCode != http.StatusForbidden || !strings.Contains(got.body, "foreign_principal") {
		t.Errorf("another issuer's principal: %d %s", got.StatusCode, got.body)
	}
	eventually(t, "readiness", func() bool { return g.do("GET", "/readyz", "").StatusCode == 200 })
	service.CloseClientConnections()
	service.Close()
	eventually(t, "unreadiness", func() bool { return g.do("GET", "/readyz", "").StatusCode == 503 })
}

func TestTLS(t *testing.T) {
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "ca-key.pem"), "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.IssueServer([]string{"localhost", "127.0.0.1"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := authority.IssueService("x", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	proto := make(chan string, 1)
	gone := make(chan struct{})
	target := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			close(gone)
			return
		}
		proto <- r.Header.Get("X-Forwarded-Proto")
	})
	g := start(t, `upstreams: {u: {targets: ["`+target+`"]}}
routes: [{name: x, match: {path: "/*"}, upstream: u}]
`, func(o *app.Options) { o.DevCertificate, o.ListenTLS = &cert, "127.0.0.1:0" })
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: bundle.Roots}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + g.Addresses().HTTPS + "/x")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := <-proto; got != "https" {
		t.Errorf("proto %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+g.Addresses().HTTPS+"/hang", nil)
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("no timeout")
	}
	select {
	case <-gone:
	case <-time.After(3 * time.Second):
		t.Error("the hang-up did not reach the upstream")
	}
}
