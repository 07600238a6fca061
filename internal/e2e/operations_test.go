package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/rbac"
)

// caller is one column of the table of operations.
type caller struct {
	name, id string
	// token gives a new one: an operation may end the one before.
	token func() string
}

// callers makes one of each.
func (in *installation) callers(t *testing.T) []caller {
	t.Helper()
	admin := in.adminToken(t)
	var reading []string
	for _, p := range rbac.All() {
		if strings.HasSuffix(p, ":read") {
			reading = append(reading, p)
		}
	}
	status, _, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/v1/roles", admin, map[string]any{"name": "reader", "permissions": reading})
	want[map[string]any](t, status, http.StatusCreated, body)
	scopes := slices.Concat([]string{"openid"}, rbac.All())
	app := in.client(t, map[string]any{"name": "all", "type": "public", "redirect_uris": []string{redirectURI}, "scopes": scopes})
	people := func(name string, roles ...string) caller {
		p := in.register(t, name+"@example.com")
		c := caller{name: name, id: in.userID(t, p.email)}
		if len(roles) > 0 {
			status, _, body := call(t, http.DefaultClient, http.MethodPut, in.issuer+"/v1/users/"+c.id+"/roles", admin, map[string]any{"roles": roles})
			want[map[string]any](t, status, http.StatusOK, body)
		}
		c.token = func() string {
			if status := in.signIn(t, p.browser, p.email, password); status != http.StatusOK {
				t.Fatalf("%s signs in: %d", name, status)
			}
			return in.tokensFor(t, p, app.ID, strings.Join(scopes, " ")).AccessToken
		}
		return c
	}
	bare := in.client(t, map[string]any{"name": "bare", "type": "confidential", "grant_types": []string{"client_credentials"}, "scopes": []string{"shop:read"}})
	return []caller{
		{name: "nobody", token: func() string { return "" }},
		people("person"), people("reader", "reader"), people("admin", rbac.RoleAdmin),
		{name: "bare", id: bare.ID, token: func() string { return in.clientToken(t, bare.ID, bare.Secret, "shop:read") }},
		{name: "client", id: in.clientID, token: func() string { return in.adminToken(t) }},
	}
}

// TestOperations walks every operation as every kind of caller through the
// gateway. Who may is decided before anything else about the request.
func TestOperations(t *testing.T) {
	in := dev(t, dataFolder(t))
	table, err := rbac.Operations()
	if err != nil {
		t.Fatal(err)
	}
	if len(table) < 80 {
		t.Fatalf("%d operations in the table", len(table))
	}
	for _, c := range in.callers(t) {
		t.Run(c.name, func(t *testing.T) {
			token := c.token()
			for _, o := range table {
				status := in.tryOperation(t, o, c, token)
				if got := verdict(status); got != o.Answers[c.name] {
					t.Errorf("%s %s: %d, want %s", o.Method, o.Path, status, o.Answers[c.name])
				}
				if o.Method == http.MethodDelete && strings.HasPrefix(o.Path, "/v1/sessions") && c.name != "nobody" {
					token = c.token() // it may have ended the session
				}
			}
		})
	}
}

// plausible are bodies that the gateway lets through to who decides.
var plausible = map[string]string{
	"/v1/users":   `{"email":"made-by-CALLER@example.com"}`,
	"/v1/clients": `{"name":"made by CALLER","redirect_uris":[]}`,
}

func verdict(status int) string {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Sprint(status)
	case status >= 500:
		return fmt.Sprintf("%d, a failure", status)
	}
	return "ok"
}

// tryOperation sends a request that harms nobody: about something that does not
// exist, with an empty body and a version that is not current.
func (in *installation) tryOperation(t *testing.T, o rbac.Operation, c caller, token string) int {
	t.Helper()
	id := c.id
	if id == "" {
		id = "0190b8f0-0000-7000-8000-000000000001"
	}
	path := strings.NewReplacer("{self}", id, "{id}", "0190b8f0-0000-7000-8000-000000000000", "{name}", "absent", "{namespace}", "absent",
		"{address}", "absent@example.com", "{provider}", "absent").Replace(o.Path)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	body, contentType := "", ""
	switch o.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		body, contentType = "{}", "application/json"
		if text, ok := plausible[o.Path]; ok {
			body = strings.ReplaceAll(text, "CALLER", c.name)
		}
		if !strings.HasPrefix(o.Path, "/v1/") && o.Path != "/graphql" {
			body, contentType = url.Values{"nothing": {"1"}}.Encode(), "application/x-www-form-urlencoded"
		}
	}
	req, err := http.NewRequestWithContext(ctx, o.Method, in.issuer+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("If-Match", `"0"`)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", o.Method, o.Path, err)
	}
	_ = res.Body.Close() // a stream would not end
	if res.StatusCode == http.StatusTooManyRequests {
		time.Sleep(500 * time.Millisecond)
		return in.tryOperation(t, o, c, token)
	}
	return res.StatusCode
}

// registered is a client with its secret, if it has one.
type registered struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// client registers a client.
func (in *installation) client(t testing.TB, body map[string]any) registered {
	t.Helper()
	status, _, answer := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/v1/clients", in.adminToken(t), body)
	return want[registered](t, status, http.StatusCreated, answer)
}

// userID finds a person by its address.
func (in *installation) userID(t testing.TB, email string) string {
	t.Helper()
	status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/v1/users?email="+url.QueryEscape(email), in.adminToken(t), nil)
	page := want[struct{ Items []struct{ ID string } }](t, status, http.StatusOK, body)
	if len(page.Items) != 1 {
		t.Fatalf("%d people with the address %s", len(page.Items), email)
	}
	return page.Items[0].ID
}
