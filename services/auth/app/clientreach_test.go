package app_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse.example/internal/identity"
)

// TestClientsOfTheStronger: who may manage clients gets by it no client that may
// do more, neither a new one nor one that is there.
func TestClientsOfTheStronger(t *testing.T) {
	s := start(t)
	ada, _ := s.person("ada@example.com")
	person := user(ada.ID, "clients:write", "users:read", "openid")
	person.Permissions = []string{"clients:write", "users:read"}
	admin := user(ada.ID, "clients:write")
	admin.Roles = []string{"admin"}
	machine := identity.Principal{Kind: identity.KindClient, Subject: "l", ClientID: "l", Scopes: []string{"clients:write", "users:read"}}

	const code = `"redirect_uris":["` + callback + `"],"grant_types":["authorization_code"]`
	clients := map[string]string{
		"strong for people": `{"name":"x","type":"public",` + code + `,"scopes":["openid","users:write"]}`,
		"operator's own":    `{"name":"x","type":"public",` + code + `,"scopes":["openid"],"first_party":true}`,
		"administrator's":   `{"name":"x","type":"confidential","grant_types":["client_credentials"],"scopes":[],"admin":true}`,
		"made permission":   `{"name":"x","type":"confidential",` + code + `,"scopes":["orders:read"]}`,
		"wildcard":          `{"name":"x","type":"confidential",` + code + `,"scopes":["users:*"]}`,
		"strong for itself": `{"name":"x","type":"confidential","grant_types":["client_credentials"],"scopes":["roles:write"]}`,
		"weak":              `{"name":"x","type":"confidential",` + code + `,"scopes":["openid","shop","users:read"]}`,
	}
	for who, caller := range map[string]identity.Principal{"person": person, "client": machine} {
		for name, body := range clients {
			want := map[bool][5]int{false: {422, 403, 403, 403, 403}, true: {201, 200, 200, 200, 204}}[name == "weak"]
			made := s.register(body)
			path := "/v1/clients/" + made.ClientID
			for i, call := range [][3]string{
				{"POST", "/v1/clients", body},
				{"PATCH", path, `{"name":"y"}`},
				{"PATCH", path, `{"name":"z","redirect_uris":["https://thief.example/cb"]}`},
				{"POST", path + "/rotate", ""},
				{"DELETE", path, ""},
			} {
				if got := s.call(caller, call[0], call[1], call[2]); got.StatusCode != want[i] {
					t.Errorf("%s, client %s: %s %s: %d, want %d: %s", who, name, call[0], call[2], got.StatusCode, want[i], got.body)
				}
			}
		}
		mine := "/v1/clients/" + s.register(clients["weak"]).ClientID
		for body, pointer := range map[string]string{
			`{"scopes":["openid","users:write"]}`: "/scopes/1", `{"scopes":["orders:read"]}`: "/scopes/0", `{"first_party":true}`: "/first_party",
			`{"grant_types":["client_credentials"],"admin":true}`: "/admin",
		} {
			if got := s.call(caller, "PATCH", mine, body).want(t, 422); !strings.Contains(got.body, `"pointer":"`+pointer+`"`) {
				t.Errorf("%s: %s: %s", who, body, got.body)
			}
		}
	}
	for name, body := range clients {
		var made registered
		s.call(admin, "POST", "/v1/clients", body).want(t, 201).into(t, &made)
		s.call(admin, "PATCH", "/v1/clients/"+made.ClientID, `{"name":"`+name+`"}`).want(t, 200)
		s.call(admin, "DELETE", "/v1/clients/"+made.ClientID, "").want(t, 204)
	}
}

// TestDefaultScopes are no more than the caller may give.
func TestDefaultScopes(t *testing.T) {
	s := start(t)
	lesser := identity.Principal{Kind: identity.KindClient, Subject: "l", ClientID: "l", Scopes: []string{"clients:write"}}
	reader := identity.Principal{Kind: identity.KindClient, Subject: "r", ClientID: "r", Scopes: []string{"clients:write", "users:read"}}
	for _, row := range []struct {
		caller identity.Principal
		more   []string
	}{{operator(), []string{"users:read", "users:write"}}, {reader, []string{"users:read"}}, {lesser, nil}} {
		var view struct {
			Scopes []string `json:"scopes"`
		}
		s.call(row.caller, "POST", "/v1/clients", `{"name":"x","type":"public","redirect_uris":["`+callback+`"]}`).want(t, 201).into(t, &view)
		if want := append([]string{"openid", "profile", "email", "offline_access"}, row.more...); !slices.Equal(view.Scopes, want) {
			t.Errorf("%s gives %v, want %v", row.caller.Subject, view.Scopes, want)
		}
	}
}

