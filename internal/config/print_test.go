package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestYAMLOfDefaultLoadsAgain(t *testing.T) {
	data, err := Default().YAML()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(Source{File: write(t, string(data))})
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	if diff := cmp.Diff(Default(), got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
	for _, want := range []string{"access_token_lifetime: 5m\n", "session_lifetime: 720h\n", "backoff: 5s\n"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%q is missing in\n%s", want, data)
		}
	}
}

func TestYAMLMasksSecrets(t *testing.T) {
	c := Default()
	c.Database.URL = "postgres://owner:hush-1@db.example:5432/gatehouse?sslmode=require&sslpassword=hush-2"
	c.Auth.DatabaseURL = "host=db password=hush-3"
	c.User.DatabaseURL = "postgres://user:hush-%zz@db/x"
	c.Bus.URL = "nats://hush-4@one:4222,nats://name:hush-5@two:4222"
	c.Gateway.RedisURL = "rediss://:hush-12@redis.example:6379/0"
	c.Telemetry.OTLPEndpoint = "https://x:hush-6@collector:4318"
	c.Email.Transports["smtp"] = Transport{Plugin: "mail-smtp", Config: map[string]any{
		"host": "mail.example", "port": 587, "password": "hush-7", "pin_password": 5555,
		"api_key": "hush-8", "url": "smtp://u:hush-9@mail.example", "tokens": []any{"hush-10"},
		"auth": map[string]any{"client_secret": "hush-11", "mechanism": "plain"}, "empty_token": "",
	}}
	data, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, secret := range []string{"hush", "5555"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in\n%s", secret, text)
		}
	}
	for _, shown := range []string{
		"postgres://owner:[redacted]@db.example:5432/gatehouse?", "sslmode=require",
		"@one:4222,nats://name:[redacted]@two:4222", "collector:4318", "@redis.example:6379/0",
		"host: mail.example", "port: 587", "mechanism: plain", "smtp://u:[redacted]@mail.example", `empty_token: ""`,
	} {
		if !strings.Contains(text, shown) {
			t.Errorf("%q is not in\n%s", shown, text)
		}
	}
	if c.Email.Transports["smtp"].Config["password"] != "hush-7" || !strings.Contains(c.Database.URL.Reveal(), "hush-1") {
		t.Error("printing changed the configuration itself")
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	s := struct {
		URL   Secret
		Empty Secret
	}{URL: "hush"}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "s", s.URL, "all", s)
	for _, text := range []string{
		string(data), log.String(), s.URL.String(),
		fmt.Sprint(s.URL), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s.URL),
	} {
		if strings.Contains(text, "hush") || !strings.Contains(text, "[redacted]") {
			t.Errorf("printed %s", text)
		}
	}
	if s.Empty.String() != "" || s.URL.Reveal() != "hush" {
		t.Error("an empty secret is not empty, or a secret does not reveal itself")
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "123": 123, "1KB": 1000, "1kB": 1000, "1KiB": 1024, "16MiB": 16 << 20,
		"16 MiB": 16 << 20, "2GiB": 2 << 30, "3TB": 3e12, "7B": 7,
	} {
		got, err := ParseBytes(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
		again, err := ParseBytes(got.String())
		if err != nil || again != got {
			t.Errorf("%q prints as %q", text, got)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1 M", "1mib", "9223372036854775808", "9223372036854775807KiB", "0x10"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
