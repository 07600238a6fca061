package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/services/user"
)

func TestPreferences(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	f.person(t, "eve", "users:read", "users:write")
	path := "/v1/users/" + ada.ID.String() + "/preferences"
	f.call(t, "ada", "GET", path+"/ui", "").problem(t, 404, "preferences_not_found")
	f.call(t, "ada", "DELETE", path+"/ui", "").problem(t, 404, "preferences_not_found")
	if empty := f.call(t, "ada", "GET", "/v1/me/preferences", ""); string(empty.body) != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("empty list: %s", empty.body)
	}
	put := f.call(t, "ada", "PUT", "/v1/me/preferences/ui", `{"theme":"dark","pages":{"users":{"columns":["a","b"]}}}`)
	put.want(t, 200)
	f.call(t, "ada", "PUT", "/v1/me/preferences/ui", `{}`, "If-None-Match", "*").problem(t, 412, "precondition_failed")
	f.call(t, "ada", "PUT", "/v1/me/preferences/new", `{}`, "If-None-Match", "*").want(t, 200)
	f.call(t, "ada", "PUT", "/v1/me/preferences/newer", `{}`, "If-Match", "*").problem(t, 412, "precondition_failed")
	patched := f.call(t, "client", "PATCH", path+"/ui", `{"theme":null,"pages":{"roles":{}},"list":[{"x":null}]}`, "If-Match", put.header.Get("ETag"))
	want := map[string]any{
		"pages": map[string]any{"users": map[string]any{"columns": []any{"a", "b"}}, "roles": map[string]any{}}, "list": []any{map[string]any{"x": nil}},
	}
	if diff := cmp.Diff(want, patched.want(t, 200)); diff != "" {
		t.Errorf("patched (-want +got):\n%s", diff)
	}
	f.call(t, "ada", "PATCH", path+"/ui", `{"a":1}`, "If-Match", put.header.Get("ETag")).problem(t, 412, "precondition_failed")
	read := f.call(t, "reader", "GET", path+"/ui", "")
	if diff := cmp.Diff(want, read.want(t, 200)); diff != "" || read.header.Get("ETag") != patched.header.Get("ETag") {
		t.Errorf("read: %v\n%s", read.header, diff)
	}
	f.call(t, "ada", "PATCH", "/v1/users/me/preferences/mail.rules", `{"a":{"b":null}}`).want(t, 200)
	items := f.call(t, "ada", "GET", path, "").want(t, 200)["items"].([]any)
	var names []string
	for _, item := range items {
		names = append(names, item.(map[string]any)["namespace"].(string))
		mustTime(t, item.(map[string]any)["updated_at"])
	}
	if diff := cmp.Diff([]string{"mail.rules", "new", "ui"}, names); diff != "" {
		t.Errorf("namespaces:\n%s", diff)
	}
	f.call(t, "ada", "DELETE", path+"/ui", "", "If-Match", put.header.Get("ETag")).problem(t, 412, "precondition_failed")
	f.call(t, "ada", "DELETE", path+"/ui", "", "If-Match", read.header.Get("ETag")).want(t, 204)
	// Made anew: the tag of the one before does not fit.
	f.call(t, "ada", "PUT", path+"/ui", `{}`).want(t, 200)
	f.call(t, "ada", "PUT", path+"/ui", `{"a":1}`, "If-Match", put.header.Get("ETag")).problem(t, 412, "precondition_failed")

	for _, c := range [][4]string{
		{"eve", "GET", path, ""}, {"eve", "GET", path + "/ui", ""}, {"eve", "PUT", path + "/ui", `{}`}, {"eve", "PATCH", path + "/ui", `{}`},
		{"eve", "DELETE", path + "/ui", ""}, {"reader", "PUT", path + "/ui", `{}`}, {"reader", "DELETE", path + "/ui", ""}, {"reader", "GET", "/v1/me/preferences", ""},
	} {
		f.call(t, c[0], c[1], c[2], c[3]).problem(t, 403, "")
	}
	f.call(t, "", "GET", path, "").problem(t, 401, "")
	f.call(t, "admin", "PATCH", "/v1/users/"+ada.ID.String(), `{"status":"suspended"}`).want(t, 200)
	for _, c := range [][2]string{{"GET", ""}, {"PUT", `{}`}, {"PATCH", `{}`}, {"DELETE", ""}} {
		f.call(t, "ada", c[0], path+"/new", c[1]).problem(t, 403, "forbidden")
	}
	f.call(t, "admin", "DELETE", "/v1/users/"+ada.ID.String(), "").want(t, 204)
	f.call(t, "admin", "GET", path, "").problem(t, 404, "user_not_found")
	f.call(t, "admin", "POST", "/v1/users/"+ada.ID.String()+"/restore", `{}`).want(t, 200)
	f.call(t, "admin", "GET", path+"/new", "").want(t, 200)
}

