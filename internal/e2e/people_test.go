package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The set-up link makes one administrator, once.
func walkSetup(t *testing.T, in *installation) {
	if in.setupURL == "" {
		t.Fatal("bootstrap.json has no admin_setup_url")
	}
	link, err := url.Parse(in.setupURL)
	if err != nil {
		t.Fatal(err)
	}
	browser := newBrowser(t, in.issuer)
	if status, _, body := call(t, browser, http.MethodGet, in.setupURL, "", nil); status != http.StatusOK {
		t.Fatalf("open set-up link: %d %s", status, body)
	}
	form := link.Query()
	form.Set("email", "root@example.com")
	form.Set("username", "root")
	form.Set("password", password)
	if status, _, body := call(t, browser, http.MethodPost, in.issuer+"/setup", "", form); status != http.StatusOK {
		t.Fatalf("set up: %d %s", status, body)
	}
	form.Set("email", "second@example.com")
	form.Set("username", "second")
	if status, _, body := call(t, newBrowser(t, in.issuer), http.MethodPost, in.issuer+"/setup", "", form); status < 400 {
		t.Errorf("the link works twice: %d %s", status, body)
	}

	// The administrator signs in and manages people with its own token.
	admin := &person{email: "root@example.com", browser: newBrowser(t, in.issuer)}
	if status := in.signIn(t, admin.browser, "root", password); status != http.StatusOK {
		t.Fatalf("administrator signs in: %d", status)
	}
	got := in.tokens(t, admin, in.publicClient(t, redirectURI))
	status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/v1/users?limit=2", got.AccessToken, nil)
	page := want[struct {
		Items      []map[string]any
		NextCursor *string `json:"next_cursor"`
	}](t, status, http.StatusOK, body)
	if len(page.Items) != 2 || page.NextCursor == nil {
		t.Errorf("list: %s", body)
	}
	status, header, body := call(t, http.DefaultClient, http.MethodPost, in.issuer+"/v1/users", got.AccessToken, map[string]any{"email": "eve@example.com", "username": "eve"})
	made := want[struct{ ID string }](t, status, http.StatusCreated, body)
	if header.Get("ETag") == "" {
		t.Error("no ETag on creation")
	}
	stale(t, in, got.AccessToken, made.ID, header.Get("ETag"))
	if status, _, body = call(t, http.DefaultClient, http.MethodDelete, in.issuer+"/v1/users/"+made.ID, got.AccessToken, nil); status/100 != 2 {
		t.Errorf("delete: %d %s", status, body)
	}
	if err := expectStatus(t, http.MethodGet, in.issuer+"/v1/users/"+made.ID, got.AccessToken, http.StatusNotFound); err != nil {
		t.Error(err)
	}
}

// stale changes a user and then tries again with the old ETag.
func stale(t *testing.T, in *installation, token, id, etag string) {
	t.Helper()
	patch := func() int {
		body, err := json.Marshal(map[string]any{"username": "eve2"})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, in.issuer+"/v1/users/"+id, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/merge-patch+json")
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("If-Match", etag)
		status, _ := do(t, req)
		return status
	}
	if status := patch(); status != http.StatusOK {
		t.Errorf("patch: %d", status)
	}
	if status := patch(); status != http.StatusPreconditionFailed {
		t.Errorf("patch with a stale ETag: %d", status)
	}
}

func walkUsername(t *testing.T, in *installation, clientID string) {
	p := &person{email: "grace@example.com", browser: newBrowser(t, in.issuer)}
	status, _, body := call(t, p.browser, http.MethodPost, in.issuer+"/register", "",
		url.Values{"email": {p.email}, "username": {"grace"}, "password": {password}})
	if status != http.StatusOK {
		t.Fatalf("register: %d %s", status, body)
	}
	if status := in.signIn(t, p.browser, "grace", password); status == http.StatusOK {
		t.Error("an unverified address signs in")
	}
	in.followVerification(t, p.browser, in.awaitMail(t, p.email, 1))
	if status := in.signIn(t, p.browser, "GRACE", password); status != http.StatusOK {
		t.Errorf("sign in by username: %d", status)
	}
	got := in.tokens(t, p, clientID)
	status, _, body = call(t, http.DefaultClient, http.MethodGet, in.issuer+"/v1/me", got.AccessToken, nil)
	if me := want[map[string]any](t, status, http.StatusOK, body); me["username"] != "grace" {
		t.Errorf("me: %s", body)
	}
	status, _, body = call(t, newBrowser(t, in.issuer), http.MethodPost, in.issuer+"/register", "",
		url.Values{"email": {"other@example.com"}, "username": {"Grace"}, "password": {password}})
	if status < 400 || status >= 500 {
		t.Errorf("a taken username: %d %s", status, body)
	}
}

