package rest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestBadInput sends each kind of bad body to each endpoint that takes one.
func TestBadInput(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	f.callers["ada"] = f.callers["admin"]
	me := f.person(t, "me1", "users:write")
	path := "/v1/users/" + ada.ID.String()
	big := `{"name":"` + strings.Repeat("a", 1<<20) + `"}`
	bodies := map[string]struct {
		body, contentType string
		want              int
	}{
		"empty":               {"", "", 400},
		"blank":               {" \n", "", 400},
		"truncated":           {`{"email":"a@exa`, "", 400},
		"two values":          {`{} {}`, "", 400},
		"garbage behind":      {`{}x`, "", 400},
		"not JSON":            {`email=a`, "", 400},
		"null":                {`null`, "", 422},
		"array":               {`[]`, "", 422},
		"string":              {`"x"`, "", 422},
		"number":              {`7`, "", 422},
		"unknown member":      {`{"email":"a@example.com","admin":true}`, "", 422},
		"members of all kind": {`{"email":1,"roles":"x","name":[],"username":{}}`, "", 422},
		"more than 1 MB":      {big, "", 413},
		"10 MB":               {strings.Repeat("[", 10<<20), "", 413},
		"deep":                {strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000), "", 400},
		"invalid UTF-8":       {"{\"name\":\"\xff\xfe\",\"email\":\"\xff@example.com\"}", "", 400},
		"NUL":                 {`{"name":"a\u0000b","email":"a\u0000@example.com","roles":["\u0000"]}`, "", 422},
		"text":                {`{}`, "text/plain", 415},
		"form":                {"email=a%40example.com", "application/x-www-form-urlencoded", 415},
		"no content type":     {`{}`, "none", 415},
		"broken content type": {`{}`, "application/", 415},
		"latin 1":             {`{}`, "application/json; charset=iso-8859-1", 415},
	}
	for _, endpoint := range [][3]string{
		{"client", "POST", "/v1/users"},
		{"client", "POST", "/v1/roles"}, {"client", "PATCH", "/v1/roles/user"}, {"client", "POST", "/v1/permissions"}, {"client", "POST", "/v1/authorize"},
		{"client", "PATCH", path}, {"client", "PATCH", path + "/profile"}, {"client", "PUT", path + "/profile"}, {"client", "PUT", path + "/roles"},
		{"me1", "PATCH", "/v1/me"}, {"me1", "PATCH", "/v1/me/profile"}, {"me1", "PUT", "/v1/me/profile"},
		{"client", "PUT", path + "/preferences/ui"}, {"client", "PATCH", path + "/preferences/ui"},
		{"me1", "PUT", "/v1/me/preferences/ui"}, {"me1", "PATCH", "/v1/me/preferences/ui"},
	} {
		for _, name := range slices.Sorted(maps.Keys(bodies)) {
			c := bodies[name]
			if strings.HasSuffix(endpoint[2], "/preferences/ui") && strings.Contains(name, "member") {
				continue // any object suits a namespace without a schema
			}
			t.Run(endpoint[1]+" "+strings.Replace(endpoint[2], ada.ID.String(), "{id}", 1)+" "+name, func(t *testing.T) {
				headers := []string{}
				switch c.contentType {
				case "":
				case "none":
					headers = []string{"Content-Type", ""}
				default:
					headers = []string{"Content-Type", c.contentType}
				}
				f.call(t, endpoint[0], endpoint[1], endpoint[2], c.body, headers...).problem(t, c.want, "")
			})
		}
	}
	for _, u := range []string{ada.ID.String(), me.ID.String()} {
		if body := f.call(t, "client", "GET", "/v1/users/"+u, "").want(t, 200); body["updated_at"] != body["created_at"] {
			t.Errorf("bad input changed %v", body)
		}
	}
}

// TestBadParameters sends what no decoder likes in paths, queries and headers.
func TestBadParameters(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	for _, c := range []struct{ method, path string }{
		{"GET", "/v1/users?email=%00"}, {"GET", "/v1/users?email=%ff"}, {"GET", "/v1/users?email=%zz"},
		{"GET", "/v1/users?username=%00"}, {"GET", "/v1/users?cursor=%00"}, {"GET", "/v1/users?a;b=c"},
		{"GET", "/v1/users?limit=1;limit=2"}, {"GET", "/v1/users?role=" + strings.Repeat("x", 65)},
		{"GET", "/v1/users/%00"}, {"GET", "/v1/users/%ff"}, {"GET", "/v1/users/%2e%2e%2fme"}, {"DELETE", "/v1/users/%00"},
		{"GET", "/v1/users/" + strings.Repeat("x", 5000)}, {"GET", "/v1/users/"}, {"PUT", "/v1/users"}, {"TRACE", "/v1/users"},
		{"GET", "/v1/users/" + ada.ID.String() + "/"}, {"GET", "/v2/users"},
	} {
		a := f.call(t, "client", c.method, c.path, "")
		if a.status < 400 || a.status >= 500 {
			t.Errorf("%s %q: status %d: %s", c.method, c.path, a.status, a.body)
			continue
		}
		a.problem(t, a.status, "")
	}
	for _, tag := range []string{"x", `"`, `"1`, "W/", ",", strings.Repeat(`"9",`, 500)} {
		f.call(t, "client", "PATCH", "/v1/users/"+ada.ID.String(), `{}`, "If-Match", tag).problem(t, 412, "")
	}
}
