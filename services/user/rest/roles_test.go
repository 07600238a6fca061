package rest_test

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
)

func TestRoleDefinitions(t *testing.T) {
	f := setUp(t)
	made := f.call(t, "admin", "POST", "/v1/roles", `{"name":"editor","description":" Writes ","permissions":["articles:write","articles:read","articles:read"]}`)
	body := made.want(t, 201)
	if made.header.Get("Location") != "/v1/roles/editor" || made.header.Get("ETag") != `"1"` {
		t.Errorf("header = %v", made.header)
	}
	mustTime(t, body["created_at"])
	want := map[string]any{
		"name": "editor", "description": "Writes", "permissions": []any{"articles:read", "articles:write"}, "inherits": []any{},
		"builtin": false, "created_at": body["created_at"], "updated_at": body["updated_at"],
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("role:\n%s", diff)
	}
	if diff := cmp.Diff(want, f.call(t, "admin", "GET", "/v1/roles/editor", "").want(t, 200)); diff != "" {
		t.Errorf("read:\n%s", diff)
	}
	f.call(t, "admin", "POST", "/v1/roles", `{"name":"editor"}`).problem(t, 409, "role_taken")
	f.call(t, "admin", "POST", "/v1/roles", `{"name":"chief","inherits":["editor"],"permissions":["staff:*"]}`).want(t, 201)

	patched := f.call(t, "admin", "PATCH", "/v1/roles/editor", `{"permissions":["articles:read"],"description":null,"name":"editor"}`, "If-Match", `"1"`)
	body = patched.want(t, 200)
	if diff := cmp.Diff([]any{"articles:read"}, body["permissions"]); diff != "" || body["description"] != "" || patched.header.Get("ETag") != `"2"` {
		t.Errorf("patched: %v", body)
	}
	f.call(t, "admin", "PATCH", "/v1/roles/editor", `{"description":"x"}`, "If-Match", `"1"`).problem(t, 412, "precondition_failed")
	f.call(t, "admin", "DELETE", "/v1/roles/editor?force=true", "", "If-Match", `"1"`).problem(t, 412, "precondition_failed")
	if got := f.call(t, "admin", "PATCH", "/v1/roles/editor", `{"name":"other","builtin":true,"created_at":"2020-01-01T00:00:00Z"}`).problem(t, 422, "invalid"); !slices.Equal(got, []string{"/name", "/builtin", "/created_at"}) {
		t.Errorf("pointers = %v", got)
	}
	cycle := f.call(t, "admin", "PATCH", "/v1/roles/editor", `{"inherits":["chief"]}`)
	cycle.problem(t, 409, "role_cycle")
	if !strings.Contains(string(cycle.body), "editor → chief → editor") {
		t.Errorf("the way round is not told: %s", cycle.body)
	}
	f.call(t, "admin", "PATCH", "/v1/roles/editor", `{"inherits":["editor"]}`).problem(t, 409, "role_cycle")
	if got := f.call(t, "admin", "PATCH", "/v1/roles/editor", `{"inherits":["user","nobody"]}`).problem(t, 422, "invalid"); !slices.Equal(got, []string{"/inherits/1"}) {
		t.Errorf("pointers = %v", got)
	}
	inUse := f.call(t, "admin", "DELETE", "/v1/roles/editor", "")
	inUse.problem(t, 409, "in_use")
	f.call(t, "admin", "DELETE", "/v1/roles/editor?force=true", "").want(t, 204)
	f.call(t, "admin", "GET", "/v1/roles/editor", "").problem(t, 404, "role_not_found")
	chief := f.call(t, "admin", "GET", "/v1/roles/chief", "").want(t, 200)
	if diff := cmp.Diff([]any{}, chief["inherits"]); diff != "" {
		t.Errorf("the heir:\n%s", diff)
	}
	null := f.call(t, "admin", "PATCH", "/v1/roles/chief", `{"permissions":null,"inherits":null}`).want(t, 200)
	if diff := cmp.Diff([]any{}, null["permissions"]); diff != "" {
		t.Errorf("null:\n%s", diff)
	}
}

