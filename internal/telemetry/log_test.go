package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse.example/internal/telemetry"
)

func logger(t *testing.T, format string) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	l, err := telemetry.NewLogger(&out, "debug", format)
	if err != nil {
		t.Fatal(err)
	}
	return l, &out
}

const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJodXNoIn0.aHVzaGh1c2g"

type account struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

type stringer struct{}

func (stringer) String() string { return "Bearer hushhushhush" }

func TestNoSecretInALog(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			for name, log := range map[string]func(*slog.Logger){
				"authorization": func(l *slog.Logger) { l.Info("m", "Authorization", "Basic hush") },
				"names": func(l *slog.Logger) {
					l.Info("m", "password", "hush", "client_secret", "hush", "Set-Cookie", "hush", "X-API-Key", "hush")
				},
				"tokens": func(l *slog.Logger) {
					l.Info("m", "token", "hush", "refresh_token", "hush", "code", "hush", "key", []byte("hush"), "code_verifier", "hush")
				},
				"with":           func(l *slog.Logger) { l.With("secret", "hush").Info("m") },
				"group":          func(l *slog.Logger) { l.Info("m", slog.Group("request", slog.String("cookie", "hush"))) },
				"group by name":  func(l *slog.Logger) { l.WithGroup("credentials").Info("m", "user", "hush") },
				"bearer":         func(l *slog.Logger) { l.Info("m", "header", "Bearer hushhushhush") },
				"bearer in text": func(l *slog.Logger) { l.Info("got authorization: bearer hushhushhush, refused") },
				"dpop":           func(l *slog.Logger) { l.Info("m", "header", "DPoP hush.hush.hush") },
				"jwt":            func(l *slog.Logger) { l.Info("m", "value", "x "+jwt+" y") },
				"jwt in error":   func(l *slog.Logger) { l.Info("m", "error", fmt.Errorf("verify %s: %w", jwt, errors.New("no"))) },
				"api key":        func(l *slog.Logger) { l.Info("m", "value", "gatehouse_dev_0197hush-1_hushhush") },
				"database url":   func(l *slog.Logger) { l.Info("m", "error", errors.New("connect postgres://app:hush@db/x")) },
				"query":          func(l *slog.Logger) { l.Info("m", "url", "https://x.example/cb?state=1&code=hush&y=2") },
				"url": func(l *slog.Logger) {
					l.Info("m", "target", &url.URL{Scheme: "https", Host: "x", RawQuery: "access_token=hush"})
				},
				"struct": func(l *slog.Logger) { l.Info("m", "account", account{"ann", "hush"}) },
				"headers": func(l *slog.Logger) {
					l.Info("m", "headers", http.Header{"Authorization": {"hush"}, "Cookie": {"hush"}})
				},
				"list": func(l *slog.Logger) {
					l.Info("m", "all", []any{map[string]any{"secret": "hush"}, "Basic aHVzaDpodXNo"})
				},
				"stringer": func(l *slog.Logger) { l.Info("m", "value", stringer{}) },
			} {
				l, out := logger(t, format)
				log(l)
				text := out.String()
				if strings.Contains(text, "hush") || strings.Contains(text, "aHVzaA") || strings.Contains(text, "aHVzaG") || strings.Contains(text, "eyJ") || !strings.Contains(text, "[redacted]") {
					t.Errorf("%s: %s", name, text)
				}
			}
		})
	}
}

func TestLogKeepsWhatIsNoSecret(t *testing.T) {
	l, out := logger(t, "json")
	l.Warn("token refused", "path", "/v1/users", "status_code", 401, "kid", "abc", "error", errors.New("unknown key \"abc\""),
		"account", account{Name: "ann"}, "token", "", "n", 3, "authority", "ca.pem")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for name, want := range map[string]any{
		"level": "WARN", "msg": "token refused", "path": "/v1/users", "status_code": 401.0, "kid": "abc",
		"error": `unknown key "abc"`, "token": "", "n": 3.0, "authority": "ca.pem",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if a, _ := line["account"].(map[string]any); a["name"] != "ann" {
		t.Errorf("account is %v", line["account"])
	}
}

func TestTextIsOneReadableLine(t *testing.T) {
	l, out := logger(t, "text")
	ctx := telemetry.WithRequestID(context.Background(), "r-1")
	l.With("service", "auth").WithGroup("g").InfoContext(ctx, "hello\nERROR forged", "a b", "c\nd")
	line := out.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, " INFO  hello ERROR forged service=auth ") ||
		!strings.Contains(line, `"g.a b"="c\nd"`) || !strings.Contains(line, "request_id=r-1") {
		t.Errorf("%q", line)
	}
}

func TestLevelAndFormat(t *testing.T) {
	var out bytes.Buffer
	l, err := telemetry.NewLogger(&out, "warn", "")
	if err != nil {
		t.Fatal(err)
	}
	l.Info("quiet")
	l.Warn("loud")
	if strings.Contains(out.String(), "quiet") || !strings.Contains(out.String(), "loud") {
		t.Errorf("%s", &out)
	}
	if _, err := telemetry.NewLogger(&out, "loud", ""); err == nil {
		t.Error("level loud")
	}
	if _, err := telemetry.NewLogger(&out, "", "xml"); err == nil {
		t.Error("format xml")
	}
}
