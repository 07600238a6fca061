package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// withKey asks for users with an API key and returns the status.
func (m *mission) withKey(t testing.TB, key string) int {
	t.Helper()
	return m.send(t, "GET", "/v1/users?limit=1", "", "", "X-API-Key", key).status
}

func (m *mission) awaitKey(t testing.TB, key string, status int) {
	t.Helper()
	await(t, waitRevoked, fmt.Sprintf("the key gets %d", status), func() error {
		if got := m.withKey(t, key); got != status {
			return fmt.Errorf("%d", got)
		}
		return nil
	})
}

func missionKeys(t *testing.T, m *mission) {
	made := m.want(t, http.StatusCreated, "POST", "/v1/api-keys", m.admin, `{"name":"nightly","scopes":["users:read"]}`)
	key, path := made["key"].(string), "/v1/api-keys/"+made["id"].(string)
	m.awaitKey(t, key, http.StatusOK)
	rotated := m.want(t, http.StatusOK, "POST", path+"/rotate", m.admin, `{"overlap_seconds":3600}`)
	second := rotated["key"].(string)
	if second == key || rotated["id"] != made["id"] {
		t.Errorf("rotated: %v", rotated)
	}
	m.awaitKey(t, key, http.StatusOK)
	m.awaitKey(t, second, http.StatusOK)
	third := m.want(t, http.StatusOK, "POST", path+"/rotate", m.admin, `{"overlap_seconds":0}`)["key"].(string)
	m.awaitKey(t, second, http.StatusUnauthorized)
	m.awaitKey(t, key, http.StatusUnauthorized)
	m.awaitKey(t, third, http.StatusOK)
	if got := m.want(t, http.StatusOK, "GET", path, m.admin, ""); got["key"] != nil || got["last_used_at"] == nil {
		t.Errorf("read: %v", got)
	}
	m.want(t, http.StatusNoContent, "DELETE", path, m.admin, "")
	m.awaitKey(t, third, http.StatusUnauthorized)

	// A person's key can do what the person may when it is used.
	m.want(t, http.StatusUnprocessableEntity, "POST", "/v1/api-keys", m.token, `{"name":"mine","scopes":["users:read"]}`)
	m.want(t, http.StatusCreated, "POST", "/v1/roles", m.admin, `{"name":"lister","permissions":["users:read"]}`)
	m.want(t, http.StatusOK, "PUT", "/v1/users/"+m.adaID+"/roles", m.admin, `{"roles":["lister"]}`)
	m.refreshAda(t)
	own := m.want(t, http.StatusCreated, "POST", "/v1/api-keys", m.token, `{"name":"mine","scopes":["users:read"]}`)["key"].(string)
	m.awaitKey(t, own, http.StatusOK)
	m.want(t, http.StatusOK, "PATCH", "/v1/roles/lister", m.admin, `{"permissions":["articles:read"]}`)
	m.awaitKey(t, own, http.StatusForbidden)
	m.want(t, http.StatusOK, "PATCH", "/v1/roles/lister", m.admin, `{"permissions":["users:read"]}`)
	m.awaitKey(t, own, http.StatusOK)
	m.want(t, http.StatusOK, "PUT", "/v1/users/"+m.adaID+"/roles", m.admin, `{"roles":[]}`)
	m.awaitKey(t, own, http.StatusForbidden)
	m.refreshAda(t)
}

