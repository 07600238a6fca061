package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mission is an installation with everything configured, and somebody of each
// kind in it.
type mission struct {
	*installation
	admin string // token of the client that may do everything
	app   string // public client of the people
	ada   *person
	adaID string
	token string // ada's
}

// TestMission uses each part of the mission through the gateway.
func TestMission(t *testing.T) {
	provider := dev(t, dataFolder(t))
	front := freePort(t)
	_, port, _ := cutLast(front, ":")
	idp := provider.client(t, map[string]any{
		"name": "Gatehouse", "type": "confidential", "redirect_uris": []string{"http://localhost:" + port + "/login/callback/corp"},
		"scopes": []string{"openid", "profile", "email"},
	})
	folder := gatewayFolder(t)
	settings := filepath.Join(folder, "gatehouse.yaml")
	editFile(t, settings, "  providers: {}\n", `  providers:
    corp:
      plugin: social-oidc
      display_name: "Company account"
      trust_email: true
      config: {issuer: "`+provider.issuer+`", client_id: "`+idp.ID+`", client_secret: "`+idp.Secret+`", allow_loopback_http: true}
`)
	editFile(t, settings, `profile_schema: ""`, `profile_schema: attributes.json`)
	editFile(t, settings, `preference_schemas: ""`, `preference_schemas: preferences`)
	for name, text := range map[string]string{
		"attributes.json":       `{"type":"object","properties":{"cost_centre":{"type":"string","pattern":"^[0-9]{4}$"}},"additionalProperties":false}`,
		"preferences/mail.json": `{"type":"object","properties":{"digest":{"enum":["daily","weekly"]}},"additionalProperties":false}`,
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := dataFolder(t)
	args := []string{"dev", "--config", settings, "--data", data, "--http", front, "--https", "127.0.0.1:0"}
	free := []string{"GATEHOUSE_GATEWAY__ADMIN_LISTEN=127.0.0.1:0", "GATEHOUSE_AUTH__LISTEN=127.0.0.1:0", "GATEHOUSE_USER__LISTEN=127.0.0.1:0", "GATEHOUSE_EMAIL__LISTEN=127.0.0.1:0", "GATEHOUSE_GRAPH__LISTEN=127.0.0.1:0"}
	m := &mission{installation: ready(t, launch(t, environment(free...), args...), data)}
	m.admin = m.adminToken(t)
	m.app = m.client(t, map[string]any{"name": "all", "type": "public", "redirect_uris": []string{redirectURI}, "scopes": strings.Fields(everyScope)}).ID
	m.ada = m.register(t, "ada@example.com")
	m.adaID = m.userID(t, m.ada.email)
	m.refreshAda(t)
	for _, part := range []struct {
		name string
		walk func(t *testing.T, m *mission)
	}{
		{"people", missionPeople},
		{"profile and preferences", missionPreferences},
		{"roles", missionRoles},
		{"password reset", missionReset},
		{"change of address", missionAddress},
		{"new device", missionDevice},
		{"messages", missionMessages},
		{"notifications", missionNotifications},
		{"API keys", missionKeys},
		{"sessions", missionSessions},
		{"introspection and revocation", missionIntrospection},
		{"versions and validation", missionVersions},
		{"GraphQL", missionGraph},
		{"social sign-in", func(t *testing.T, m *mission) { missionSocial(t, m, provider) }},
		{"suspension and deletion reach everyone", missionEnd},
		{"at once", missionAtOnce},
		{"audit", missionAudit},
		{"events", missionEvents},
	} {
		t.Run(part.name, func(t *testing.T) { part.walk(t, m) })
	}
}

const everyScope = "openid profile email offline_access users:read users:write roles:read roles:write keys:read keys:write " +
	"sessions:read sessions:write messages:read messages:send audit:read clients:read clients:write"

// refreshAda signs ada in again.
func (m *mission) refreshAda(t *testing.T) {
	t.Helper()
	if status := m.signIn(t, m.ada.browser, m.ada.email, password); status != http.StatusOK {
		t.Fatalf("sign in: %d", status)
	}
	m.token = m.tokensFor(t, m.ada, m.app, everyScope).AccessToken
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends text to a path of the gateway; header is names and values.
func (m *mission) send(t testing.TB, method, path, token, text string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, m.issuer+path, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if text != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{res.StatusCode, res.Header, body}
}

// want sends and fails unless the status is as wanted; it returns the body.
func (m *mission) want(t testing.TB, status int, method, path, token, text string, header ...string) map[string]any {
	t.Helper()
	got := m.send(t, method, path, token, text, header...)
	if got.status != status {
		t.Fatalf("%s %s %s: %d, want %d: %s", method, path, text, got.status, status, got.body)
	}
	var body map[string]any
	if len(bytes.TrimSpace(got.body)) > 0 {
		if err := json.Unmarshal(got.body, &body); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, got.body)
		}
	}
	return body
}

// names lists one member of each object in a list.
func names(list any, member string) []string {
	var all []string
	items, _ := list.([]any)
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			text, _ := object[member].(string)
			all = append(all, text)
		} else if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}
