package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const shipped = "../../configs/gatehouse.yaml"

func TestShippedFileHoldsTheDefaults(t *testing.T) {
	got, err := Load(Source{File: shipped})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Error("configs/gatehouse.yaml differs from Default (-default +file):\n" + diff)
	}
	if got.Dir() != filepath.Dir(shipped) {
		t.Errorf("Dir() = %q", got.Dir())
	}
	// Equal values would hide a key that the file does not mention.
	data, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	body, problems := parseDocument(shipped, data)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	c := &checker{file: shipped, origin: map[string]string{}}
	c.value(body, reflect.TypeFor[Config](), nil)
	for _, key := range keyPaths(reflect.TypeFor[Config](), "") {
		if c.origin[key] == "" {
			t.Errorf("%s is missing in %s", key, shipped)
		}
	}
}

func keyPaths(t reflect.Type, prefix string) []string {
	if t.Kind() != reflect.Struct {
		return []string{strings.TrimSuffix(prefix, ".")}
	}
	var paths []string
	types, names := keysOf(t)
	for _, name := range names {
		paths = append(paths, keyPaths(types[name], prefix+name+".")...)
	}
	return paths
}

func TestLoadWithoutAnythingIsDefault(t *testing.T) {
	got, err := Load(Source{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
	if got.Dir() != "." {
		t.Errorf("Dir() = %q", got.Dir())
	}
}

func TestLaterLayersWin(t *testing.T) {
	file := write(t, `
issuer: https://file.example
auth: {listen: "127.0.0.1:1", access_token_lifetime: 2m}
email:
  transport: smtp
  transports:
    smtp: {plugin: mail-smtp, config: {host: mail.example, port: 25, starttls: false}}
`)
	c, err := Load(Source{
		File: file,
		Env: []string{
			"PATH=/bin", "GATEHOUSE_AUTH__LISTEN=127.0.0.1:2", "GATEHOUSE_AUTH__ALLOW_REGISTRATION=false",
			"GATEHOUSE_DATABASE__URL=postgres://a:b=c@h/d", "GATEHOUSE_AUTH__SESSION_IDLE=3h",
			"GATEHOUSE_EMAIL__TRANSPORTS__SMTP__CONFIG__PORT=587",
			"GATEHOUSE_EMAIL__TRANSPORTS__SMTP__CONFIG__STARTTLS=true",
			"GATEHOUSE_EMAIL__TRANSPORTS__SMTP__CONFIG__PASSWORD=0123",
			"GATEHOUSE_TEST_DATABASE_URL=x", "GATEHOUSE_PORT_8080_TCP_ADDR=10.0.0.1",
			"GATEHOUSE_AUTH_SERVICE_HOST=10.0.0.1", "GATEHOUSE_CONFIG=x", "GATEHOUSE_MAIL_PLUGIN=x",
		},
		Flags: map[string]any{"auth.listen": "127.0.0.1:3", "email.max_attempts": 3, "user.pending_retention": time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Issuer = "https://file.example"
	want.Auth.Listen = "127.0.0.1:3"
	want.Auth.AccessTokenLifetime = 2 * time.Minute
	want.Auth.AllowRegistration = false
	want.Auth.SessionIdle = 3 * time.Hour
	want.User.PendingRetention = time.Hour
	want.Database.URL = "postgres://a:b=c@h/d"
	want.Email.MaxAttempts = 3
	want.Email.Transport = "smtp"
	want.Email.Transports["smtp"] = Transport{Plugin: "mail-smtp", Config: map[string]any{
		"host": "mail.example", "port": uint64(587), "starttls": true, "password": "0123",
	}}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptySectionKeepsDefaults(t *testing.T) {
	c, err := Load(Source{File: write(t, "auth:\n  # all defaults\nlog:\n  level: debug\n")})
	if err != nil {
		t.Fatal(err)
	}
	if c.Auth.Listen != "127.0.0.1:9101" || c.Log.Level != "debug" || c.Log.Format != "json" {
		t.Errorf("auth %+v, log %+v", c.Auth, c.Log)
	}
}

func TestPathsResolve(t *testing.T) {
	c := &Config{Data: "/data", dir: "/etc/gatehouse"}
	for got, want := range map[string]string{
		c.ResolveData("ca.pem"):        "/data/ca.pem",
		c.ResolveData("/ca.pem"):       "/ca.pem",
		c.ResolveData(""):              "",
		c.ResolveFile("gateway.yaml"):  "/etc/gatehouse/gateway.yaml",
		c.ResolveFile("/gateway.yaml"): "/gateway.yaml",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
