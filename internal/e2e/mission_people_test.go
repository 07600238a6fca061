package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func missionPeople(t *testing.T, m *mission) {
	const path = "/v1/users"
	body := `{"email":"Grace@Example.com","username":"grace"}`
	made := m.send(t, "POST", path, m.admin, body, "Idempotency-Key", "k1")
	again := m.send(t, "POST", path, m.admin, body, "Idempotency-Key", "k1")
	if made.status != http.StatusCreated || again.status/100 != 2 || string(made.body) != string(again.body) {
		t.Errorf("with one key: %d %s, then %d %s", made.status, made.body, again.status, again.body)
	}
	m.want(t, http.StatusConflict, "POST", path, m.admin, `{"email":"grace@example.COM"}`)
	id := want[struct{ ID string }](t, made.status, http.StatusCreated, made.body).ID
	user := path + "/" + id
	etag := made.header.Get("ETag")
	if got := m.send(t, "GET", user, m.admin, "", "If-None-Match", etag); got.status != http.StatusNotModified {
		t.Errorf("If-None-Match: %d", got.status)
	}
	// The states and their transitions.
	patch := func(status int, text string) map[string]any {
		t.Helper()
		return m.want(t, status, "PATCH", user, m.admin, text, "Content-Type", "application/merge-patch+json")
	}
	if got := patch(http.StatusOK, `{"status":"active"}`); got["status"] != "active" {
		t.Errorf("%v", got)
	}
	patch(http.StatusOK, `{"status":"suspended"}`)
	patch(http.StatusOK, `{"status":"active","phone":"+442071838750"}`)
	patch(http.StatusConflict, `{"status":"pending"}`)
	m.want(t, http.StatusPreconditionFailed, "PATCH", user, m.admin, `{"username":"g"}`, "If-Match", etag)
	list := func(query string) []string {
		t.Helper()
		return names(m.want(t, http.StatusOK, "GET", path+"?"+query, m.admin, "")["items"], "email")
	}
	for query, wanted := range map[string]string{
		"email=GRA": "Grace@example.com", "status=active&username=grace": "Grace@example.com", "ids=" + id: "Grace@example.com",
		"sort=-email&limit=1": "Grace@example.com",
	} {
		if got := list(query); len(got) != 1 || got[0] != wanted {
			t.Errorf("%s: %v", query, got)
		}
	}
	// Deleted, gone for everyone, restored as it was.
	m.want(t, http.StatusNoContent, "DELETE", user, m.admin, "")
	m.want(t, http.StatusNotFound, "GET", user, m.admin, "")
	if got := list("status=deleted"); !slices.Contains(got, "Grace@example.com") {
		t.Errorf("deleted: %v", got)
	}
	m.want(t, http.StatusOK, "POST", user+"/restore", m.admin, "{}")
	if got := m.want(t, http.StatusOK, "GET", user, m.admin, ""); got["status"] != "active" || got["username"] != "grace" {
		t.Errorf("restored: %v", got)
	}
	// Nobody reads or changes somebody else's.
	m.want(t, http.StatusForbidden, "GET", user, m.token, "")
	m.want(t, http.StatusForbidden, "DELETE", user, m.token, "")
	// A new address has to be proven.
	if got := m.want(t, http.StatusForbidden, "PATCH", "/v1/me", m.token, `{"email":"other@example.com"}`); got["code"] != "email_flow" {
		t.Errorf("own address by PATCH: %v", got)
	}
	doc := m.want(t, http.StatusOK, "GET", "/v1/openapi.json", "", "")
	if version, _ := doc["openapi"].(string); !strings.HasPrefix(version, "3.1") {
		t.Errorf("openapi %v", doc["openapi"])
	}
}

