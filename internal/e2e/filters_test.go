package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/jose"
)

// TestFilters is an operator's day with filters that others wrote, on a running
// installation: look at one, check the file, put it live, see it fail and
// replace it, and take tokens of somebody else's issuer.
func TestFilters(t *testing.T) {
	folder, data := gatewayFolder(t), dataFolder(t)
	config := filepath.Join(folder, "gatehouse.yaml")
	in := ready(t, launch(t, environment(), "dev", "--data", data, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--config", config), data)
	file := filepath.Join(folder, "gateway.yaml")
	for _, name := range []string{"shout", "trap"} {
		wasm, err := os.ReadFile(filepath.Join(repository, "gateway", "app", "testdata", "wild", name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+".wasm"), wasm, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, said, exit := command(t, environment(), "filter", "inspect", filepath.Join(folder, "shout.wasm")); exit != 0 || !strings.Contains(out, "http-wasm") || !strings.Contains(out, "sha256") {
		t.Errorf("inspect: %d\n%s%s", exit, out, said)
	}
	if out, said, exit := command(t, environment(), "gateway", "check", filepath.Join("configs", "examples", "filters.yaml")); exit != 0 {
		t.Errorf("check of the example: %d\n%s%s", exit, out, said)
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	t.Cleanup(up.Close)
	t.Run("check", func(t *testing.T) { operatorChecks(t, config, file) })
	t.Run("live", func(t *testing.T) { operatorReplaces(t, in, up.URL, data, config, file) })
	t.Run("issuer", func(t *testing.T) { operatorTrusts(t, in, file) })
}

// operatorChecks makes a mistake in a filter's configuration and asks what it
// is.
func operatorChecks(t *testing.T, config, file string) {
	good, bad := "key: source_address, limits: [{rate: 100, per: 1s, burst: 200}]", "key: source_address, limits: [{rate: many, per: 1s, burst: 200}]"
	check := func() (string, int) {
		out, said, exit := command(t, environment(), "gateway", "check", "--config", config)
		return out + said, exit
	}
	if said, exit := check(); exit != 0 || !strings.Contains(said, "ok") {
		t.Errorf("check of a good file: %d %s", exit, said)
	}
	editFile(t, file, good, bad)
	line := 0
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(string(text), "\n") {
		if strings.Contains(l, "rate: many") {
			line = i + 1
		}
	}
	if said, exit := check(); exit != 1 || !strings.Contains(said, fmt.Sprintf("gateway.yaml:%d:", line)) || !strings.Contains(said, "rate") {
		t.Errorf("check of a wrong file: %d %s, want line %d", exit, said, line)
	}
	editFile(t, file, bad, good)
	if out, said, exit := command(t, environment(), "gateway", "routes", "--config", config, "--output", "json"); exit != 0 || !strings.Contains(out, `"users-read"`) {
		t.Errorf("routes: %d %s", exit, said)
	}
}

// operatorReplaces puts a filter live that fails at the response, and another
// in its place; nobody else notices.
func operatorReplaces(t *testing.T, in *installation, shop, data, config, file string) {
	editFile(t, file, "upstreams:\n", "  strange: {module: \"file:trap.wasm\"}\nupstreams:\n  shop: {targets: [\""+shop+"\"]}\n")
	editFile(t, file, "routes:\n", "routes:\n  - {name: shop, match: {path: \"/shop/*\"}, filters: [cors, per-ip, strange], upstream: shop}\n")
	reload := func() {
		t.Helper()
		if out, said, exit := command(t, environment("GATEHOUSE_DATA="+data), "gateway", "reload", "--config", config, "--data", data); exit != 0 {
			t.Fatalf("reload: %d %s%s", exit, out, said)
		}
	}
	reload()
	for range 20 {
		status, header, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/shop/1", "", nil)
		if status != http.StatusServiceUnavailable || header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("a trap answers %d %s", status, body)
		}
	}
	if status, _, _ := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/.well-known/openid-configuration", "", nil); status != http.StatusOK {
		t.Errorf("a neighbour answers %d", status)
	}
	_, _, metrics := call(t, http.DefaultClient, http.MethodGet, "http://"+in.admin+"/metrics", "", nil)
	if !strings.Contains(string(metrics), `gatehouse_filter_traps_total{filter="strange"`) {
		t.Error("the traps are not in the metrics")
	}
	alertsExist(t, string(metrics))
	if log, err := os.ReadFile(filepath.Join(data, "logs", "gatehouse.log")); err != nil || !strings.Contains(string(log), "filter trapped") {
		t.Errorf("the log does not say why: %v", err)
	}
	editFile(t, file, "file:trap.wasm\"}", "file:shout.wasm\", grants: [body]}")
	reload()
	if status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/shop/1", "", nil); status != http.StatusOK || !strings.HasPrefix(strings.ToLower(string(body)), "hello") {
		t.Errorf("with a good module: %d %s", status, body)
	}
	// A module that does not compile leaves the one that runs.
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "shout.wasm"), []byte("\x00asm\x01\x00\x00\x00 and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, said, exit := command(t, environment(), "gateway", "reload", "--config", config, "--data", data); exit != 1 || !strings.Contains(said, "strange") {
		t.Errorf("reload with a broken module: %d %s", exit, said)
	}
	if status, _, _ := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/shop/1", "", nil); status != http.StatusOK {
		t.Errorf("after a refused reload: %d", status)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(file), "shout.wasm")); err != nil {
		t.Fatal(err)
	}
	editFile(t, file, "filters: [cors, per-ip, strange]", "filters: [cors, per-ip]")
	editFile(t, file, "  strange: {module: \"file:shout.wasm\", grants: [body]}\n", "")
	reload()
}