func walkHTTPS(t *testing.T, in *installation) {
	pem, err := os.ReadFile(filepath.Join(in.data, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	_, port, _ := cutLast(in.https, ":")
	status, _, body := call(t, c, http.MethodGet, "https://localhost:"+port+"/healthz", "", nil)
	if status != http.StatusOK {
		t.Errorf("https: %d %s", status, body)
	}
	// The services themselves want a certificate of the internal authority.
	var at struct{ Auth string }
	text, err := os.ReadFile(filepath.Join(in.data, "addresses.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &at); err != nil {
		t.Fatal(err)
	}
	bare := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // the point is that the server refuses
	if res, err := bare.Get("https://" + at.Auth + "/oauth2/jwks"); err == nil {
		res.Body.Close()
		t.Errorf("auth answers a client without certificate: %s", res.Status)
	}
}

func walkCLI(t *testing.T, in *installation) {
	stdout, stderr, exit := command(t, environment(), "user", "create", "--data", in.data, "--email", "cli@example.com", "--output", "json")
	if exit != 0 {
		t.Fatalf("user create: %d %s", exit, stderr)
	}
	var made map[string]any
	if err := json.Unmarshal([]byte(stdout), &made); err != nil || made["email"] != "cli@example.com" {
		t.Errorf("user create: %v %s", err, stdout)
	}
	if _, stderr, exit = command(t, environment(), "user", "create", "--data", in.data, "--email", "cli@example.com"); exit != 1 {
		t.Errorf("user create twice: %d %s", exit, stderr)
	}
	if _, stderr, exit = command(t, environment(), "client", "create", "--data", in.data); exit != 2 {
		t.Errorf("client create without name: %d %s", exit, stderr)
	}
	stdout, stderr, exit = command(t, environment(), "client", "create", "--data", in.data, "--name", "shop", "--type", "confidential",
		"--redirect-uri", redirectURI, "--output", "json")
	if exit != 0 {
		t.Fatalf("client create: %d %s", exit, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &made); err != nil || made["client_id"] == nil || made["client_secret"] == nil {
		t.Errorf("client create: %v %s", err, stdout)
	}
	walkClientCLI(t, in, made["client_id"].(string), made["client_secret"].(string))
}

// walkClientCLI goes through the life of a client.
func walkClientCLI(t *testing.T, in *installation, id, secret string) {
	t.Helper()
	run := func(args ...string) map[string]any {
		t.Helper()
		stdout, stderr, exit := command(t, environment(), append(append([]string{"client"}, args...), "--data", in.data)...)
		if exit != 0 {
			t.Fatalf("client %v: %d %s", args, exit, stderr)
		}
		var answer map[string]any
		_ = json.Unmarshal([]byte(stdout), &answer)
		return answer
	}
	if got := names(run("list", "--output", "json")["items"], "client_id"); !slices.Contains(got, id) {
		t.Errorf("client list: %v", got)
	}
	if got := run("update", id, "--name", "store", "--output", "json"); got["name"] != "store" {
		t.Errorf("client update: %v", got)
	}
	if got := run("rotate", id, "--overlap", "1h", "--output", "json"); got["client_secret"] == nil || got["client_secret"] == secret {
		t.Errorf("client rotate: %v", got)
	}
	run("delete", id)
	if _, stderr, exit := command(t, environment(), "client", "delete", id, "--data", in.data); exit != 1 || !strings.Contains(stderr, "404") {
		t.Errorf("client delete twice: %d %s", exit, stderr)
	}
	if _, _, exit := command(t, environment(), "client", "update", id, "--data", in.data); exit != 2 {
		t.Errorf("client update of nothing: %d", exit)
	}

}
