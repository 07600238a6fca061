package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/services/user"
	"gatehouse.example/services/user/rest"
)

func TestRestore(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada", "users:write")
	path := "/v1/users/" + ada.ID.String()
	f.call(t, "admin", "PATCH", path, `{"status":"suspended","status_reason":"spam"}`).want(t, 200)
	f.call(t, "admin", "POST", path+"/restore", "", "Content-Type", "").problem(t, 409, "not_deleted")
	f.call(t, "ada", "POST", path+"/restore", "", "Content-Type", "").problem(t, 403, "forbidden")
	f.call(t, "admin", "POST", "/v1/users/"+uuid.NewString()+"/restore", "", "Content-Type", "").problem(t, 404, "user_not_found")
	f.call(t, "admin", "DELETE", path, "").want(t, 204)
	f.call(t, "admin", "GET", path, "").problem(t, 404, "user_not_found")

	for query, want := range map[string]int{"": 1, "status=deleted": 1, "status=deleted&email=ada": 1, "status=suspended": 0} { // "": the administrator
		items := f.call(t, "admin", "GET", "/v1/users?"+query, "").want(t, 200)["items"].([]any)
		if len(items) != want {
			t.Errorf("%q lists %d, want %d", query, len(items), want)
		}
		if strings.Contains(query, "deleted") {
			one := items[0].(map[string]any)
			if one["status"] != "deleted" || one["id"] != ada.ID.String() || mustTime(t, one["deleted_at"]).IsZero() {
				t.Errorf("%q: %v", query, one)
			}
		}
	}
	f.call(t, "reader", "POST", path+"/restore", "", "Content-Type", "").problem(t, 403, "forbidden")
	f.call(t, "ada", "POST", path+"/restore", "", "Content-Type", "").problem(t, 403, "forbidden")
	for _, body := range []string{`{"a":1}`, `[]`, `{`, `x`} {
		if a := f.call(t, "admin", "POST", path+"/restore", body); a.status < 400 || a.status >= 500 {
			t.Errorf("body %s: %d", body, a.status)
		}
	}
	taken := f.call(t, "admin", "POST", "/v1/users", `{"email":"ADA@example.com"}`).want(t, 201)["id"].(string)
	f.call(t, "admin", "POST", path+"/restore", "", "Content-Type", "").problem(t, 409, "email_taken")
	f.call(t, "admin", "PATCH", "/v1/users/"+taken, `{"email":"b@example.com","username":"ada"}`).want(t, 200)
	f.call(t, "admin", "POST", path+"/restore", `{}`).problem(t, 409, "username_taken")
	f.call(t, "admin", "DELETE", "/v1/users/"+taken, "").want(t, 204)
	f.call(t, "admin", "POST", path+"/restore", `{}`, "If-Match", `"1"`).problem(t, 412, "precondition_failed")
	back := f.call(t, "client", "POST", path+"/restore", "", "Content-Type", "").want(t, 200)
	if back["status"] != "suspended" || back["status_reason"] != "spam" || back["username"] != "ada" || back["deleted_at"] != nil {
		t.Errorf("restored: %v", back)
	}
	f.call(t, "admin", "GET", path, "").want(t, 200)
	f.call(t, "client", "POST", path+"/restore", "", "Content-Type", "").problem(t, 409, "not_deleted")
}

func TestStatusReason(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	path := "/v1/users/" + ada.ID.String()
	if got := f.call(t, "admin", "PATCH", path, `{"status_reason":"why"}`).problem(t, 422, "invalid"); !cmp.Equal(got, []string{"/status_reason"}) {
		t.Errorf("pointers = %v", got)
	}
	f.call(t, "ada", "PATCH", path, `{"status_reason":"why"}`).problem(t, 403, "forbidden")
	f.call(t, "admin", "PATCH", path, `{"status":"suspended","status_reason":"`+strings.Repeat("x", 501)+`"}`).problem(t, 422, "invalid")
	f.call(t, "admin", "PATCH", path, `{"status":"suspended","status_reason":"a\nb"}`).problem(t, 422, "invalid")
	steps := []struct{ body, reason string }{
		{`{"status":"suspended","status_reason":" spam "}`, "spam"}, {`{"status_reason":"more spam"}`, "more spam"},
		{`{"status_reason":null}`, ""}, {`{"status_reason":"again"}`, "again"}, {`{"status":"active"}`, ""},
	}
	for _, step := range steps {
		body := f.call(t, "admin", "PATCH", path, step.body).want(t, 200)
		if reason, _ := body["status_reason"].(string); reason != step.reason {
			t.Errorf("%s: %v", step.body, body)
		}
	}
}