// alertsExist looks for the metrics that the shipped alerting rules ask for. The
// shared store of limits and what is refused have none before they are used.
func alertsExist(t *testing.T, metrics string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "configs", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, name := range regexp.MustCompile(`gatehouse_[a-z_]+`).FindAllString(string(text), -1) {
		if strings.HasPrefix(name, "gatehouse_limit_store") || name == "gatehouse_filter_refused_total" {
			continue
		}
		if asked++; !strings.Contains(metrics, "# TYPE "+name+" ") {
			t.Errorf("an alert asks for %s, which the gateway does not have", name)
		}
	}
	if asked < 3 {
		t.Errorf("%d metrics in the alerting rules", asked)
	}
}

// operatorTrusts takes the tokens of another issuer for a shop, and no service
// of Gatehouse takes its people for its own.
func operatorTrusts(t *testing.T, in *installation, file string) {
	key, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.PublicSet(key))
	}))
	t.Cleanup(keys.Close)
	editFile(t, file, "config: {issuers: [{issuer: self, audience: [gatehouse]}], realm: gatehouse}",
		"config: {issuers: [{issuer: self, audience: [gatehouse]}, {issuer: \"https://partner.example\", audience: [gatehouse], jwks_uri: \""+keys.URL+"/keys\"}], realm: gatehouse}")
	editFile(t, file, "name: shop, match: {path: \"/shop/*\"}, filters: [cors, per-ip], ", "name: shop, match: {path: \"/shop/*\"}, filters: [cors, per-ip, key, token], require: {authenticated: true}, ")
	now := time.Now()
	token, err := jose.Sign(key, "at+jwt", jose.Claims{
		Issuer: "https://partner.example", Subject: "0197a0aa-0000-7000-8000-000000000001", ClientID: "partner", ID: "1",
		Scope: "openid users:read admin", Audience: []string{"gatehouse"}, IssuedAt: now, ExpiresAt: now.Add(time.Minute),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, "the other issuer's token is taken", func() error {
		status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+"/shop/1", token, nil)
		if status != http.StatusOK {
			return fmt.Errorf("%d %s", status, body)
		}
		return context.Cause(t.Context())
	})
	for _, path := range []string{"/v1/me", "/v1/users", "/v1/api-keys", "/v1/sessions", "/v1/notifications"} {
		if status, _, body := call(t, http.DefaultClient, http.MethodGet, in.issuer+path, token, nil); status != http.StatusForbidden && status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
