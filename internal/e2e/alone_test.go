package e2e

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/bus/embedded"
	"gatehouse.example/internal/database/localpg"
)

// freePort returns an address that nobody listens on at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestAlone runs each part as a process of its own, on servers that exist
// already, as production does; NATS goes away and comes back under way.
func TestAlone(t *testing.T) {
	data := dataFolder(t)
	quiet := slog.New(slog.DiscardHandler)
	cluster := filepath.Join(filepath.Dir(data), "pg")
	if err := os.Mkdir(cluster, 0o711); err != nil { // PostgreSQL's user passes through
		t.Fatal(err)
	}
	pg, err := localpg.Start(t.Context(), localpg.Options{Dir: cluster, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Stop(t.Context()) })
	natsAddress, natsDir := freePort(t), filepath.Join(filepath.Dir(data), "nats")
	startNATS := func() *embedded.Server {
		n, err := embedded.Start(embedded.Options{Dir: natsDir, SyncAlways: true, Listen: natsAddress, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	nats := startNATS()
	t.Cleanup(func() { nats.Stop() })

	auth, user, email, front := freePort(t), freePort(t), freePort(t), freePort(t)
	_, port, _ := cutLast(front, ":")
	issuer := "http://localhost:" + port
	env := environment(
		"GATEHOUSE_DATA="+data, "GATEHOUSE_ISSUER="+issuer, "GATEHOUSE_DATABASE__URL="+pg.AdminURL(), "GATEHOUSE_BUS__URL="+nats.URL(),
		"GATEHOUSE_AUTH__LISTEN="+auth, "GATEHOUSE_USER__LISTEN="+user, "GATEHOUSE_EMAIL__LISTEN="+email, "GATEHOUSE_EMAIL__DEV_MAILBOX=true",
		"GATEHOUSE_GATEWAY__LISTEN="+front, "GATEHOUSE_GATEWAY__ADMIN_LISTEN=127.0.0.1:0", "GATEHOUSE_GATEWAY__FILE="+plainGateway(t),
	)
	if _, stderr, exit := command(t, env, "user"); exit != 1 {
		t.Errorf("a service without certificate: %d %s", exit, stderr)
	}
	run := func(args ...string) string {
		t.Helper()
		stdout, stderr, exit := command(t, env, args...)
		if exit != 0 {
			t.Fatalf("gatehouse %v: %d %s", args, exit, stderr)
		}
		return stdout
	}
	run("cert", "issue", "gateway", "auth", "user", "email")
	if _, stderr, exit := command(t, env, "user"); exit != 1 || !strings.Contains(stderr, "gatehouse migrate up") {
		t.Errorf("a service without migrations: %d %s", exit, stderr)
	}
	run("migrate", "up")
	if again := run("migrate", "up"); again != "nothing to do\n" {
		t.Errorf("migrate up twice: %s", again)
	}
	var made struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal([]byte(run("client", "create", "--direct", "--name", "e2e", "--redirect-uri", redirectURI, "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	parts := map[string]*process{}
	for _, part := range []string{"user", "auth", "email", "gateway"} {
		parts[part] = launch(t, env, part)
	}
	in := &installation{process: parts["gateway"], data: data, issuer: issuer}
	await(t, 90*time.Second, "the gateway is ready", func() error {
		for part, p := range parts {
			select {
			case <-p.done:
				t.Fatalf("%s ended: %v\n%s", part, p.err, p.output)
			default:
			}
		}
		res, err := http.Get(issuer + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %s", res.Status)
		}
		return nil
	})
	in.setupURL = strings.TrimSpace(run("admin", "invite"))
	if !strings.HasPrefix(in.setupURL, issuer+"/setup?") {
		t.Errorf("admin invite: %q", in.setupURL)
	}
	p := in.register(t, "ada@example.com")
	in.signIn(t, p.browser, p.email, password)
	in.tokens(t, p, made.ClientID)

	t.Run("NATS goes away and comes back", func(t *testing.T) {
		nats.Stop()
		browser := newBrowser(t, issuer)
		status, _, body := call(t, browser, http.MethodPost, issuer+"/register", "", url.Values{"email": {"late@example.com"}, "password": {password}})
		if status != http.StatusOK {
			t.Fatalf("registration without NATS: %d %s", status, body)
		}
		nats = startNATS()
		in.followVerification(t, browser, in.awaitMail(t, "late@example.com", 1))
		if status := in.signIn(t, browser, "late@example.com", password); status != http.StatusOK {
			t.Errorf("sign in: %d", status)
		}
	})
	t.Run("auth dies and comes back", func(t *testing.T) {
		_ = parts["auth"].cmd.Process.Kill()
		<-parts["auth"].done
		status, header, body := call(t, http.DefaultClient, http.MethodGet, issuer+"/oauth2/jwks", "", nil)
		if status/100 != 5 || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("while auth is dead: %d %s", status, body)
		}
		parts["auth"] = launch(t, env, "auth")
		await(t, 30*time.Second, "auth is back", func() error {
			return expectStatus(t, http.MethodGet, issuer+"/oauth2/jwks", "", http.StatusOK)
		})
		in.tokens(t, p, made.ClientID)
	})
}

// plainGateway writes a copy of the gateway's file without the TLS listener,
// whose certificate only dev makes.
func plainGateway(t *testing.T) string {
	t.Helper()
	dir := gatewayFolder(t)
	file := filepath.Join(dir, "gateway.yaml")
	editFile(t, file, `  - {address: "127.0.0.1:8443", tls: {mode: dev}}`, "")
	return file
}