func TestConditionalReads(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	f.call(t, "ada", "PUT", "/v1/me/preferences/ui", `{"a":1}`).want(t, 200)
	for _, path := range []string{"/v1/me", "/v1/users/" + ada.ID.String(), "/v1/me/profile", "/v1/users/" + ada.ID.String() + "/roles", "/v1/me/preferences/ui"} {
		read := f.call(t, "ada", "GET", path, "")
		read.want(t, 200)
		tag := read.header.Get("ETag")
		for given, want := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200, `W/"x"`: 200,
		} {
			for _, method := range []string{"GET", "HEAD"} {
				a := f.call(t, "ada", method, path, "", "If-None-Match", given)
				if a.status != want || a.header.Get("ETag") != tag || (want == 304 || method == "HEAD") != (len(a.body) == 0) {
					t.Errorf("%s %s with %s: %d, ETag %s, %d bytes; want %d", method, path, given, a.status, a.header.Get("ETag"), len(a.body), want)
				}
			}
		}
		head := f.call(t, "ada", "HEAD", path, "")
		if head.status != 200 || head.header.Get("Content-Type") != read.header.Get("Content-Type") || len(head.body) != 0 {
			t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
		}
	}
	f.call(t, "reader", "GET", "/v1/me", "", "If-None-Match", "*").problem(t, 403, "not_a_user")
	tag := f.call(t, "ada", "GET", "/v1/me", "").header.Get("ETag")
	f.call(t, "ada", "PATCH", "/v1/me", `{"username":"countess"}`).want(t, 200)
	f.call(t, "ada", "GET", "/v1/me", "", "If-None-Match", tag).want(t, 200)
}

func TestSortsAndCursors(t *testing.T) {
	f := setUp(t)
	var ids []string
	for _, name := range []string{"c", "A", "b"} {
		ids = append(ids, f.call(t, "client", "POST", "/v1/users", `{"email":"`+name+`@s.example.com"}`).want(t, 201)["id"].(string))
	}
	list := func(query string) (got []string, next string) {
		page := f.call(t, "reader", "GET", "/v1/users?"+query, "").want(t, 200)
		for _, item := range page["items"].([]any) {
			email := item.(map[string]any)["email"].(string)
			if name, ok := strings.CutSuffix(email, "@s.example.com"); ok {
				got = append(got, name)
			}
		}
		next, _ = page["next_cursor"].(string)
		return got, next
	}
	cursors := map[string]string{}
	for sort, want := range map[string]string{"": "cAb", "created_at": "cAb", "-created_at": "bAc", "email": "Abc", "-email": "cbA"} {
		var got []string
		query := "limit=1&sort=" + sort
		if sort == "" {
			query = "limit=1"
		}
		next := ""
		for range 10 {
			var page []string
			if page, next = list(query + "&cursor=" + next); next != "" {
				cursors[sort] = next
			}
			if got = append(got, page...); next == "" {
				break
			}
		}
		if strings.Join(got, "") != want {
			t.Errorf("sort %q: %v, want %s", sort, got, want)
		}
	}
	for of, cursor := range cursors {
		for _, with := range []string{"created_at", "-created_at", "email", "-email"} {
			if with == of || of == "" && with == "created_at" {
				continue
			}
			got := f.call(t, "reader", "GET", "/v1/users?sort="+with+"&cursor="+cursor, "").problem(t, 400, "invalid_parameter")
			if !cmp.Equal(got, []string{"query cursor"}) {
				t.Errorf("cursor of %q with %q: %v", of, with, got)
			}
		}
	}
	if got, _ := list("ids=" + ids[1] + "," + uuid.NewString() + "," + ids[2]); !cmp.Equal(got, []string{"A", "b"}) {
		t.Errorf("by ids: %v", got)
	}
	many := strings.Repeat(","+uuid.NewString(), 101)[1:]
	for _, bad := range []string{"x", ",", ids[0] + ",", strings.ToUpper(ids[0]), "{" + ids[0] + "}", many} {
		if got := f.call(t, "reader", "GET", "/v1/users?ids="+bad, "").problem(t, 400, "invalid_parameter"); !cmp.Equal(got, []string{"query ids"}) {
			t.Errorf("ids %.80s: %v", bad, got)
		}
	}
	if got, _ := list("ids=" + many[:100*37-1]); len(got) != 0 {
		t.Errorf("100 unknown ids: %v", got)
	}
}

