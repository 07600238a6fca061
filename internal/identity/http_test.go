package identity_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
)

type seen struct {
	Peer    string        `json:"peer"`
	Kind    identity.Kind `json:"kind"`
	Subject string        `json:"subject"`
}

// echo answers who the request came from and who acts.
func echo(w http.ResponseWriter, r *http.Request) {
	p := identity.PrincipalFrom(r.Context())
	_ = json.NewEncoder(w).Encode(seen{identity.Peer(r.Context()), p.Kind, p.Subject})
}

// call asks a real server with mutual TLS, as the service of b.
func call(t *testing.T, address string, b *mtls.Bundle, authorization ...string) (status int, answer seen, header http.Header) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: b.ClientTLS("user")}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != nil {
		request.Header["Authorization"] = authorization
	}
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatal(err)
		}
	} else if response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d answers %q", response.StatusCode, body)
	}
	return response.StatusCode, answer, response.Header
}

func serve(t *testing.T, config *tls.Config, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestAuthenticate(t *testing.T) {
	a := authority(t, domain)
	user, gateway, email := bundle(t, a, "user", time.Hour), bundle(t, a, "gateway", time.Hour), bundle(t, a, "email", time.Hour)
	address := serve(t, user.ServerTLS(), identity.Authenticate(verifier(a, nil))(http.HandlerFunc(echo)))
	token := mint(t, gateway, person, nil)
	own, err := identity.NewMinter(email, nil).MintService(identity.Audience)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		as            *mtls.Bundle
		authorization []string
		status        int
		want          seen
	}{
		"user through the gateway":       {gateway, []string{"Bearer " + token}, 200, seen{"gateway", identity.KindUser, person.Subject}},
		"scheme in lower case":           {gateway, []string{"bearer " + token}, 200, seen{"gateway", identity.KindUser, person.Subject}},
		"nobody":                         {gateway, nil, 200, seen{"gateway", identity.KindNobody, ""}},
		"service in its own name":        {email, []string{"Bearer " + own}, 200, seen{"email", identity.KindService, "email"}},
		"another service's own token":    {gateway, []string{"Bearer " + own}, 401, seen{}},
		"user's token, handed on":        {email, []string{"Bearer " + token}, 200, seen{"email", identity.KindUser, person.Subject}},
		"bad token":                      {gateway, []string{"Bearer " + token + "x"}, 401, seen{}},
		"empty":                          {gateway, []string{""}, 401, seen{}},
		"empty bearer":                   {gateway, []string{"Bearer "}, 401, seen{}},
		"basic":                          {gateway, []string{"Basic YTpi"}, 401, seen{}},
		"two headers":                    {gateway, []string{"Bearer " + token, "Bearer " + token}, 401, seen{}},
		"token with something behind it": {gateway, []string{"Bearer " + token + " x"}, 401, seen{}},
	} {
		t.Run(name, func(t *testing.T) {
			status, got, header := call(t, address, test.as, test.authorization...)
			if status != test.status || got != test.want {
				t.Errorf("got %d %+v, want %d %+v", status, got, test.status, test.want)
			}
			if (status == 401) != (header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate %q", header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestAllow(t *testing.T) {
	a := authority(t, domain)
	user := bundle(t, a, "user", time.Hour)
	table := identity.DefaultTable()
	mux := http.NewServeMux()
	operations := []string{"edge", "health", "auth.jwks", "auth.challenges.link", "auth.api_keys.verify",
		"user.accounts.create", "user.accounts.lookup", "user.accounts.update", "made.up"}
	for _, operation := range operations {
		mux.Handle("/"+operation, identity.Allow(table, operation, http.HandlerFunc(echo)))
	}
	address := serve(t, user.ServerTLS(), identity.Authenticate(verifier(a, nil))(mux))
	allowed := map[string][]string{
		"gateway":  {"edge", "health", "auth.jwks", "auth.api_keys.verify"},
		"auth":     {"health", "user.accounts.create", "user.accounts.lookup", "user.accounts.update"},
		"user":     {"health", "auth.jwks"},
		"email":    {"health", "auth.jwks", "auth.challenges.link", "user.accounts.lookup"},
		"graph":    {"edge", "health"},
		"stranger": {"health"},
	}
	for service, may := range allowed {
		b := bundle(t, a, service, time.Hour)
		for _, operation := range operations {
			want := http.StatusForbidden
			for _, name := range may {
				if name == operation {
					want = http.StatusOK
				}
			}
			if status, _, _ := call(t, address+"/"+operation, b); status != want {
				t.Errorf("%s calls %s: %d, want %d", service, operation, status, want)
			}
		}
	}
	// Without mutual TLS nobody is the peer.
	for _, operation := range operations {
		w := httptest.NewRecorder()
		identity.Authenticate(verifier(a, nil))(mux).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+operation, nil))
		if want := map[bool]int{true: 200, false: 403}[operation == "health"]; w.Code != want {
			t.Errorf("a peer without a name calls %s: %d, want %d", operation, w.Code, want)
		}
	}
	if (identity.Table{"x": {""}}).Permits("x", "") {
		t.Error("an empty name in the table lets everybody in")
	}
}

func TestRequire(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	client := identity.Principal{Kind: identity.KindClient, Subject: "app", Scopes: []string{"users:read"}}
	for name, test := range map[string]struct {
		handler http.Handler
		p       identity.Principal
		want    int
	}{
		"authenticated, nobody": {identity.RequireAuthenticated(ok), identity.Principal{}, 401},
		"authenticated, client": {identity.RequireAuthenticated(ok), client, 204},
		"user, nobody":          {identity.RequireUser(ok), identity.Principal{}, 401},
		"user, client":          {identity.RequireUser(ok), client, 403},
		"user, user":            {identity.RequireUser(ok), person, 204},
		"scope, nobody":         {identity.RequireScope("users:read", ok), identity.Principal{Scopes: []string{"users:read"}}, 401},
		"scope, client":         {identity.RequireScope("users:read", ok), client, 204},
		"other scope, client":   {identity.RequireScope("users:write", ok), client, 403},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			test.handler.ServeHTTP(w, r.WithContext(identity.WithPrincipal(r.Context(), test.p)))
			if w.Code != test.want {
				t.Errorf("got %d, want %d", w.Code, test.want)
			}
		})
	}
}