func TestBuiltinRolesStay(t *testing.T) {
	f := setUp(t)
	for _, name := range []string{rbac.RoleAdmin, rbac.RoleUser} {
		f.call(t, "client", "PATCH", "/v1/roles/"+name, `{"permissions":["a:b"]}`).problem(t, 409, "builtin")
		f.call(t, "client", "PATCH", "/v1/roles/"+name, `{"description":"x"}`).problem(t, 409, "builtin")
		f.call(t, "client", "DELETE", "/v1/roles/"+name+"?force=true", "").problem(t, 409, "builtin")
		f.call(t, "client", "POST", "/v1/roles", `{"name":"`+name+`"}`).problem(t, 409, "role_taken")
		f.call(t, "client", "PATCH", "/v1/roles/"+name, `{}`).want(t, 200)
	}
	if got := f.call(t, "client", "POST", "/v1/roles", `{"name":"super","inherits":["user","admin"]}`).problem(t, 422, "invalid"); !slices.Equal(got, []string{"/inherits/1"}) {
		t.Errorf("pointers = %v", got)
	}
}

func TestPermissionDefinitions(t *testing.T) {
	f := setUp(t)
	f.call(t, "admin", "POST", "/v1/permissions", `{"name":"articles:read","description":"Read articles."}`).want(t, 201)
	f.call(t, "admin", "POST", "/v1/permissions", `{"name":"articles:read"}`).problem(t, 409, "permission_taken")
	f.call(t, "admin", "POST", "/v1/permissions", `{"name":"users:read"}`).problem(t, 409, "permission_taken")
	f.call(t, "admin", "POST", "/v1/roles", `{"name":"editor","permissions":["articles:write","articles:*","users:read"]}`).want(t, 201)
	var names []string
	path := "/v1/permissions?limit=4"
	for next := any(""); next != nil; path = fmt.Sprint("/v1/permissions?limit=4&cursor=", next) {
		page := f.call(t, "admin", "GET", path, "").want(t, 200)
		for _, item := range page["items"].([]any) {
			p := item.(map[string]any)
			names = append(names, p["name"].(string))
			if p["builtin"] != rbac.IsBuiltin(p["name"].(string)) || (p["builtin"] == true && p["description"] == "") {
				t.Errorf("permission %v", p)
			}
		}
		next = page["next_cursor"]
	}
	want := slices.Sorted(slices.Values(append(rbac.All(), "articles:read", "articles:write")))
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("permissions:\n%s", diff)
	}
	f.call(t, "admin", "DELETE", "/v1/permissions/articles:write", "").problem(t, 409, "in_use")
	f.call(t, "admin", "DELETE", "/v1/permissions/users:read", "").problem(t, 409, "builtin")
	f.call(t, "admin", "DELETE", "/v1/permissions/articles:read", "").want(t, 204)
	for _, name := range []string{"articles:read", "articles:*", "articles", "%00", "%ff", "A:b"} {
		f.call(t, "admin", "DELETE", "/v1/permissions/"+name, "").problem(t, 404, "permission_not_found")
	}
}

func TestRoleList(t *testing.T) {
	f := setUp(t)
	want := []string{"admin"}
	for i := range 5 {
		want = append(want, fmt.Sprintf("r%d", i))
		f.call(t, "client", "POST", "/v1/roles", fmt.Sprintf(`{"name":"r%d"}`, i)).want(t, 201)
	}
	want = append(want, "user")
	var names []string
	path := "/v1/roles?limit=3"
	for {
		page := f.call(t, "client", "GET", path, "").want(t, 200)
		for _, item := range page["items"].([]any) {
			names = append(names, item.(map[string]any)["name"].(string))
		}
		next, ok := page["next_cursor"].(string)
		if !ok {
			break
		}
		path = "/v1/roles?limit=3&cursor=" + next
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("roles:\n%s", diff)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "cursor=%00", "cursor=!!", "cursor=AAAA", "sort=name"} {
		for _, list := range []string{"/v1/roles?", "/v1/permissions?"} {
			name, _, _ := strings.Cut(query, "=")
			if got := f.call(t, "client", "GET", list+query, "").problem(t, 400, "invalid_parameter"); !slices.Equal(got, []string{"query " + name}) {
				t.Errorf("%s%s: %v", list, query, got)
			}
		}
	}
}