// TestKeyMakesNoClientSecret: what a leaked key may do ends with it.
func TestKeyMakesNoClientSecret(t *testing.T) {
	s := start(t)
	ada, _ := s.person("ada@example.com")
	admin := user(ada.ID, "clients:write", "openid")
	admin.Roles, admin.Permissions = []string{"admin"}, []string{"clients:write"}
	const body = `{"name":"x","type":"confidential","redirect_uris":["` + callback + `"],"scopes":["openid"]}`
	path := "/v1/clients/" + s.register(body).ClientID
	k := s.key(admin, `{"name":"x","scopes":["clients:write","openid"]}`)
	named, alone := admin, admin
	named.TokenID = k.ID
	alone.TokenID, alone.RevocationID = "01890000-0000-7000-8000-000000000009", "x#y" // gone meanwhile
	for _, key := range []identity.Principal{named, alone} {
		for _, call := range [][2]string{{"/v1/clients", body}, {path + "/rotate", ""}} {
			if got := s.call(key, "POST", call[0], call[1]).want(t, 403); !strings.Contains(got.body, "token_required") {
				t.Errorf("%s: %s", call[0], got.body)
			}
		}
		s.call(key, "PATCH", path, `{"post_logout_redirect_uris":["https://a.example/"]}`).want(t, 200)
		s.call(key, "PATCH", path, `{"post_logout_redirect_uris":[]}`).want(t, 200)
		// The role of the owner does not count for a key.
		s.call(key, "PATCH", path, `{"scopes":["openid","users:write"]}`).want(t, 422)
		s.call(key, "PATCH", path, `{"grant_types":["client_credentials"],"admin":true}`).want(t, 422)
		s.call(key, "POST", "/v1/api-keys", `{"name":"x","scopes":["openid"]}`).want(t, 403)
	}
	s.call(admin, "POST", path+"/rotate", "").want(t, 200)
}

// TestClientUpdatedRecord tells where tokens may go now and what they allow.
func TestClientUpdatedRecord(t *testing.T) {
	s := start(t)
	c := s.register(`{"name":"x","type":"confidential","redirect_uris":["https://a.example/cb","https://b.example/cb"],
		"grant_types":["authorization_code","client_credentials"],"scopes":["openid","users:read"]}`)
	path := "/v1/clients/" + c.ClientID
	s.call(operator(), "PATCH", path, `{"redirect_uris":["https://b.example/cb","https://c.example/cb"],"scopes":["openid","users:write"],"admin":true,"first_party":true}`).want(t, 200)
	s.call(operator(), "PATCH", path, `{"admin":false}`).want(t, 200)
	long := strings.Repeat("x", 1800)
	s.call(operator(), "PATCH", path, `{"redirect_uris":["https://b.example/`+long+`"]}`).want(t, 200)
	records := s.records("client.updated")
	if len(records) != 3 {
		t.Fatalf("records: %+v", records)
	}
	for name, want := range map[string]string{
		"redirect_uris_added": "https://c.example/cb", "redirect_uris_removed": "https://a.example/cb", "scopes_added": "users:write", "scopes_removed": "users:read",
		"admin": "false to true", "first_party": "false to true", "scopes": "openid users:write", "changed": "admin first_party redirect_uris scopes",
	} {
		if got := records[0].Details[name]; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if d := records[1].Details; len(d) != 2 || d["changed"] != "admin" || d["admin"] != "true to false" {
		t.Errorf("admin taken: %v", d)
	}
	if d := records[2].Details; len(d["redirect_uris_added"]) > 600 || !strings.HasSuffix(d["redirect_uris_added"], "x… (1 in all)") || d["redirect_uris_removed"] == "" {
		t.Errorf("a long one: %v", d)
	}
}
