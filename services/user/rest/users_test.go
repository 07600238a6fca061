package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestCreateReadDelete(t *testing.T) {
	f := setUp(t)
	made := f.call(t, "client", "POST", "/v1/users", `{"email":"Ada@EXAMPLE.com","username":"ada","phone":"+44 20 7183 8750","profile":{"given_name":"Ada"}}`)
	body := made.want(t, 201)
	id := body["id"].(string)
	if u, err := uuid.Parse(id); err != nil || u.Version() != 7 {
		t.Errorf("id %q is no UUIDv7", id)
	}
	if made.header.Get("ETag") == "" || made.header.Get("Location") != "/v1/users/"+id || made.header.Get("Content-Type") != "application/json" {
		t.Errorf("header = %v", made.header)
	}
	mustTime(t, body["created_at"])
	want := map[string]any{
		"id": id, "email": "Ada@example.com", "email_verified": false, "username": "ada", "phone": "+442071838750",
		"status": "pending", "roles": []any{}, "created_at": body["created_at"], "updated_at": body["created_at"],
		"profile": map[string]any{"given_name": "Ada", "phone_number": "+442071838750"},
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	read := f.call(t, "reader", "GET", "/v1/users/"+id, "")
	if diff := cmp.Diff(want, read.want(t, 200)); diff != "" {
		t.Errorf("read again:\n%s", diff)
	}
	if read.header.Get("ETag") != made.header.Get("ETag") {
		t.Errorf("ETag %q, made with %q", read.header.Get("ETag"), made.header.Get("ETag"))
	}
	if got := f.call(t, "client", "POST", "/v1/users", `{"email":"ADA@example.com"}`).problem(t, 409, "email_taken"); !cmp.Equal(got, []string{"/email"}) {
		t.Errorf("pointers = %v", got)
	}
	f.call(t, "client", "POST", "/v1/users", `{"email":"b@example.com","username":"ADA"}`).problem(t, 409, "username_taken")
	if got := f.call(t, "client", "POST", "/v1/users", `{"email":"c@example.com","username":""}`).problem(t, 422, ""); !cmp.Equal(got, []string{"/username"}) {
		t.Errorf("empty username: pointers = %v", got)
	}
	f.call(t, "reader", "DELETE", "/v1/users/"+id, "").problem(t, 403, "forbidden")
	f.call(t, "client", "DELETE", "/v1/users/"+id, "", "If-Match", `"99"`).problem(t, 412, "precondition_failed")
	if gone := f.call(t, "client", "DELETE", "/v1/users/"+id, ""); gone.status != 204 || len(gone.body) != 0 {
		t.Errorf("delete: %d %s", gone.status, gone.body)
	}
	for _, path := range []string{"", "/profile", "/roles"} {
		f.call(t, "client", "GET", "/v1/users/"+id+path, "").problem(t, 404, "user_not_found")
	}
	f.call(t, "client", "PATCH", "/v1/users/"+id, `{"username":"x12"}`).problem(t, 404, "user_not_found")
	f.call(t, "client", "DELETE", "/v1/users/"+id, "").problem(t, 404, "user_not_found")
	f.call(t, "client", "POST", "/v1/users", `{"email":"ada@example.com","username":"ada"}`).want(t, 201)
}

func TestPatch(t *testing.T) {
	f := setUp(t)
	made := f.call(t, "admin", "POST", "/v1/users", `{"email":"ada@example.com","username":"ada","profile":{"name":"Ada","address":{"locality":"London","country":"UK"}}}`)
	path := "/v1/users/" + made.want(t, 201)["id"].(string)
	changed := f.call(t, "admin", "PATCH", path, `{"username":null,"status":"active","phone":"+442071838750","profile":{"name":null,"address":{"country":null}}}`, "If-Match", made.header.Get("ETag"))
	body := changed.want(t, 200)
	if _, ok := body["username"]; ok || body["status"] != "active" || body["phone"] != "+442071838750" {
		t.Errorf("user = %v", body)
	}
	if diff := cmp.Diff(map[string]any{"phone_number": "+442071838750", "address": map[string]any{"locality": "London"}}, body["profile"]); diff != "" {
		t.Errorf("profile:\n%s", diff)
	}
	if changed.header.Get("ETag") == made.header.Get("ETag") {
		t.Error("the ETag did not change")
	}
	f.call(t, "admin", "PATCH", path, `{"username":"late"}`, "If-Match", made.header.Get("ETag")).problem(t, 412, "precondition_failed")
	f.call(t, "admin", "PATCH", path, `{"username":"weak"}`, "If-Match", "W/"+changed.header.Get("ETag")).problem(t, 412, "precondition_failed")
	f.call(t, "admin", "PATCH", path, `{"username":"any"}`, "If-Match", "*").want(t, 200)
	f.call(t, "admin", "PATCH", path, `{"username":"ada"}`, "Content-Type", "application/json; charset=UTF-8").want(t, 200)

	// A client may send back what it read, with its change.
	whole := f.call(t, "admin", "GET", path, "")
	f.call(t, "admin", "PATCH", path, string(whole.body)).want(t, 200)
	for body, pointer := range map[string]string{
		`{"id":"` + uuid.NewString() + `"}`:      "/id",
		`{"roles":["admin"]}`:                    "/roles",
		`{"email_verified":true}`:                "/email_verified",
		`{"created_at":"2020-01-01T00:00:00Z"}`:  "/created_at",
		`{"email":null}`:                         "/email",
		`{"status":null}`:                        "/status",
		`{"status":"deleted"}`:                   "/status",
		`{"Email":"b@example.com"}`:              "/Email",
		`{"profile":{"Name":"B"}}`:               "/profile/Name",
		`{"profile":{"address":{"planet":"x"}}}`: "/profile/address/planet",
		`{"profile":{"birthdate":"tomorrow"}}`:   "/profile/birthdate",
		`{"username":7}`:                         "/username",
	} {
		got := f.call(t, "admin", "PATCH", path, body).problem(t, 422, "invalid")
		if len(got) != 1 || got[0] != pointer {
			t.Errorf("%s: pointers = %v, want %s", body, got, pointer)
		}
	}
	f.call(t, "admin", "PATCH", path, `{"status":"pending"}`).problem(t, 409, "illegal_transition")
}

func TestConcurrentPatchesWithOneETag(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	tag := f.call(t, "ada", "GET", "/v1/me", "").header.Get("ETag")
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			switch a := f.call(t, "admin", "PATCH", "/v1/users/"+ada.ID.String(), fmt.Sprintf(`{"profile":{"nickname":"n%d"}}`, i), "If-Match", tag); a.status {
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

func TestFiftyConcurrentCreatesOfOneAddress(t *testing.T) {
	f := setUp(t)
	var made, taken atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch a := f.call(t, "client", "POST", "/v1/users", `{"email":"ada@example.com"}`); a.status {
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
	if made.Load() != 1 || taken.Load() != 49 {
		t.Errorf("%d created, %d taken; want 1 and 49", made.Load(), taken.Load())
	}
}

func TestIdempotencyKey(t *testing.T) {
	f := setUp(t)
	first := f.call(t, "client", "POST", "/v1/users", `{"email":"ada@example.com"}`, "Idempotency-Key", "k1").want(t, 201)
	again := f.call(t, "client", "POST", "/v1/users", `{"email":"ada@example.com"}`, "Idempotency-Key", "k1").want(t, 201)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the repetition differs:\n%s", diff)
	}
	f.call(t, "client", "POST", "/v1/users", `{"email":"b@example.com"}`, "Idempotency-Key", "k1").problem(t, 422, "idempotency_key_reused")
	f.call(t, "client", "POST", "/v1/users", `{"email":"b@example.com"}`, "Idempotency-Key", "with space").problem(t, 400, "invalid_parameter")
	f.call(t, "admin", "POST", "/v1/users", `{"email":"b@example.com"}`, "Idempotency-Key", "k1").want(t, 201)
}

func TestList(t *testing.T) {
	f := setUp(t)
	ids := []any{f.callers["admin"].Subject}
	for i := range 5 {
		ids = append(ids, f.call(t, "client", "POST", "/v1/users", fmt.Sprintf(`{"email":"u%d@example.com"}`, i)).want(t, 201)["id"])
	}
	var got []any
	path := "/v1/users?limit=2"
	for {
		page := f.call(t, "reader", "GET", path, "").want(t, 200)
		for _, item := range page["items"].([]any) {
			got = append(got, item.(map[string]any)["id"])
		}
		next, present := page["next_cursor"]
		if !present {
			t.Fatal("next_cursor is not there")
		}
		if next == nil {
			break
		}
		path = "/v1/users?limit=2&cursor=" + next.(string)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("ids:\n%s", diff)
	}
	empty := f.call(t, "reader", "GET", "/v1/users?email=nobody", "")
	if string(empty.body) != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("empty list: %s", empty.body)
	}
	one := f.call(t, "reader", "GET", "/v1/users?email=U3%40&status=pending&sort=-created_at", "").want(t, 200)
	if items := one["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != ids[4] {
		t.Errorf("filtered list: %v", one)
	}
	cursor := f.call(t, "reader", "GET", "/v1/users?limit=1", "").want(t, 200)["next_cursor"].(string)
	for query, want := range map[string]string{
		"limit=0": "query limit", "limit=201": "query limit", "limit=x": "query limit", "limit=99999999999999999999": "query limit", "limit=-1": "query limit",
		"status=dead": "query status", "sort=name": "query sort", "colour=red": "query colour", "role=" + strings.Repeat("x", 65): "query role",
		"cursor=x": "query cursor", "cursor=bnVsbA==": "query cursor", "sort=-created_at&cursor=" + cursor: "query cursor",
		"cursor=eyJ0IjotOTIyMzM3MjAzNjg1NDc3NTgwOH0": "query cursor", "ids=x": "query ids", "email=%00": "query email", "email=%ff": "query email",
	} {
		if got := f.call(t, "reader", "GET", "/v1/users?"+query, "").problem(t, 400, "invalid_parameter"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: pointers = %v, want %s", query, got, want)
		}
	}
}
