package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/identity"
)

// TestClientPatch changes what it names, for whoever could have made the client
// so.
func TestClientPatch(t *testing.T) {
	s := start(t)
	c := s.publicClient()
	path := "/v1/clients/" + c.ClientID
	var view struct {
		Name         string   `json:"name"`
		RedirectURIs []string `json:"redirect_uris"`
		Scopes       []string `json:"scopes"`
		ClientSecret string   `json:"client_secret"`
	}
	got := s.request(operator(), "PATCH", path, `{"name":"shop","redirect_uris":["https://shop.example/cb"]}`, "Content-Type", "application/merge-patch+json", "If-Match", `"1"`).want(t, 200)
	got.into(t, &view)
	if view.Name != "shop" || len(view.RedirectURIs) != 1 || view.RedirectURIs[0] != "https://shop.example/cb" || len(view.Scopes) != 5 || view.ClientSecret != "" || got.Header.Get("ETag") != `"2"` {
		t.Errorf("changed: %s", got.body)
	}
	if read := s.call(operator(), "GET", path, "").want(t, 200); read.body != got.body || read.Header.Get("ETag") != `"2"` {
		t.Errorf("read: %s\nwritten: %s", read.body, got.body)
	}
	if r := s.records("client.updated"); len(r) != 1 || r[0].Subject != c.ClientID || r[0].Details["changed"] != "name redirect_uris" || r[0].Actor != "bootstrap" {
		t.Errorf("records: %+v", r)
	}
	s.call(operator(), "PATCH", path, `{}`).want(t, 200)
	s.request(operator(), "PATCH", path, `{"name":"x"}`, "If-Match", `"1"`).want(t, 412)
	s.request(operator(), "DELETE", path, "", "If-Match", `"1"`).want(t, 412)
	s.call(operator(), "PATCH", "/v1/clients/none", `{"name":"x"}`).want(t, 404)
	s.call(operator(), "PATCH", "/v1/clients/bootstrap", `{"name":"x"}`).want(t, 404)
	reader := identity.Principal{Kind: identity.KindClient, Subject: "r", ClientID: "r", Scopes: []string{"clients:read"}}
	s.call(reader, "GET", path, "").want(t, 200)
	s.call(reader, "PATCH", path, `{"name":"x"}`).want(t, 403)
	s.call(reader, "POST", path+"/rotate", "").want(t, 403)
	for body, pointer := range map[string]string{
		`{"name":null}`: "/name", `{"redirect_uris":["javascript:x"]}`: "/redirect_uris/0", `{"redirect_uris":null}`: "/redirect_uris",
		`{"type":"confidential"}`: "/type", `{"token_endpoint_auth_method":"client_secret_basic"}`: "/token_endpoint_auth_method",
		`{"client_id":"x"}`: "/client_id", `{"scopes":"x"}`: "/scopes", `{"scopes":["admin"]}`: "/scopes/0", `{"admin":true}`: "/admin",
		`{"grant_types":["password"]}`: "/grant_types/0", `[]`: "",
	} {
		if got := s.call(operator(), "PATCH", path, body).want(t, 422); !strings.Contains(got.body, `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %s", body, got.body)
		}
	}
	s.request(operator(), "PATCH", path, `{"name":"`+strings.Repeat("x", 10<<20)+`"}`).want(t, 413)
	if n := len(s.records("client.updated")); n != 1 {
		t.Errorf("%d records", n)
	}

	// Of a client that may do more, a lesser caller can neither change anything
	// nor get the secret.
	strong := s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":["users:write"],"admin":true}`)
	lesser := identity.Principal{Kind: identity.KindClient, Subject: "l", ClientID: "l", Scopes: []string{"clients:write"}}
	s.call(lesser, "PATCH", "/v1/clients/"+strong.ClientID, `{"name":"x"}`).want(t, 403)
	s.call(lesser, "POST", "/v1/clients/"+strong.ClientID+"/rotate", "").want(t, 403)
	lesser.Scopes = append(lesser.Scopes, "users:read")
	s.call(lesser, "PATCH", path, `{"name":"x"}`).want(t, 200)
}

// TestClientSecretRotation walks a client from secret to secret.
func TestClientSecretRotation(t *testing.T) {
	s := start(t)
	first := s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read"]}`)
	path := "/v1/clients/" + first.ClientID + "/rotate"
	works := func(secret string) bool {
		t.Helper()
		got := s.browser().post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(first.ClientID, secret))
		if got.StatusCode != http.StatusOK && got.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%d: %s", got.StatusCode, got.body)
		}
		return got.StatusCode == http.StatusOK
	}
	var second, third, last registered
	check := func(step string, want ...bool) {
		t.Helper()
		for i, c := range []registered{first, second, third, last} {
			if c.ClientSecret != "" && works(c.ClientSecret) != want[i] {
				t.Errorf("%s: secret %d works: %v", step, i+1, !want[i])
			}
		}
	}
	s.call(operator(), "POST", path, `{"overlap_seconds":3600}`).want(t, 200).into(t, &second)
	check("with overlap", true, true)
	s.call(operator(), "POST", path, `{"overlap_seconds":7200}`).want(t, 200).into(t, &third)
	check("again", false, true, true)
	s.advance(3 * time.Hour)
	check("after the overlap", false, false, true)
	s.call(operator(), "POST", path, "").want(t, 200).into(t, &last)
	check("without overlap", false, false, false, true)

	keys := make([]registered, 8)
	simultaneously(len(keys), func(i int) {
		s.call(operator(), "POST", path, `{"overlap_seconds":60}`).want(t, 200).into(t, &keys[i])
	})
	working := 0
	for _, k := range append(keys, last) {
		if works(k.ClientSecret) {
			working++
		}
	}
	if working != 2 {
		t.Errorf("%d secrets work after rotations at once, want two", working)
	}
	version := s.call(operator(), "GET", "/v1/clients/"+first.ClientID, "").Header.Get("ETag")
	var mu sync.Mutex
	statuses := map[int]int{}
	simultaneously(8, func(int) {
		got := s.request(operator(), "POST", path, "", "If-Match", version)
		mu.Lock()
		defer mu.Unlock()
		statuses[got.StatusCode]++
	})
	if diff := cmp.Diff(map[int]int{200: 1, 412: 7}, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if r := s.records("client.secret_rotated"); len(r) != 12 || r[0].Actor != "bootstrap" || r[0].Details["overlap"] != "1h0m0s" {
		t.Errorf("%d records, the first %+v", len(r), r[0])
	}
	if leaked := s.column(`SELECT id::text FROM audit_log a WHERE to_jsonb(a)::text LIKE '%' || $1 || '%'`, last.ClientSecret); len(leaked) > 0 {
		t.Error("the audit log holds a secret")
	}
	for body, status := range map[string]int{`{"overlap_seconds":-1}`: 422, `{"overlap_seconds":604801}`: 422, `{"x":1}`: 422, `{`: 400, `null `: 200} {
		s.call(operator(), "POST", path, body).want(t, status)
	}
	s.call(operator(), "POST", "/v1/clients/"+s.publicClient().ClientID+"/rotate", "").want(t, 409)
	s.call(operator(), "POST", "/v1/clients/none/rotate", "").want(t, 404)
}
