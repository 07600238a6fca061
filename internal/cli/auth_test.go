package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/migrations"
	"gatehouse.example/services/auth/apikeys"
	auth "gatehouse.example/services/auth/app"
	auditlog "gatehouse.example/services/auth/audit"
	"gatehouse.example/services/auth/postgres"
)

// authInstallation is the auth service behind what a gateway does for it.
type authInstallation struct {
	t     *testing.T
	db    *database.DB
	keys  *authapi.Client
	flags []string
}

func newAuthInstallation(t *testing.T) *authInstallation {
	t.Helper()
	data := t.TempDir()
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(data, "authority.pem"), filepath.Join(data, "authority-key.pem"), "test.example", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := authority.IssueService("gateway", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	in := &authInstallation{t: t}
	in.db = databasetest.New(t, database.MigrationSet{Service: "auth", Role: "gatehouse_auth", FS: migrations.Auth, ReadsAudit: true})
	minter := identity.NewMinter(gateway, time.Now)
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			token, _, err := minter.Mint(identity.Principal{Kind: identity.KindClient, Subject: "ops", ClientID: "ops", Scopes: []string{identity.ScopeAdmin}}, "gatehouse")
			if err != nil {
				t.Error(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
		}
		handler.ServeHTTP(w, r.WithContext(identity.WithPeer(r.Context(), "gateway")))
	}))
	t.Cleanup(server.Close)
	app, err := auth.New(t.Context(), auth.Options{
		Config: config.Auth{}, Issuer: server.URL, Environment: "test", DataDir: data, DB: in.db,
		Verifier: identity.NewVerifier(gateway.Roots, "test.example", "gatehouse", time.Now),
		// Keys of clients need no account.
		Users:           userapi.New(api.New(api.Options{Base: server.URL})),
		BootstrapClient: &auth.BootstrapClient{ClientID: "ops", ClientSecret: "s3cret"}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	handler = app.Handler()
	in.keys = authapi.New(api.New(api.Options{Base: server.URL}))
	file := filepath.Join(data, "secret")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.flags = []string{"--data", data, "--issuer", server.URL, "--client-id", "ops", "--client-secret-file", file}
	return in
}

func (in *authInstallation) run(args ...string) (code int, stdout, stderr string) {
	return command(append(args, in.flags...)...)
}

func command(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func (in *authInstallation) works(key string) bool {
	_, err := in.keys.VerifyAPIKey(in.t.Context(), key)
	return err == nil
}

// wrong runs command lines that fail, with the code and a part of the message.
type wrong struct {
	args []string
	code int
	says string
}

func check(t *testing.T, run func(args ...string) (int, string, string), rows []wrong) {
	t.Helper()
	for _, row := range rows {
		code, stdout, stderr := run(row.args...)
		if code != row.code || !strings.Contains(stdout+stderr, row.says) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s%s", row.args, code, row.code, row.says, stdout, stderr)
		}
	}
}

// TestAPIKeyCommands walks a key through its life.
func TestAPIKeyCommands(t *testing.T) {
	in := newAuthInstallation(t)
	code, stdout, stderr := in.run("apikey", "create", "--name", "ci\tx", "--scope", "users:read,users:write", "--expires-in", "1h")
	made := regexp.MustCompile(`^id   ([0-9a-f-]{36})\nkey  (gatehouse_test_\S+)\n$`).FindStringSubmatch(stdout)
	if code != ExitDone || made == nil {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	id, first := made[1], made[2]
	if !in.works(first) {
		t.Error("the new key does not work")
	}
	code, stdout, stderr = in.run("apikey", "rotate", id, "--overlap", "24h", "--output", "json")
	var second apikeys.View
	if err := json.Unmarshal([]byte(stdout), &second); err != nil || code != ExitDone || second.ID != id || second.PreviousExpiresAt == nil {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	if !in.works(first) || !in.works(second.Key) {
		t.Error("a key does not work within the overlap")
	}
	if code, stdout, stderr = in.run("apikey", "list"); code != ExitDone || !regexp.MustCompile(`(?m)^`+id+`  ci x  users:read users:write  \d{4}-\S+Z  never$`).MatchString(stdout) {
		t.Errorf("list: exit code %d: %s%s", code, stdout, stderr)
	}
	var list jsonhttp.List[apikeys.View]
	code, stdout, _ = in.run("apikey", "list", "--owner", "ops", "--owner-kind", "client", "--output", "json")
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != ExitDone || len(list.Items) != 1 || list.Items[0].Key != "" {
		t.Errorf("list of an owner: %v: %s", err, stdout)
	}
	if code, stdout, _ = in.run("apikey", "list", "--owner", "01890000-0000-7000-8000-000000000000"); code != ExitDone || stdout != "ID  NAME  SCOPES  EXPIRES  LAST USED\n" {
		t.Errorf("list of nobody: exit code %d: %q", code, stdout)
	}
	if code, stdout, stderr = in.run("apikey", "revoke", id); code != ExitDone || stdout != "revoked  "+id+"\n" || in.works(second.Key) {
		t.Errorf("revoke: exit code %d: %s%s", code, stdout, stderr)
	}
	check(t, in.run, []wrong{
		{[]string{"apikey", "revoke", id}, ExitFailed, "404"},
		{[]string{"apikey", "revoke"}, ExitUsage, "the id of a key"},
		{[]string{"apikey", "revoke", "../clients/ops"}, ExitFailed, "404"},
		{[]string{"apikey", "rotate"}, ExitUsage, "the key's id"},
		{[]string{"apikey", "rotate", id}, ExitFailed, "404"},
		{[]string{"apikey", "rotate", id, "--overlap", "1ms"}, ExitUsage, "whole seconds"},
		{[]string{"apikey", "create", "--scope", "users:read"}, ExitUsage, "--name is missing"},
		{[]string{"apikey", "create", "--name", "x"}, ExitUsage, "--scope is missing"},
		{[]string{"apikey", "create", "--name", "x", "--scope", "admin"}, ExitFailed, "/scopes/0 cannot be given to an API key"},
		{[]string{"apikey", "create", "--name", "x", "--scope", "users:read", "--expires-in", "-1h"}, ExitUsage, "negative"},
		{[]string{"apikey", "list", "--owner", "x", "--owner-kind", "role"}, ExitUsage, "user or client"},
	})
	check(t, command, []wrong{
		{[]string{"apikey", "make"}, ExitUsage, "unknown command"},
		{[]string{"apikey", "create", "--help"}, ExitDone, "gatehouse apikey create --name ci --scope users:read --expires-in 720h"},
	})
}

// TestAuditCommand lists what was recorded, by filter and over pages.
func TestAuditCommand(t *testing.T) {
	in := newAuthInstallation(t)
	store := postgres.NewAudit(in.db)
	now := time.Now()
	for i := range 3 {
		r, err := audit.New(t.Context(), "user", "user.suspended", "user", "bob"+strconv.Itoa(i), now.Add(-time.Duration(3-i)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		r.Address = "192.0.2.7"
		if err := store.KeepAuditRecord(t.Context(), r.By(identity.KindUser, "ada")); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := in.run("audit", "list", "--action", "user.*", "--since", "150m", "--actor", "ada")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != ExitDone || len(lines) != 3 || !regexp.MustCompile(`^\S+Z  user\.suspended  success  user ada  user bob2  192\.0\.2\.7$`).MatchString(lines[1]) {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	var list jsonhttp.List[auditlog.View]
	code, stdout, _ = in.run("audit", "list", "--service", "user", "--limit", "2", "--output", "json")
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != ExitDone || len(list.Items) != 2 || list.NextCursor == nil || list.Items[0].SubjectID != "bob2" {
		t.Errorf("%v: %s", err, stdout)
	}
	code, stdout, _ = in.run("audit", "list", "--service", "user", "--until", now.Add(-90*time.Minute).UTC().Format(time.RFC3339), "--limit", "0", "--output", "json")
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != ExitDone || len(list.Items) != 2 || list.NextCursor != nil {
		t.Errorf("%v: %s", err, stdout)
	}
	check(t, in.run, []wrong{
		{[]string{"audit", "list", "--outcome", "good"}, ExitFailed, "query outcome must be success, failure or denied"},
		{[]string{"audit", "list", "--since", "yesterday"}, ExitUsage, "--since must be a time"},
		{[]string{"audit", "list", "--limit", "-1"}, ExitUsage, "negative"},
		{[]string{"audit", "list", "x"}, ExitUsage, "unexpected argument"},
		{[]string{"audit", "list", "--help"}, ExitDone, "--action 'user.*' --since 24h"},
	})
}