// TestRoleAccess: reading needs roles:read, writing roles:write, by scope and,
// for a person, by a role that has it now.
func TestRoleAccess(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada", "roles:read", "roles:write")
	f.callers["roles-reader"] = identity.Principal{Kind: identity.KindClient, Subject: "c3", Scopes: []string{"roles:read"}}
	f.callers["roles-writer"] = identity.Principal{Kind: identity.KindClient, Subject: "c4", Scopes: []string{"roles:write"}}
	f.callers["docs-writer"] = identity.Principal{Kind: identity.KindClient, Subject: "c5", Scopes: []string{"roles:write", "articles:write"}}
	f.callers["stale"] = identity.Principal{Kind: identity.KindUser, Subject: ada.ID.String(), Roles: []string{"admin"}, Scopes: []string{"roles:read", "roles:write"}, Permissions: rbac.All()}
	f.call(t, "client", "POST", "/v1/roles", `{"name":"editor","permissions":["articles:write"]}`).want(t, 201)
	userRoles := "/v1/users/" + ada.ID.String() + "/roles"
	for _, c := range []struct {
		as, method, path, body string
		want                   int
	}{
		{"", "GET", "/v1/roles", "", 401},
		{"", "GET", "/v1/permissions", "", 401},
		{"", "POST", "/v1/authorize", `{"permission":"users:read"}`, 401},
		{"ada", "GET", "/v1/roles", "", 403},
		{"ada", "GET", "/v1/roles/editor", "", 403},
		{"ada", "GET", "/v1/permissions", "", 403},
		{"ada", "POST", "/v1/roles", `{"name":"x"}`, 403},
		{"ada", "PATCH", "/v1/roles/editor", `{}`, 403},
		{"ada", "DELETE", "/v1/roles/editor", "", 403},
		{"ada", "POST", "/v1/permissions", `{"name":"a:b"}`, 403},
		{"ada", "DELETE", "/v1/permissions/articles:write", "", 403},
		{"ada", "PUT", userRoles, `{"roles":["admin"]}`, 403},
		{"ada", "GET", "/v1/me/roles", "", 200},
		{"ada", "GET", userRoles, "", 200},
		{"client", "GET", "/v1/me/roles", "", 403},
		{"roles-reader", "GET", "/v1/roles", "", 200},
		{"roles-reader", "GET", "/v1/permissions", "", 200},
		{"roles-reader", "POST", "/v1/roles", `{"name":"x"}`, 403},
		{"roles-reader", "PUT", userRoles, `{"roles":["editor"]}`, 403},
		{"roles-writer", "GET", "/v1/roles", "", 403},
		// Of the operator's own permissions, too, a client hands on its scopes alone.
		{"roles-writer", "PUT", userRoles, `{"roles":["editor"]}`, 403},
		{"docs-writer", "PUT", userRoles, `{"roles":["editor"]}`, 200},
		{"roles-writer", "PUT", userRoles, `{"roles":["admin"]}`, 403},
		{"roles-writer", "POST", "/v1/roles", `{"name":"x","permissions":["users:read"]}`, 403},
		{"roles-writer", "POST", "/v1/roles", `{"name":"x","permissions":["articles:*"]}`, 403},
		{"docs-writer", "POST", "/v1/roles", `{"name":"x","permissions":["articles:write"]}`, 201},
		// A token that says more than the database.
		{"stale", "POST", "/v1/roles", `{"name":"y"}`, 403},
		{"stale", "PATCH", "/v1/roles/editor", `{"description":"y"}`, 403},
		{"stale", "DELETE", "/v1/roles/editor?force=true", "", 403},
		{"stale", "POST", "/v1/permissions", `{"name":"a:b"}`, 403},
		{"stale", "PUT", userRoles, `{"roles":["admin"]}`, 403},
		{"stale", "PUT", userRoles, `{"roles":[]}`, 403},
	} {
		a := f.call(t, c.as, c.method, c.path, c.body)
		if a.status != c.want {
			t.Errorf("%s %s %s %s: status %d, want %d: %s", c.as, c.method, c.path, c.body, a.status, c.want, a.body)
		} else if c.want >= 400 {
			a.problem(t, c.want, "")
		}
	}
}