func missionSessions(t *testing.T, m *mission) {
	m.want(t, http.StatusNoContent, "DELETE", "/v1/sessions", m.token, "")
	m.refreshAda(t)
	others := make([]string, 2)
	for i := range others {
		elsewhere := &person{email: m.ada.email, browser: newBrowser(t, m.issuer)}
		m.signIn(t, elsewhere.browser, elsewhere.email, password)
		others[i] = m.tokensFor(t, elsewhere, m.app, everyScope).AccessToken
	}
	list := func() []any {
		t.Helper()
		return m.want(t, http.StatusOK, "GET", "/v1/sessions", m.token, "")["items"].([]any)
	}
	all := list()
	if len(all) != 3 {
		t.Fatalf("%d sessions: %v", len(all), all)
	}
	for _, item := range all {
		s := item.(map[string]any)
		if s["device"] == nil || s["last_seen_at"] == nil {
			t.Errorf("session %v", s)
		}
	}
	gone := func(token string) {
		t.Helper()
		await(t, waitRevoked, "the session's access ends", func() error {
			return expectStatus(t, http.MethodGet, m.issuer+"/v1/me", token, http.StatusUnauthorized)
		})
	}
	lines, ended := m.stream(t.Context(), t, others[0])
	_ = lines
	m.want(t, http.StatusNoContent, "DELETE", "/v1/sessions/"+claimsOf(t, others[0])["sid"].(string), m.token, "")
	gone(others[0])
	select {
	case <-ended:
	case <-time.After(waitRevoked):
		t.Error("the stream outlives its session")
	}
	m.want(t, http.StatusNoContent, "DELETE", "/v1/sessions?except=current", m.token, "")
	gone(others[1])
	if rest := list(); len(rest) != 1 || rest[0].(map[string]any)["current"] != true {
		t.Errorf("left: %v", rest)
	}
	// Administrators see and end those of others.
	if got := names(m.want(t, http.StatusOK, "GET", "/v1/sessions?user_id="+m.adaID, m.admin, "")["items"], "id"); len(got) != 1 {
		t.Errorf("an administrator sees %v", got)
	}
	m.want(t, http.StatusForbidden, "GET", "/v1/sessions?user_id=0190b8f0-0000-7000-8000-000000000000", m.token, "")
	m.want(t, http.StatusNoContent, "DELETE", "/v1/sessions?user_id="+m.adaID, m.admin, "")
	gone(m.token)
	m.refreshAda(t)
}

func missionIntrospection(t *testing.T, m *mission) {
	confidential := func(name string) registered {
		return m.client(t, map[string]any{"name": name, "type": "confidential", "grant_types": []string{"client_credentials"}, "scopes": []string{"users:read"}})
	}
	mine, other := confidential("mine"), confidential("other")
	token := m.clientToken(t, mine.ID, mine.Secret, "users:read")
	post := func(c registered, path string) (int, map[string]any) {
		t.Helper()
		got := m.send(t, "POST", path, "", url.Values{"token": {token}}.Encode(), "Content-Type", "application/x-www-form-urlencoded",
			"Authorization", basic(c))
		var body map[string]any
		_ = json.Unmarshal(got.body, &body)
		return got.status, body
	}
	if _, got := post(mine, "/oauth2/introspect"); got["active"] != true {
		t.Errorf("its own token: %v", got)
	}
	if _, got := post(other, "/oauth2/introspect"); got["active"] != false || len(got) != 1 {
		t.Errorf("another client learns %v", got)
	}
	if status, _ := post(registered{mine.ID, "wrong"}, "/oauth2/introspect"); status != http.StatusUnauthorized {
		t.Errorf("wrong secret: %d", status)
	}
	post(other, "/oauth2/revoke")
	if _, got := post(mine, "/oauth2/introspect"); got["active"] != true {
		t.Error("another client revoked the token")
	}
	if status, _ := post(mine, "/oauth2/revoke"); status != http.StatusOK {
		t.Errorf("revoke: %d", status)
	}
	await(t, waitRevoked, "the revoked token ends", func() error {
		return expectStatus(t, http.MethodGet, m.issuer+"/v1/users?limit=1", token, http.StatusUnauthorized)
	})
}

func basic(c registered) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID)+":"+url.QueryEscape(c.Secret)))
}

func missionVersions(t *testing.T, m *mission) {
	for _, row := range []struct {
		path, version string
		status        int
	}{
		{"/v1/me", "", 200}, {"/me", "", 200}, {"/me", "1", 200}, {"/me", "v1", 200}, {"/v1/me", "1", 200},
		{"/v2/me", "", 404}, {"/me", "2", 400}, {"/v1/me", "2", 400},
	} {
		var header []string
		if row.version != "" {
			header = []string{"API-Version", row.version}
		}
		got := m.send(t, "GET", row.path, m.token, "", header...)
		if got.status != row.status || row.status == 200 && got.header.Get("API-Version") != "v1" {
			t.Errorf("%s with %q: %d %s", row.path, row.version, got.status, got.body)
		}
		if got.status == 404 && !strings.Contains(string(got.body), "there is v1") {
			t.Errorf("%s: %s", row.path, got.body)
		}
	}
	refused := m.want(t, http.StatusUnprocessableEntity, "POST", "/v1/users", m.admin, `{"email":1,"profile":[]}`)
	if got := names(refused["errors"], "pointer"); !slices.Contains(got, "/email") || !slices.Contains(got, "/profile") {
		t.Errorf("violations at %v", got)
	}
}

