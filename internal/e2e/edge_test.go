package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// waitRevoked is how long a revocation may take to reach the gateway here; the
// promise is a second.
const waitRevoked = 5 * time.Second

func do(t testing.TB, req *http.Request) (int, map[string]any) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	_ = json.Unmarshal(text, &answer)
	return res.StatusCode, answer
}

func expectStatus(t testing.TB, method, target, bearer string, wanted int) error {
	t.Helper()
	status, _, body := call(t, http.DefaultClient, method, target, bearer, nil)
	if status != wanted {
		return fmt.Errorf("%s %s: %d, want %d: %.300s", method, target, status, wanted, body)
	}
	return nil
}

// contractPaths are the /v1 paths of the public contract.
var contractPaths = []string{
	"/v1/sessions", "/v1/clients", "/v1/api-keys", "/v1/consents", "/v1/identities", "/v1/keys", "/v1/audit",
	"/v1/me", "/v1/users", "/v1/users/0190b8f0-0000-7000-8000-000000000000", "/v1/users/0190b8f0-0000-7000-8000-000000000000/profile",
	"/v1/users/0190b8f0-0000-7000-8000-000000000000/preferences/ui", "/v1/users/0190b8f0-0000-7000-8000-000000000000/roles",
	"/v1/roles", "/v1/permissions", "/v1/authorize", "/v1/notifications", "/v1/notifications/stream", "/v1/messages", "/v1/templates",
	"/v1/unknown",
}

func walkWithoutCredentials(t *testing.T, in *installation) {
	for _, path := range contractPaths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
			status, header, body := call(t, http.DefaultClient, method, in.issuer+path, "", nil)
			if status != http.StatusUnauthorized || !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") ||
				header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %d, WWW-Authenticate %q, %s: %s", method, path, status, header.Get("WWW-Authenticate"), header.Get("Content-Type"), body)
			}
		}
	}
	status, header, _ := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/v1/me", "nonsense", nil)
	if status != http.StatusUnauthorized || !strings.Contains(header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("bad token: %d %q", status, header.Get("WWW-Authenticate"))
	}
}

// Identity headers of a client mean nothing, and odd requests are refused.
func walkEdge(t *testing.T, in *installation) {
	for _, name := range []string{"X-Gatehouse-Subject", "X-User", "X-User-Id", "X_User_Id", "X-Roles", "Client-Cert"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.issuer+"/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(name, "admin")
		if status, _ := do(t, req); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	host := strings.TrimPrefix(in.issuer, "http://")
	for name, raw := range map[string]string{
		"both lengths":  "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"no host":       "GET /v1/me HTTP/1.1\r\n\r\n",
		"encoded slash": "GET /v1%2fme HTTP/1.1\r\nHost: x\r\n\r\n",
		"dot segments":  "GET /login/../v1/me HTTP/1.1\r\nHost: x\r\n\r\n",
		"internal API":  "GET /internal/v1/accounts?login=ada@example.com HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.DialTimeout("tcp", host, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if res.StatusCode < 400 || res.StatusCode >= 500 {
			t.Errorf("%s: %s", name, res.Status)
		}
		conn.Close()
	}
}

func walkCORS(t *testing.T, in *installation) {
	preflight := func(origin string) http.Header {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, in.issuer+"/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", "GET")
		req.Header.Set("Access-Control-Request-Headers", "authorization")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.Header
	}
	if got := preflight("http://localhost:3000").Get("Access-Control-Allow-Origin"); got != "http://localhost:3000" {
		t.Errorf("preflight: allow-origin %q", got)
	}
	if got := preflight("http://evil.example").Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("preflight of another origin: %q", got)
	}
	status, header, _ := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/v1/me", in.adminToken(t), nil)
	if header.Get("RateLimit") == "" || header.Get("RateLimit-Policy") == "" {
		t.Errorf("no RateLimit headers (%d): %v", status, header)
	}
}

func walkValidation(t *testing.T, in *installation) {
	admin := in.adminToken(t)
	// OAuth endpoints refuse in the words of RFC 6749 §5.2.
	for _, size := range []int{100 << 10, 10 << 20} {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Repeat("a", size)}}
		status, header, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/oauth2/token", "", form)
		if status != http.StatusRequestEntityTooLarge || header.Get("Content-Type") != "application/json" || !strings.Contains(string(body), `"error":"invalid_request"`) {
			t.Errorf("token request of %d bytes: %d %s %.200s", size, status, header.Get("Content-Type"), body)
		}
	}
	for name, body := range map[string]string{
		"empty": "", "truncated": `{"email":`, "wrong type": `{"email": 5}`, "unknown field": `{"email":"a@b.example","colour":"red"}`,
		"array": `[]`, "invalid UTF-8": "{\"email\":\"\xff@b.example\"}", "large": `{"email":"` + strings.Repeat("a", 2<<20) + `"}`,
	} {
		for _, path := range []string{"/v1/users", "/v1/clients", "/v1/api-keys"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.issuer+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+admin)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode < 400 || res.StatusCode >= 500 || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %s %s", path, name, res.Status, text)
			}
		}
	}
	status, header, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/oauth2/token", "", url.Values{"grant_type": {"password"}})
	if status < 400 || status >= 500 || !strings.Contains(string(body), `"error"`) {
		t.Errorf("token endpoint: %d %s %v", status, body, header)
	}
}

func walkAPIKey(t *testing.T, in *installation) {
	status, _, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/v1/api-keys", in.adminToken(t), map[string]any{
		"name": "nightly", "scopes": []string{"users:read"},
	})
	made := want[struct{ ID, Key string }](t, status, http.StatusCreated, body)
	get := func(key, bearer string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.issuer+"/v1/users?limit=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", key)
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		status, _ := do(t, req)
		return status
	}
	if !strings.HasPrefix(made.Key, "gatehouse_dev_") {
		t.Errorf("key %q", made.Key)
	}
	if status := get(made.Key, ""); status != http.StatusOK {
		t.Errorf("with the key: %d", status)
	}
	last := byte('0')
	if made.Key[len(made.Key)-1] == last {
		last = '1'
	}
	if status := get(made.Key[:len(made.Key)-1]+string(last), ""); status != http.StatusUnauthorized {
		t.Errorf("with a wrong key: %d", status)
	}
	if status := get(made.Key, in.adminToken(t)); status != http.StatusBadRequest {
		t.Errorf("with key and token: %d", status)
	}
	if status, _, body := call(t, http.DefaultClient, http.MethodDelete, in.issuer+"/v1/api-keys/"+made.ID, in.adminToken(t), nil); status/100 != 2 {
		t.Fatalf("revoke key: %d %s", status, body)
	}
	await(t, waitRevoked, "the key is refused", func() error {
		if status := get(made.Key, ""); status != http.StatusUnauthorized {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
}