func TestAssignedRoles(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	f.call(t, "client", "POST", "/v1/roles", `{"name":"base","permissions":["docs:read"]}`).want(t, 201)
	f.call(t, "client", "POST", "/v1/roles", `{"name":"lead","permissions":["users:read"],"inherits":["base"]}`).want(t, 201)
	path := "/v1/users/" + ada.ID.String() + "/roles"
	put := f.call(t, "admin", "PUT", path, `{"roles":["lead"]}`)
	want := map[string]any{"roles": []any{"lead"}, "permissions": []any{"docs:read", "users:read"}}
	if diff := cmp.Diff(want, put.want(t, 200)); diff != "" {
		t.Errorf("roles:\n%s", diff)
	}
	if diff := cmp.Diff(want, f.call(t, "ada", "GET", "/v1/me/roles", "").want(t, 200)); diff != "" {
		t.Errorf("own roles:\n%s", diff)
	}
	if got := f.call(t, "admin", "PUT", path, `{"roles":["lead","none","A b","user"]}`).problem(t, 422, "invalid"); !slices.Equal(got, []string{"/roles/2"}) {
		t.Errorf("pointers = %v", got)
	}
	if got := f.call(t, "admin", "PUT", path, `{"roles":["lead","none"]}`).problem(t, 422, "invalid"); !slices.Equal(got, []string{"/roles/1"}) {
		t.Errorf("pointers = %v", got)
	}
	f.call(t, "admin", "DELETE", "/v1/roles/lead", "").problem(t, 409, "in_use")
	f.call(t, "admin", "DELETE", "/v1/roles/lead?force=true", "").want(t, 204)
	got := f.call(t, "admin", "GET", path, "")
	if diff := cmp.Diff(map[string]any{"roles": []any{}, "permissions": []any{}}, got.want(t, 200)); diff != "" || got.header.Get("ETag") == put.header.Get("ETag") {
		t.Errorf("after the deletion: ETag %s\n%s", got.header.Get("ETag"), diff)
	}
}

func TestLastAdministratorStays(t *testing.T) {
	f := setUp(t)
	last := "/v1/users/" + f.callers["admin"].Subject
	for _, as := range []string{"admin", "client"} {
		f.call(t, as, "PUT", last+"/roles", `{"roles":[]}`).problem(t, 409, "last_admin")
		f.call(t, as, "PATCH", last, `{"status":"suspended"}`).problem(t, 409, "last_admin")
		f.call(t, as, "DELETE", last, "").problem(t, 409, "last_admin")
	}
	ada := f.person(t, "ada")
	f.call(t, "admin", "PUT", "/v1/users/"+ada.ID.String()+"/roles", `{"roles":["admin"]}`).want(t, 200)
	f.call(t, "admin", "PUT", last+"/roles", `{"roles":[]}`).want(t, 200)
	f.call(t, "admin", "PUT", last+"/roles", `{"roles":["admin"]}`).problem(t, 403, "forbidden")
}

