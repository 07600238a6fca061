package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse.example/sdk/mail"
	"gatehouse.example/sdk/mail/mailtest"
)

func configFor(t *testing.T, members map[string]any) json.RawMessage {
	t.Helper()
	config, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestConformance runs the kit against the compiled plugin and a real
// conversation over TLS.
func TestConformance(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "mail-smtp")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	for _, mode := range []string{tlsStart, tlsImplicit} {
		t.Run(mode, func(t *testing.T) {
			s, caFile := newServer(t, func(s *server) {
				s.password, s.implicit = "secret", mode == tlsImplicit
			})
			mailtest.Run(t, mailtest.Options{
				New: func(t *testing.T) mail.Transport { return mailtest.Start(t, binary) },
				Config: configFor(t, map[string]any{
					"host": "127.0.0.1", "port": s.port(), "tls": mode, "ca_file": caFile,
					"username": "gatehouse", "password": "secret", "hello": "localhost",
				}),
				Delivered: func(_ *testing.T, key string) ([]byte, bool) { return s.mail(key) },
				Rejected:  "rejected@example.com",
				Unknown:   "nobody@example.com",
				Deferred:  "busy@example.com",
			})
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.secured == 0 || s.signedIn != s.secured {
				t.Errorf("%d mails, %d of them signed in", s.secured, s.signedIn)
			}
		})
	}
}

func configured(t *testing.T, members map[string]any) *transport {
	t.Helper()
	transport := &transport{}
	if err := transport.Configure(t.Context(), configFor(t, members)); err != nil {
		t.Fatal(err)
	}
	return transport
}

// What is wrong with server or configuration must not cost a mail.
func TestOperatorsProblemsAreTemporary(t *testing.T) {
	tests := []struct {
		name    string
		server  func(*server)
		members map[string]any
		want    string
	}{
		{"wrong password", func(s *server) { s.password = "secret" }, map[string]any{"username": "gatehouse", "password": "wrong"}, "535"},
		{"sign-in required", func(s *server) { s.password = "secret" }, nil, "530"},
		{"no service", func(s *server) { s.greeting = "554 go away" }, nil, "554"},
		{"no STARTTLS", func(s *server) { s.tls = nil }, nil, "STARTTLS"},
		{"unknown authority", nil, map[string]any{"ca_file": ""}, "certificate"},
		{"silent", func(s *server) { s.mute = true }, map[string]any{"connect_timeout": "200ms"}, "timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, caFile := newServer(t, test.server)
			members := map[string]any{"host": "127.0.0.1", "port": s.port(), "ca_file": caFile}
			for name, value := range test.members {
				members[name] = value
			}
			_, err := configured(t, members).Send(t.Context(), mailtest.Message("key", "ada@example.com"))
			if err == nil || mail.IsPermanent(err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Send: %v, want a temporary error that says %q", err, test.want)
			}
		})
	}
}

func TestServerDown(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	_, err = configured(t, map[string]any{"host": "127.0.0.1", "port": port}).Send(t.Context(), mailtest.Message("key", "ada@example.com"))
	if err == nil || mail.IsPermanent(err) {
		t.Errorf("Send: %v", err)
	}
}

func TestPlainText(t *testing.T) {
	s, _ := newServer(t, func(s *server) { s.tls = nil })
	transport := configured(t, map[string]any{"host": "127.0.0.1", "port": s.port(), "tls": "none"})
	receipt, err := transport.Send(t.Context(), mailtest.Message("plain", "ada@example.com"))
	if err != nil || !strings.Contains(receipt.ProviderID, "4711") {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
	m := mailtest.Message("injected", "ada@example.com>\r\nRCPT TO:<eve@example.com")
	if _, err := transport.Send(t.Context(), m); err == nil {
		t.Error("a recipient with a line break was accepted")
	}
}

func TestGivesUpOnSilentServer(t *testing.T) {
	s, _ := newServer(t, func(s *server) { s.mute = true })
	transport := configured(t, map[string]any{"host": "127.0.0.1", "port": s.port(), "tls": "none"})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	started := time.Now()
	if _, err := transport.Send(ctx, mailtest.Message("key", "ada@example.com")); err == nil || mail.IsPermanent(err) {
		t.Errorf("Send: %v", err)
	}
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestClassify(t *testing.T) {
	for code, permanent := range map[int]bool{421: false, 450: false, 452: false, 500: true, 550: true, 554: true, 530: false, 535: false} {
		err := classify(fmt.Errorf("recipient: %w", &textproto.Error{Code: code, Msg: "x"}))
		if mail.IsPermanent(err) != permanent {
			t.Errorf("%d: permanent %t, want %t", code, !permanent, permanent)
		}
	}
	if classify(nil) != nil || mail.IsPermanent(classify(errors.New("connection reset"))) {
		t.Error("an error without a reply is temporary, no error is none")
	}
}

func TestConfig(t *testing.T) {
	ports := map[string]int{tlsStart: 587, tlsImplicit: 465, tlsNone: 25}
	for mode, port := range ports {
		c, err := decodeConfig(json.RawMessage(`{"host":"h","tls":"` + mode + `"}`))
		if err != nil || c.Port != port {
			t.Errorf("%s: port %d, %v", mode, c.Port, err)
		}
	}
	for config, want := range map[string]string{
		`{}`:                        "host",
		`{"host":"h","tls":"some"}`: "tls",
		`{"host":"h","tls":"none","username":"u","password":"secret"}`: "clear",
		`{"host":"h","username":"u"}`:                                  "together",
		`{"host":"h","send_timeout":5}`:                                "10s",
		`{"host":"h","send_timeout":"-1s"}`:                            "positive",
		`{"host":"h","ca_file":"/none"}`:                               "ca_file",
	} {
		err := (&transport{}).Configure(t.Context(), json.RawMessage(config))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want it to say %q", config, err, want)
		}
	}
}
