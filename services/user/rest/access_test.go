package rest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/user"
)

func TestAccess(t *testing.T) {
	f := setUp(t)
	ada, bob := f.person(t, "ada"), f.person(t, "bob", "users:read", "users:write", "roles:write")
	f.callers["service"] = identity.Principal{Kind: identity.KindService, Subject: "email"}
	me, other := "/v1/users/"+ada.ID.String(), "/v1/users/"+bob.ID.String()
	for _, c := range []struct {
		as, method, path, body string
		want                   int
	}{
		// Nobody.
		{"", "GET", "/v1/me", "", 401},
		{"", "GET", me, "", 401},
		{"", "POST", "/v1/users", `{"email":"x@example.com"}`, 401},
		{"", "GET", "/v1/nothing", "", 401},
		// A person reaches itself, whatever the scopes.
		{"ada", "GET", "/v1/me", "", 200},
		{"ada", "GET", "/v1/users/me", "", 200},
		{"ada", "GET", me, "", 200},
		{"ada", "GET", me + "/profile", "", 200},
		{"ada", "GET", me + "/roles", "", 200},
		{"ada", "PATCH", me, `{"username":"countess"}`, 200},
		{"ada", "PATCH", "/v1/me/profile", `{"nickname":"countess"}`, 200},
		// It does not reach others, not even with the scopes.
		{"ada", "GET", other, "", 403},
		{"bob", "GET", me, "", 403},
		{"bob", "GET", me + "/profile", "", 403},
		{"bob", "GET", "/v1/users", "", 403},
		{"bob", "GET", "/v1/users/unknown", "", 403},
		{"bob", "PATCH", me, `{"username":"bad"}`, 403},
		{"bob", "PATCH", me + "/profile", `{"nickname":"bad"}`, 403},
		{"bob", "PUT", me + "/profile", `{}`, 403},
		{"bob", "DELETE", me, "", 403},
		{"bob", "POST", "/v1/users", `{"email":"x@example.com"}`, 403},
		// It does not raise itself.
		{"bob", "PUT", other + "/roles", `{"roles":["admin"]}`, 403},
		{"bob", "PATCH", "/v1/me", `{"roles":["admin"]}`, 422},
		{"bob", "PATCH", "/v1/me", `{"status":"suspended"}`, 403},
		{"bob", "PATCH", "/v1/me", `{"email":"new@example.com"}`, 403},
		{"bob", "PATCH", "/v1/me", `{"email_verified":false}`, 422},
		// An application without users:write does not end an account.
		{"ada", "DELETE", "/v1/me", "", 403},
		// Clients act by scope and are no person.
		{"reader", "GET", me, "", 200},
		{"reader", "GET", "/v1/users", "", 200},
		{"reader", "PATCH", me, `{"username":"bad"}`, 403},
		{"reader", "PUT", me + "/roles", `{"roles":[]}`, 403},
		{"reader", "GET", "/v1/me", "", 403},
		{"client", "GET", "/v1/me", "", 403},
		{"client", "GET", "/v1/users/unknown", "", 404},
		{"client", "GET", "/v1/users/{" + ada.ID.String() + "}", "", 404},
		{"client", "GET", "/v1/users/" + strings.ToUpper(ada.ID.String()), "", 404},
		{"service", "GET", me, "", 403},
		// What is not there yet.
		{"client", "GET", me + "/preferences/ui", "", 404},
		{"client", "POST", me, `{}`, 405},
		{"bob", "DELETE", "/v1/me", "", 204},
		{"bob", "GET", "/v1/me", "", 404},
	} {
		t.Run(c.as+" "+c.method+" "+strings.NewReplacer(ada.ID.String(), "ada", bob.ID.String(), "bob").Replace(c.path), func(t *testing.T) {
			a := f.call(t, c.as, c.method, c.path, c.body)
			if c.want < 400 {
				a.want(t, c.want)
				return
			}
			a.problem(t, c.want, "")
			if c.want == 401 && a.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
			if c.want == 405 && a.header.Get("Allow") == "" {
				t.Error("no Allow")
			}
		})
	}
}

func TestOwnAddressIsAnotherFlow(t *testing.T) {
	f := setUp(t)
	f.person(t, "ada")
	self := "/v1/users/" + f.callers["admin"].Subject
	for _, c := range [][2]string{{"ada", "/v1/me"}, {"admin", "/v1/me"}, {"admin", "/v1/users/me"}, {"admin", self}} {
		got := f.call(t, c[0], "PATCH", c[1], `{"email":"new@example.com"}`).problem(t, 403, "email_flow")
		if !cmp.Equal(got, []string{"/email"}) {
			t.Errorf("%v: pointers = %v", c, got)
		}
	}
	f.call(t, "admin", "PATCH", self, `{"username":"root1","email":"administrator@example.com"}`).want(t, 200)
	f.call(t, "client", "PATCH", self, `{"email":"new@example.com"}`).want(t, 200)
}