func TestAuthorize(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada", "openid", "users:read")
	bob := f.person(t, "bob")
	f.callers["unscoped"] = identity.Principal{Kind: identity.KindUser, Subject: ada.ID.String(), Scopes: []string{"openid"}}
	f.callers["ghost"] = identity.Principal{Kind: identity.KindUser, Subject: "01900000-0000-7000-8000-000000000000", Roles: []string{"admin"}, Scopes: []string{"users:read"}}
	f.callers["roles-reader"] = identity.Principal{Kind: identity.KindClient, Subject: "c3", Scopes: []string{"roles:read"}}
	f.call(t, "client", "POST", "/v1/roles", `{"name":"base","permissions":["users:read","docs:*"]}`).want(t, 201)
	f.call(t, "client", "POST", "/v1/roles", `{"name":"lead","inherits":["base"]}`).want(t, 201)
	f.call(t, "client", "PUT", "/v1/users/"+ada.ID.String()+"/roles", `{"roles":["lead","user"]}`).want(t, 200)
	about := func(id, permission string) string {
		return `{"permission":"` + permission + `","user_id":"` + id + `"}`
	}
	for _, c := range []struct {
		as, body, code string
		roles          []any
		reason         string
	}{
		{"ada", `{"permission":"users:read"}`, "granted", []any{"lead"}, "the role lead permits users:read, inherited from the role base"},
		{"ada", about(ada.ID.String(), "users:read"), "granted", []any{"lead"}, ""},
		{"ada", `{"permission":"docs:shred"}`, "granted", []any{"lead"}, ""},
		{"ada", `{"permission":"users:write"}`, "permission_missing", []any{}, "no role of the user permits users:write"},
		{"unscoped", `{"permission":"users:read"}`, "scope_missing", []any{"lead"}, ""},
		{"unscoped", `{"permission":"docs:read"}`, "granted", []any{"lead"}, ""},
		{"ghost", `{"permission":"users:read"}`, "not_found", []any{}, ""},
		{"admin", `{"permission":"users:read"}`, "granted", []any{"admin"}, "the role admin permits users:read"},
		{"admin", `{"permission":"never:heard-of"}`, "granted", []any{"admin"}, ""},
		{"reader", `{"permission":"users:read"}`, "granted", []any{}, ""},
		{"reader", `{"permission":"users:write"}`, "scope_missing", []any{}, ""},
		{"roles-reader", about(ada.ID.String(), "users:read"), "granted", []any{"lead"}, ""},
		{"roles-reader", about(bob.ID.String(), "users:read"), "permission_missing", []any{}, ""},
		{"roles-reader", about("01900000-0000-7000-8000-000000000000", "users:read"), "not_found", []any{}, ""},
	} {
		body := f.call(t, c.as, "POST", "/v1/authorize", c.body).want(t, 200)
		if body["code"] != c.code || body["allowed"] != (c.code == "granted") || !cmp.Equal(body["roles"], any(c.roles)) || body["reason"] == "" ||
			(c.reason != "" && body["reason"] != c.reason) {
			t.Errorf("%s %s: %v", c.as, c.body, body)
		}
	}
	f.call(t, "ada", "POST", "/v1/authorize", about(bob.ID.String(), "users:read")).problem(t, 403, "forbidden")
	f.call(t, "reader", "POST", "/v1/authorize", about(bob.ID.String(), "users:read")).problem(t, 403, "forbidden")
	f.call(t, "client", "PATCH", "/v1/users/"+ada.ID.String(), `{"status":"suspended"}`).want(t, 200)
	if body := f.call(t, "ada", "POST", "/v1/authorize", `{"permission":"users:read"}`).want(t, 200); body["code"] != "account_not_active" || body["allowed"] != false {
		t.Errorf("suspended: %v", body)
	}
	for _, bad := range []string{`{}`, `{"permission":""}`, `{"permission":"users"}`, `{"permission":"Users:read"}`, `{"permission":7}`, `{"permission":"a:b","user_id":"x"}`, `{"permission":"a:b","user_id":null}`, `{"permission":"a:b","more":1}`} {
		if a := f.call(t, "roles-reader", "POST", "/v1/authorize", bad); a.status != 422 && bad != `{"permission":"a:b","user_id":null}` {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
}

func TestIdempotentRoleRequest(t *testing.T) {
	f := setUp(t)
	first := f.call(t, "client", "POST", "/v1/roles", `{"name":"editor"}`, "Idempotency-Key", "k1").want(t, 201)
	if diff := cmp.Diff(first, f.call(t, "client", "POST", "/v1/roles", `{"name":"editor"}`, "Idempotency-Key", "k1").want(t, 201)); diff != "" {
		t.Errorf("replayed:\n%s", diff)
	}
	f.call(t, "client", "POST", "/v1/roles", `{"name":"other"}`, "Idempotency-Key", "k1").problem(t, 422, "idempotency_key_reused")
	f.call(t, "admin", "POST", "/v1/roles", `{"name":"editor"}`, "Idempotency-Key", "k1").problem(t, 409, "role_taken")
	f.call(t, "client", "POST", "/v1/roles", `{"name":"x"}`, "Idempotency-Key", "a b").problem(t, 400, "invalid_parameter")
	for range 2 {
		f.call(t, "client", "POST", "/v1/permissions", `{"name":"a:b"}`, "Idempotency-Key", "k1").want(t, 201)
	}
}

// TestBadRoles sends what no role can be, and what no decoder likes.
func TestBadRoles(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	f.call(t, "client", "POST", "/v1/roles", `{"name":"editor"}`).want(t, 201)
	bodies := map[string][]int{
		"": {400}, " ": {400}, `{"name":"a`: {400}, `{}{}`: {400}, `null`: {422}, `[]`: {422}, `"x"`: {422}, `7`: {422},
		`{"permissions":"a:b"}`: {422}, `{"permissions":[1],"name":"x","roles":[1],"permission":1}`: {422}, `{"name":7,"roles":7}`: {422},
		`{"Name":"x","Roles":[],"Permission":"a:b"}`: {422}, `{"more":1}`: {422}, `{"inherits":{}}`: {422},
		"{\"name\":\"\xff\"}": {400}, `{"name":"a\u0000b","roles":["a\u0000"],"permission":"a:\u0000"}`: {422},
		`{"permissions":["` + strings.Repeat("a", 2<<20) + `"]}`: {413}, strings.Repeat("[", 10<<20): {413},
	}
	for _, endpoint := range [][2]string{
		{"POST", "/v1/roles"}, {"PATCH", "/v1/roles/editor"}, {"POST", "/v1/permissions"}, {"POST", "/v1/authorize"},
		{"PUT", "/v1/users/" + ada.ID.String() + "/roles"},
	} {
		for _, body := range slices.Sorted(maps.Keys(bodies)) {
			a := f.call(t, "client", endpoint[0], endpoint[1], body)
			if !slices.Contains(bodies[body], a.status) {
				t.Errorf("%s %s %.60q: status %d, want %v: %.200s", endpoint[0], endpoint[1], body, a.status, bodies[body], a.body)
			}
		}
		f.call(t, "client", endpoint[0], endpoint[1], `{}`, "Content-Type", "text/plain").problem(t, 415, "")
	}
	many := make([]string, 501)
	for i := range many {
		many[i] = fmt.Sprintf(`"a:b%d"`, i)
	}
	for _, c := range []struct{ body, pointer string }{
		{`{"name":""}`, "/name"}, {`{"name":"Editor"}`, "/name"}, {`{"name":"1a"}`, "/name"}, {`{"name":"` + strings.Repeat("a", 65) + `"}`, "/name"}, {`{"name":"a b"}`, "/name"},
		{`{"name":"x","permissions":["users"]}`, "/permissions/0"}, {`{"name":"x","permissions":["a:b","*:*"]}`, "/permissions/1"}, {`{"name":"x","permissions":["a:b*"]}`, "/permissions/0"},
		{`{"name":"x","permissions":[` + strings.Join(many, ",") + `]}`, "/permissions"},
		{`{"name":"x","inherits":["none"]}`, "/inherits/0"}, {`{"name":"x","inherits":["a\u00e4"]}`, "/inherits/0"},
		{`{"name":"x","description":"` + strings.Repeat("a", 501) + `"}`, "/description"}, {`{"name":"x","description":"a\nb"}`, "/description"},
	} {
		if got := f.call(t, "client", "POST", "/v1/roles", c.body).problem(t, 422, "invalid"); !slices.Contains(got, c.pointer) {
			t.Errorf("%.80s: pointers %v, want %s", c.body, got, c.pointer)
		}
	}
	for _, name := range []string{"\x00", "\xff", "Editor", "a b", "..", strings.Repeat("a", 5000), "none"} {
		for _, method := range []string{"GET", "DELETE"} {
			if a := f.call(t, "client", method, "/v1/roles/"+url.PathEscape(name), ""); a.status < 400 || a.status > 499 {
				t.Errorf("%s %.20q: %d", method, name, a.status)
			}
		}
	}
	for _, path := range []string{"/v1/roles/editor?force=perhaps", "/v1/roles/editor?other=1"} {
		f.call(t, "client", "DELETE", path, "").problem(t, 400, "invalid_parameter")
	}
}