// query posts a GraphQL document and returns its data and errors.
func (m *mission) query(t testing.TB, token, document string) (data map[string]any, errs []any) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"query": document})
	if err != nil {
		t.Fatal(err)
	}
	body := m.want(t, http.StatusOK, "POST", "/graphql", token, string(text))
	data, _ = body["data"].(map[string]any)
	errs, _ = body["errors"].([]any)
	return data, errs
}

func missionGraph(t *testing.T, m *mission) {
	const fields = `{ id email status profile { name } preferences { namespace value } roles permissions sessions { id current } notifications(limit: 3) { items { title } } }`
	data, errs := m.query(t, m.token, `{ me `+fields+` }`)
	me, _ := data["me"].(map[string]any)
	if len(errs) > 0 || me["email"] != m.ada.email || me["status"] != "ACTIVE" {
		t.Fatalf("me: %v %v", data, errs)
	}
	if profile, _ := me["profile"].(map[string]any); profile["name"] != "Ada Lovelace" || len(me["sessions"].([]any)) != 1 {
		t.Errorf("me: %v", me)
	}
	// Somebody else sees what it may, and learns why of the rest.
	data, errs = m.query(t, m.admin, `{ user(id: "`+m.adaID+`") `+fields+` }`)
	user, _ := data["user"].(map[string]any)
	if user["email"] != m.ada.email || user["notifications"] != nil || len(errs) != 1 {
		t.Errorf("user: %v %v", data, errs)
	}
	data, errs = m.query(t, m.token, `{ user(id: "0190b8f0-0000-7000-8000-000000000000") { email } }`)
	if user, _ := data["user"].(map[string]any); user["email"] != nil || !strings.Contains(fmt.Sprint(errs), "FORBIDDEN") && user != nil {
		t.Errorf("a stranger: %v %v", data, errs)
	}
	deep := strings.Repeat("{ ofType ", 30) + "{ name }" + strings.Repeat("}", 30)
	if got := m.send(t, "POST", "/graphql", m.token, `{"query":"{ __schema { types `+deep+` } }"}`); !strings.Contains(string(got.body), "DEPTH_LIMIT") {
		t.Errorf("deep: %d %s", got.status, got.body)
	}
	if got := m.send(t, "GET", "/graphql?query={me{id}}", m.token, ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", got.status)
	}
	m.want(t, http.StatusUnauthorized, "POST", "/graphql", "", `{"query":"{ me { id } }"}`)
}

func missionSocial(t *testing.T, m *mission, provider *installation) {
	page := m.send(t, "GET", "/login", "", "")
	if !strings.Contains(string(page.body), "Company account") || !strings.Contains(string(page.body), "/login/start/corp") {
		t.Fatalf("no button: %s", page.body)
	}
	// Somebody whom only the provider knows.
	rosa := provider.register(t, "rosa@example.com")
	if status := provider.signIn(t, rosa.browser, rosa.email, password); status != http.StatusOK {
		t.Fatalf("sign in at the provider: %d", status)
	}
	browser := rosa.browser
	// Both installations are on this machine.
	browser.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > 15 || strings.HasPrefix(req.URL.String(), redirectURI) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	status, _, body := call(t, browser, http.MethodGet, m.issuer+"/login/start/corp?return_to=/account", "", nil)
	if status != http.StatusOK || !strings.Contains(string(body), rosa.email) {
		t.Fatalf("sign in through the provider: %d %s", status, body)
	}
	id := m.userID(t, rosa.email)
	if got := m.want(t, http.StatusOK, "GET", "/v1/users/"+id, m.admin, ""); got["status"] != "active" || got["email_verified"] != true {
		t.Errorf("the account: %v", got)
	}
	token := m.tokensFor(t, &person{email: rosa.email, browser: browser}, m.app, everyScope).AccessToken
	linked := m.want(t, http.StatusOK, "GET", "/v1/identities", token, "")["items"].([]any)
	if len(linked) != 1 || linked[0].(map[string]any)["provider"] != "corp" {
		t.Fatalf("identities %v", linked)
	}
	// The last way in stays.
	refused := m.want(t, http.StatusConflict, "DELETE", "/v1/identities/"+linked[0].(map[string]any)["id"].(string), token, "")
	if refused["code"] != "last_sign_in_method" {
		t.Errorf("unlink: %v", refused)
	}
}