func TestSuspendedPerson(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada", "users:write")
	f.call(t, "admin", "PATCH", "/v1/users/"+ada.ID.String(), `{"status":"suspended"}`).want(t, 200)
	for _, c := range [][3]string{{"GET", "/v1/me"}, {"PATCH", "/v1/me", `{"username":"x12"}`}, {"PATCH", "/v1/me/profile", `{"name":"x"}`}, {"DELETE", "/v1/me"}} {
		f.call(t, "ada", c[0], c[1], c[2]).problem(t, 403, "forbidden")
	}
}

func TestProfile(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	path := "/v1/users/" + ada.ID.String() + "/profile"
	read := f.call(t, "ada", "GET", "/v1/me/profile", "")
	if diff := cmp.Diff(map[string]any{"name": "ada"}, read.want(t, 200)); diff != "" {
		t.Errorf("profile:\n%s", diff)
	}
	full := `{"name":"Ada Lovelace","given_name":"Ada","family_name":"Lovelace","middle_name":"King","nickname":"Ada","preferred_username":"ada",` +
		`"profile":"https://example.com/ada","picture":"https://example.com/ada.png","website":"https://example.com","gender":"female","birthdate":"1815-12-10",` +
		`"zoneinfo":"Europe/London","locale":"en-GB","phone_number":"+442071838750",` +
		`"address":{"formatted":"12 St James's Square\nLondon","street_address":"12 St James's Square","locality":"London","region":"London","postal_code":"SW1Y 4JH","country":"UK"}}`
	put := f.call(t, "ada", "PUT", path, full, "If-Match", read.header.Get("ETag"))
	var want map[string]any
	if err := json.Unmarshal([]byte(full), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, put.want(t, 200)); diff != "" {
		t.Errorf("profile:\n%s", diff)
	}
	f.call(t, "ada", "PUT", path, `{}`, "If-Match", read.header.Get("ETag")).problem(t, 412, "precondition_failed")
	patched := f.call(t, "ada", "PATCH", "/v1/users/me/profile", `{"address":null,"birthdate":"0000-12-10"}`, "If-Match", put.header.Get("ETag")).want(t, 200)
	if patched["address"] != nil || patched["birthdate"] != "0000-12-10" || patched["name"] != "Ada Lovelace" {
		t.Errorf("profile = %v", patched)
	}
	me := f.call(t, "ada", "GET", "/v1/me", "").want(t, 200)
	if diff := cmp.Diff(patched, me["profile"].(map[string]any)); diff != "" {
		t.Errorf("the embedded profile differs:\n%s", diff)
	}
	if got := f.call(t, "ada", "PATCH", path, `{"website":"javascript:alert(1)","shoe_size":38}`).problem(t, 422, "invalid"); !cmp.Equal(got, []string{"/shoe_size"}) {
		t.Errorf("pointers = %v", got)
	}
	if got := f.call(t, "ada", "PATCH", path, `{"website":"javascript:alert(1)","locale":"?"}`).problem(t, 422, "invalid"); !cmp.Equal(got, []string{"/website", "/locale"}) {
		t.Errorf("pointers = %v", got)
	}
}

func TestRoles(t *testing.T) {
	f := setUp(t)
	ada := f.person(t, "ada")
	path := "/v1/users/" + ada.ID.String() + "/roles"
	put := f.call(t, "admin", "PUT", path, `{"roles":["user","admin","user"]}`)
	body := put.want(t, 200)
	if diff := cmp.Diff([]any{"admin", "user"}, body["roles"]); diff != "" || len(body["permissions"].([]any)) == 0 {
		t.Errorf("roles = %v", body)
	}
	u, err := f.accounts.ByID(t.Context(), ada.ID)
	if err != nil || !cmp.Equal(u.Roles, []string{"admin", "user"}) {
		t.Errorf("stored: %v, %v", u.Roles, err)
	}
	if got := f.call(t, "admin", "PUT", path, `{"roles":["user","root"]}`).problem(t, 422, "invalid"); !cmp.Equal(got, []string{"/roles/1"}) {
		t.Errorf("pointers = %v", got)
	}
	f.call(t, "admin", "PUT", path, `{"roles":[]}`, "If-Match", `"1"`).problem(t, 412, "")
	none := f.call(t, "admin", "PUT", path, `{"roles":[]}`, "If-Match", put.header.Get("ETag")).want(t, 200)
	if diff := cmp.Diff(map[string]any{"roles": []any{}, "permissions": []any{}}, none); diff != "" {
		t.Errorf("no roles:\n%s", diff)
	}
}

func TestStatusOfANewUser(t *testing.T) {
	f := setUp(t)
	body := f.call(t, "admin", "POST", "/v1/users", `{"email":"a@example.com","status":"active"}`).want(t, 201)
	if body["status"] != string(user.StatusActive) || body["email_verified"] != false {
		t.Errorf("user = %v", body)
	}
	for _, status := range []string{"suspended", "deleted", "x"} {
		f.call(t, "admin", "POST", "/v1/users", `{"email":"b@example.com","status":"`+status+`"}`).problem(t, 422, "invalid")
	}
}
