package proxy

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
)

// Filters run behind the edge: what it removes from the client's request they
// could put back.
func TestFiltersCannotClaimAnIdentity(t *testing.T) {
	never := []string{"X-Gatehouse-User", "x_gatehouse_user", "X-GATEHOUSE", "X-Forwarded-For", "x_forwarded_for", "X-Forwarded_Proto", "Forwarded"}
	others := []string{"X-User-Id", "x_user", "X-Roles", "Client-Cert", "client_cert", "Remote-User"}
	always := []string{"X-Tenant", "Accept", "X-Gate", "X-For"}
	for _, row := range []struct {
		name   string
		target config.Target
		want   []string
	}{
		{"service", config.Target{Service: "user"}, always},
		{"any other", config.Target{Address: "127.0.0.1:1"}, append(append([]string(nil), others...), always...)},
	} {
		t.Run(row.name, func(t *testing.T) {
			u := &Upstream{config: config.Upstream{Name: "u", Targets: []config.Target{row.target}}}
			var ex exchange.Exchange
			for _, h := range []*exchange.Header{&ex.Request.Header, &ex.Request.Trailer} {
				for _, name := range append(append(append([]string(nil), never...), others...), always...) {
					h.Add(name, "root")
				}
			}
			if _, err := u.prepare(&ex); err != nil {
				t.Fatal(err)
			}
			want := strings.Join(row.want, ", ")
			if diff := cmp.Diff(want, ex.Request.Header.Names()); diff != "" {
				t.Errorf("header: %s", diff)
			}
			if diff := cmp.Diff(want, ex.Request.Trailer.Names()); diff != "" {
				t.Errorf("trailer: %s", diff)
			}
		})
	}
}

// An upstream's head is small in fields, too: filters look at each.
func TestUpstreamSendsTooManyFields(t *testing.T) {
	for count, want := range map[int]error{exchange.MaxFields - 1: nil, exchange.MaxFields: ErrAnswer} {
		url, _ := script(t, say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+strings.Repeat("a:\r\n", count)+"\r\n"))
		if _, _, err := forward(newUpstream(t, nil, url), "GET", "", 0); !errors.Is(err, want) {
			t.Errorf("%d fields and one: %v", count, err)
		}
	}
}