func missionEnd(t *testing.T, m *mission) {
	max := m.register(t, "max@example.com")
	id := m.userID(t, max.email)
	m.signIn(t, max.browser, max.email, password)
	token := m.tokensFor(t, max, m.app, everyScope).AccessToken
	key := m.want(t, http.StatusCreated, "POST", "/v1/api-keys", token, `{"name":"own","scopes":["openid"]}`)["key"].(string)
	uses := func() int { return m.send(t, "GET", "/v1/me", "", "", "X-API-Key", key).status }
	if got := uses(); got != http.StatusOK {
		t.Fatalf("with the key: %d", got)
	}
	m.want(t, http.StatusOK, "PATCH", "/v1/users/"+id, m.admin, `{"status":"suspended"}`)
	await(t, waitRevoked, "token and key end", func() error {
		if got := uses(); got != http.StatusUnauthorized {
			return fmt.Errorf("the key gets %d", got)
		}
		return expectStatus(t, http.MethodGet, m.issuer+"/v1/me", token, http.StatusUnauthorized)
	})
	if status := m.signIn(t, newBrowser(t, m.issuer), max.email, password); status == http.StatusOK {
		t.Error("a suspended person signs in")
	}
	m.want(t, http.StatusOK, "PATCH", "/v1/users/"+id, m.admin, `{"status":"active"}`)
	if status := m.signIn(t, newBrowser(t, m.issuer), max.email, password); status != http.StatusOK {
		t.Errorf("let in again: %d", status)
	}
	m.want(t, http.StatusNoContent, "DELETE", "/v1/users/"+id, m.admin, "")
	if status := m.signIn(t, newBrowser(t, m.issuer), max.email, password); status == http.StatusOK {
		t.Error("a deleted person signs in")
	}
	m.want(t, http.StatusOK, "POST", "/v1/users/"+id+"/restore", m.admin, "{}")
	if status := m.signIn(t, newBrowser(t, m.issuer), max.email, password); status != http.StatusOK {
		t.Errorf("restored: %d", status)
	}
}

func missionAudit(t *testing.T, m *mission) {
	record := func(query string) map[string]any {
		t.Helper()
		var found map[string]any
		await(t, 15*time.Second, "a record of "+query, func() error {
			items := m.want(t, http.StatusOK, "GET", "/v1/audit?"+query, m.admin, "")["items"].([]any)
			if len(items) == 0 {
				return fmt.Errorf("none")
			}
			found = items[0].(map[string]any)
			return nil
		})
		return found
	}
	for _, action := range []string{
		"user.created", "user.suspended", "user.deleted", "user.restored", "user.roles_changed", "role.created",
		"session.created", "session.revoked", "password.reset", "key.created", "key.rotated", "key.revoked",
		"client.created", "identity.linked", "message.sent_by_client", "token.issued", "user.email_changed",
	} {
		got := record("action=" + action)
		if got["outcome"] != "success" || got["service"] == "" || got["time"] == nil {
			t.Errorf("%s: %v", action, got)
		}
	}
	suspended := record("action=user.suspended")
	if suspended["actor_id"] != m.clientID || suspended["request_id"] == "" || suspended["address"] == "" {
		t.Errorf("who and whence: %v", suspended)
	}
	if failed := record("action=session.sign_in_failed"); failed["outcome"] != "failure" {
		t.Errorf("%v", failed)
	}
	m.want(t, http.StatusForbidden, "GET", "/v1/audit", m.token, "")
	stdout, stderr, exit := command(t, environment(), "audit", "list", "--data", m.data, "--action", "user.suspended", "--limit", "1", "--output", "json")
	if exit != 0 || !strings.Contains(stdout, "user.suspended") {
		t.Errorf("audit list: %d %s %s", exit, stdout, stderr)
	}
}
