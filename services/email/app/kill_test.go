package app_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/services/email/app"
)

// mailServer is a mail server (RFC 5321) that knows every mailbox but nobody's,
// and calls taken before it says that it has a mail.
func mailServer(t *testing.T, taken func()) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go converse(conn, taken)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func converse(conn net.Conn, taken func()) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	reply := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	reply("220 ready")
	data := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch line := lines.Text(); {
		case data && line == ".":
			data = false
			taken()
			reply("250 taken")
		case data:
		case line == "DATA":
			data = true
			reply("354 go on")
		case strings.HasPrefix(line, "RCPT") && strings.Contains(line, "nobody@"):
			reply("550 5.1.1 no such user")
		default:
			reply("250 fine")
		}
	}
}

// childVariable makes the test binary a process of the service: it holds the
// settings as JSON.
const childVariable = "EMAIL_APP_TEST_CHILD"

type childSettings struct {
	Database, Role, Schema, Broker, Peers, Plugins string
	Port                                           int
}

func smtpTransport(c config.Email, port int) config.Email {
	c.Transport, c.DevMailbox = "smtp", false
	c.Transports = map[string]config.Transport{"smtp": {Plugin: "mail-smtp", Config: map[string]any{"host": "127.0.0.1", "port": port, "tls": "none"}}}
	return c
}

func runChild(text string) error {
	var s childSettings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	ctx := context.Background()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := database.Open(ctx, database.Options{URL: s.Database, Role: s.Role, Schema: s.Schema, Logger: logger})
	if err != nil {
		return err
	}
	events, err := bus.Connect(ctx, bus.Options{URL: s.Broker, Name: "child", Logger: logger})
	if err != nil {
		return err
	}
	host, err := pluginhost.New(pluginhost.Options{Directory: s.Plugins, Logger: logger})
	if err != nil {
		return err
	}
	peers := api.New(api.Options{Base: s.Peers})
	a, err := app.New(ctx, app.Options{
		Config: smtpTransport(config.Email{From: "no-reply@example.com"}, s.Port), Issuer: "https://id.example.com",
		DB: db, Bus: events, Auth: authapi.New(peers), Users: userapi.New(peers), Plugins: host, Logger: logger,
		Verifier: identity.NewVerifier(x509.NewCertPool(), domain, "gatehouse", time.Now),
	})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// A process is killed while the mail server has its mail but has not said so.
// Nobody else touches the message before the lease ends; then it goes out once
// more: that is the window in which a mail may come twice.
func TestKilledWhileSending(t *testing.T) {
	f := newFixture(t)
	taken, answer := make(chan struct{}, 10), make(chan struct{})
	release := sync.OnceFunc(func() { close(answer) })
	t.Cleanup(release)
	port := mailServer(t, func() { taken <- struct{}{}; <-answer })
	dir, err := plugins()
	if err != nil {
		t.Fatal(err)
	}
	s := childSettings{Database: databasetest.URL(t), Broker: f.broker, Peers: f.peers, Plugins: dir, Port: port}
	if err := f.db.Bun.NewRaw("SELECT current_user, current_schema()").Scan(t.Context(), &s.Role, &s.Schema); err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+string(settings))
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() }) // if it lives still
	f.request(t, "c1", "ada@example.com")
	<-taken
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	release()

	other := f.newApp(t, func(o *app.Options) { o.Config = smtpTransport(o.Config, port) })
	runApp(t, other)
	f.request(t, "c2", "bob@example.com")
	eventually(t, "the other mail", func() bool { return f.count(t, "SELECT count(*) FROM messages WHERE state = 'sent'") == 1 })
	if rows := strings.Join(f.rows(t, "messages"), "\n"); !strings.Contains(rows, `"state":"sending","attempts":1`) {
		t.Fatalf("within the lease: %s", rows)
	}
	if _, err := f.db.Bun.NewRaw("UPDATE messages SET due_at = now() WHERE state = 'sending'").Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mail again", func() bool { return f.count(t, "SELECT count(*) FROM messages WHERE state = 'sent'") == 2 })
	if n := len(taken); n != 2 {
		t.Errorf("%d mails after the kill, want those to bob and, once more, to ada", n)
	}
}