func TestPreferenceLimits(t *testing.T) {
	f := setUp(t)
	f.person(t, "ada")
	for name, c := range map[string]struct {
		namespace, body string
		status          int
		pointer         string
	}{
		"upper case":   {"UI", `{}`, 422, "path namespace"},
		"slash":        {"a%2Fb", `{}`, 422, "path namespace"},
		"dots first":   {".x", `{}`, 422, "path namespace"},
		"long":         {strings.Repeat("x", 65), `{}`, 422, "path namespace"},
		"large":        {"ui", `{"a":"` + strings.Repeat("x", 33<<10) + `"}`, 422, ""},
		"deep":         {"ui", `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 422, "/a" + strings.Repeat("/0", 31)},
		"tiny number":  {"ui", `{"a/b":[1e-99999]}`, 422, "/a~1b/0"},
		"long number":  {"ui", `{"n":0.` + strings.Repeat("1", 100) + `}`, 422, "/n"},
		"NUL in name":  {"ui", `{"a\u0000":1}`, 422, "-"},
		"huge numbers": {"ui", `{"n":1e400}`, 400, "-"},
	} {
		for _, method := range []string{"PUT", "PATCH"} {
			got := f.call(t, "ada", method, "/v1/me/preferences/"+c.namespace, c.body).problem(t, c.status, "")
			if c.pointer == "-" {
				continue
			}
			for _, place := range got {
				if place != c.pointer {
					t.Errorf("%s %s: %v, want %s", method, name, got, c.pointer)
				}
			}
			if len(got) == 0 {
				t.Errorf("%s %s: no place named", method, name)
			}
		}
	}
	f.call(t, "ada", "PUT", "/v1/me/preferences/ui", `{"lone":"\ud800","twice":1,"twice":2}`).want(t, 200)
	for i := 1; i < user.MaxNamespaces; i++ {
		f.call(t, "ada", "PUT", fmt.Sprintf("/v1/me/preferences/n%d", i), `{}`).want(t, 200)
	}
	f.call(t, "ada", "PUT", "/v1/me/preferences/more", `{}`).problem(t, 409, "too_many_namespaces")
	f.call(t, "ada", "PUT", "/v1/me/preferences/ui", `{"again":true}`).want(t, 200)
}

func TestConcurrentPreferencesWithOneETag(t *testing.T) {
	f := setUp(t)
	f.person(t, "ada")
	tag := f.call(t, "ada", "PUT", "/v1/me/preferences/ui", `{}`).header.Get("ETag")
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			switch a := f.call(t, "ada", "PATCH", "/v1/me/preferences/ui", fmt.Sprintf(`{"k":%d}`, i), "If-Match", tag); a.status {
			case http.StatusOK:
				won.Add(1)
			case http.StatusPreconditionFailed:
				lost.Add(1)
			default:
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 19 {
		t.Errorf("%d won, %d lost; want 1 and 19", won.Load(), lost.Load())
	}
}