func missionPreferences(t *testing.T, m *mission) {
	profile := m.want(t, http.StatusOK, "PATCH", "/v1/me/profile", m.token, `{"name":"Ada Lovelace","locale":"de","attributes":{"cost_centre":"1815"}}`)
	if attributes, _ := profile["attributes"].(map[string]any); attributes["cost_centre"] != "1815" {
		t.Errorf("profile %v", profile)
	}
	refused := m.want(t, http.StatusUnprocessableEntity, "PATCH", "/v1/me/profile", m.token, `{"attributes":{"cost_centre":"x","shoe":1}}`)
	pointers := names(refused["errors"], "pointer")
	if !slices.Contains(pointers, "/attributes/cost_centre") || len(pointers) < 2 {
		t.Errorf("violations at %v", pointers)
	}
	const ui = "/v1/me/preferences/ui"
	m.want(t, http.StatusNotFound, "GET", ui, m.token, "")
	m.want(t, http.StatusOK, "PUT", ui, m.token, `{"theme":"dark","size":{"font":12}}`)
	merged := m.want(t, http.StatusOK, "PATCH", ui, m.token, `{"theme":null,"size":{"line":2}}`)
	if size, _ := merged["size"].(map[string]any); merged["theme"] != nil || size["font"] != 12.0 || size["line"] != 2.0 {
		t.Errorf("merged: %v", merged)
	}
	m.want(t, http.StatusUnprocessableEntity, "PUT", "/v1/me/preferences/mail", m.token, `{"digest":"hourly"}`)
	m.want(t, http.StatusOK, "PUT", "/v1/users/"+m.adaID+"/preferences/mail", m.token, `{"digest":"daily"}`)
	if got := names(m.want(t, http.StatusOK, "GET", "/v1/me/preferences", m.token, "")["items"], "namespace"); !slices.Equal(got, []string{"mail", "ui"}) {
		t.Errorf("namespaces %v", got)
	}
	m.want(t, http.StatusNoContent, "DELETE", ui, m.token, "")
	m.want(t, http.StatusForbidden, "GET", "/v1/users/0190b8f0-0000-7000-8000-000000000000/preferences/ui", m.token, "")
}

func missionRoles(t *testing.T, m *mission) {
	m.want(t, http.StatusCreated, "POST", "/v1/roles", m.admin, `{"name":"writer","permissions":["articles:write"]}`)
	m.want(t, http.StatusCreated, "POST", "/v1/roles", m.admin, `{"name":"editor","permissions":["articles:publish","users:read"],"inherits":["writer"]}`)
	if got := m.want(t, http.StatusConflict, "PATCH", "/v1/roles/writer", m.admin, `{"inherits":["editor"]}`); !strings.Contains(got["detail"].(string), "writer") {
		t.Errorf("a cycle: %v", got)
	}
	m.want(t, http.StatusForbidden, "POST", "/v1/roles", m.token, `{"name":"mine","permissions":["users:write"]}`)
	ask := func(permission string) map[string]any {
		t.Helper()
		return m.want(t, http.StatusOK, "POST", "/v1/authorize", m.admin, `{"user_id":"`+m.adaID+`","permission":"`+permission+`"}`)
	}
	if got := ask("articles:write"); got["allowed"] != false || got["reason"] == "" {
		t.Errorf("before: %v", got)
	}
	granted := m.want(t, http.StatusOK, "PUT", "/v1/users/"+m.adaID+"/roles", m.admin, `{"roles":["editor"]}`)
	if got := names(granted["permissions"], ""); !slices.Equal(got, []string{"articles:publish", "articles:write", "users:read"}) {
		t.Errorf("effective: %v", got)
	}
	if got := ask("articles:write"); got["allowed"] != true || !slices.Contains(names(got["roles"], ""), "writer") && !slices.Contains(names(got["roles"], ""), "editor") {
		t.Errorf("after: %v", got)
	}
	// The next token carries roles and permissions, and the services obey.
	m.want(t, http.StatusForbidden, "GET", "/v1/users", m.token, "")
	m.refreshAda(t)
	claims := claimsOf(t, m.token)
	if !slices.Contains(names(claims["roles"], ""), "editor") || !slices.Contains(names(claims["permissions"], ""), "articles:write") {
		t.Errorf("claims %v", claims)
	}
	m.want(t, http.StatusOK, "GET", "/v1/users", m.token, "")
	m.want(t, http.StatusForbidden, "POST", "/v1/users", m.token, `{"email":"x@example.com"}`)
	// What a role loses is gone within moments, without a new sign-in.
	old := m.token
	m.want(t, http.StatusOK, "PUT", "/v1/users/"+m.adaID+"/roles", m.admin, `{"roles":[]}`)
	await(t, waitRevoked, "the old rights end", func() error {
		return expectStatus(t, http.MethodGet, m.issuer+"/v1/users", old, http.StatusUnauthorized)
	})
	m.refreshAda(t)
	m.want(t, http.StatusForbidden, "GET", "/v1/users", m.token, "")
	m.awaitSubject(t, m.ada.email, "role", "Rolle")
	// What is built in stays.
	for _, method := range []string{"PATCH", "DELETE"} {
		if got := m.send(t, method, "/v1/roles/admin", m.admin, `{"permissions":[]}`); got.status/100 != 4 {
			t.Errorf("%s of the role admin: %d %s", method, got.status, got.body)
		}
	}
	known := names(m.want(t, http.StatusOK, "GET", "/v1/permissions?limit=200", m.admin, "")["items"], "name")
	if !slices.Contains(known, "articles:write") || !slices.Contains(known, "users:read") {
		t.Errorf("permissions %v", known)
	}
}