// TestASchemaThatChanges: values of before stay readable and do not stand in the
// way of other changes; a change of them has to be of the new form.
func TestASchemaThatChanges(t *testing.T) {
	f := setUp(t, user.Options{Attributes: compile(t, `{"properties":{"badge":{"type":"integer"}},"additionalProperties":false}`)})
	ada := f.person(t, "ada")
	path := "/v1/users/" + ada.ID.String()
	f.call(t, "ada", "PATCH", path+"/profile", `{"attributes":{"badge":12345678901234567890}}`).want(t, 200)
	if a := f.call(t, "ada", "GET", path+"/profile", ""); !strings.Contains(string(a.body), `"attributes":{"badge":12345678901234567890}`) {
		t.Errorf("a digit is lost: %s", a.body)
	}
	for body, pointer := range map[string]string{
		`{"attributes":{"badge":"7"}}`: "/attributes/badge", `{"attributes":{"shoe/size":1}}`: "/attributes/shoe~1size", `{"attributes":7}`: "/attributes", `{"attributes":[]}`: "/attributes",
	} {
		if got := f.call(t, "ada", "PATCH", path+"/profile", body).problem(t, 422, "invalid"); !cmp.Equal(got, []string{pointer}) {
			t.Errorf("%s: %v", body, got)
		}
		if got := f.call(t, "admin", "PATCH", path, `{"profile":`+body+`}`).problem(t, 422, "invalid"); !cmp.Equal(got, []string{"/profile" + pointer}) {
			t.Errorf("%s within the user: %v", body, got)
		}
	}
	for name, options := range map[string]user.Options{
		"no schema": {}, "another": {Attributes: compile(t, `{"properties":{"badge":{"type":"string"}}}`)},
	} {
		f.restart(t, options)
		t.Run(name, func(t *testing.T) {
			got := f.call(t, "ada", "PATCH", path+"/profile", `{"nickname":"`+name+`"}`).want(t, 200)
			if got["attributes"] == nil || got["nickname"] != name {
				t.Errorf("profile = %v", got)
			}
			whole := f.call(t, "ada", "GET", path, "")
			f.call(t, "ada", "PATCH", path, string(whole.body)).want(t, 200)
			f.call(t, "ada", "PATCH", path+"/profile", `{"attributes":{"badge":8}}`).problem(t, 422, "invalid")
		})
	}
	if left := f.call(t, "ada", "PATCH", path+"/profile", `{"attributes":null}`).want(t, 200); left["attributes"] != nil {
		t.Errorf("removed: %v", left)
	}
}

func compile(t *testing.T, text string) *user.Schema {
	t.Helper()
	s, err := user.CompileSchema("test.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// restart serves the same data by a service that is configured otherwise.
func (f *fixture) restart(t *testing.T, o user.Options) {
	t.Helper()
	h, err := rest.New(rest.Options{Accounts: user.NewAccounts(f.store, o), Preferences: user.NewPreferences(f.store, nil, nil), Roles: user.NewRoles(f.store, o)})
	if err != nil {
		t.Fatal(err)
	}
	f.url = f.serve(t, h)
}

func TestHundredConcurrentCreatesOfOneAddress(t *testing.T) {
	f := setUp(t)
	var made, taken atomic.Int32
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			body, _ := json.Marshal(map[string]string{"email": []string{"ada@example.com", "ADA@Example.com"}[i%2], "username": fmt.Sprintf("ada%d", i)})
			switch a := f.call(t, "client", "POST", "/v1/users", string(body)); a.status {
			case http.StatusCreated:
				made.Add(1)
			case http.StatusConflict:
				taken.Add(1)
			default:
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || taken.Load() != 99 {
		t.Errorf("%d created, %d taken; want 1 and 99", made.Load(), taken.Load())
	}
}
