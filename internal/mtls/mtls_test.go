package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/internal/mtls"
)

const domain = "gatehouse.test"

func authority(t *testing.T, dir, trustDomain string, now time.Time) *mtls.Authority {
	t.Helper()
	a, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), trustDomain, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func service(t *testing.T, a *mtls.Authority, name string) *mtls.Bundle {
	t.Helper()
	b, err := a.IssueService(name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAuthorityIsCreatedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var")
	var wait sync.WaitGroup
	bundles := make([]*mtls.Bundle, 8)
	for i := range bundles {
		wait.Go(func() {
			a, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), domain, time.Now())
			if err != nil {
				t.Error(err)
				return
			}
			if bundles[i], err = a.IssueService("user", time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, issuer := range bundles {
		for _, accepting := range bundles {
			chain := []*x509.Certificate{issuer.Certificate.Leaf}
			if _, err := mtls.VerifyChain(chain, accepting.Roots, domain, x509.ExtKeyUsageClientAuth, time.Now()); err != nil {
				t.Fatalf("processes that start together do not accept one another: %v", err)
			}
		}
	}
	info, err := os.Stat(filepath.Join(dir, "ca-key.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("files were left: %v", entries)
	}
}

func TestAuthorityErrorsSayWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  []string
	}{
		"key is missing": {func(t *testing.T, dir string) { remove(t, dir, "ca-key.pem") }, []string{"ca-key.pem", "restore"}},
		"key of another": {func(t *testing.T, dir string) {
			other := t.TempDir()
			authority(t, other, domain, time.Now())
			copyFile(t, filepath.Join(other, "ca-key.pem"), filepath.Join(dir, "ca-key.pem"))
		}, []string{"its key is another", "restore"}},
		"no certificate": {func(t *testing.T, dir string) { overwrite(t, dir, "ca.pem", "hello") }, []string{"ca.pem", "no certificate"}},
		"no key":         {func(t *testing.T, dir string) { overwrite(t, dir, "ca-key.pem", "hello") }, []string{"ca-key.pem", "no private key"}},
		"expired": {func(t *testing.T, dir string) {
			remove(t, dir, "ca.pem")
			remove(t, dir, "ca-key.pem")
			authority(t, dir, domain, time.Now().AddDate(-20, 0, 0))
		}, []string{"expired on", "remove both"}},
		"another domain": {func(t *testing.T, dir string) {
			remove(t, dir, "ca.pem")
			remove(t, dir, "ca-key.pem")
			authority(t, dir, "other.test", time.Now())
		}, []string{`"other.test"`, domain}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			authority(t, dir, domain, time.Now())
			test.spoil(t, dir)
			_, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), domain, time.Now())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
	if _, err := mtls.LoadOrCreateAuthority("a", "b", "Has Spaces", time.Now()); err == nil {
		t.Error("a trust domain with spaces")
	}
}

func TestAKeyWithoutCertificateGetsOneAgain(t *testing.T) {
	dir := t.TempDir()
	before := service(t, authority(t, dir, domain, time.Now()), "user")
	remove(t, dir, "ca.pem") // as after a crash between the two files
	after := authority(t, dir, domain, time.Now())
	if _, err := mtls.VerifyChain([]*x509.Certificate{before.Certificate.Leaf}, after.Roots(), domain, x509.ExtKeyUsageClientAuth, time.Now()); err != nil {
		t.Error(err)
	}
}

func TestBundleRoundTrip(t *testing.T) {
	dir := t.TempDir()
	a := authority(t, dir, domain, time.Now())
	b := service(t, a, "user")
	cert, key, ca := filepath.Join(dir, "tls", "user.pem"), filepath.Join(dir, "tls", "user-key.pem"), filepath.Join(dir, "ca.pem")
	if err := b.Save(cert, key); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info, err)
	}
	got, err := mtls.LoadBundle(ca, cert, key, domain)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "spiffe://"+domain+"/service/user" || got.ID != b.ID {
		t.Errorf("ID %q", got.ID)
	}

	if _, err := mtls.LoadBundle(ca, cert, key, "other.test"); err == nil {
		t.Error("another trust domain is accepted")
	}
	other := service(t, a, "auth")
	otherKey := filepath.Join(dir, "other-key.pem")
	if err := other.Save(filepath.Join(dir, "other.pem"), otherKey); err != nil {
		t.Fatal(err)
	}
	if _, err := mtls.LoadBundle(ca, cert, otherKey, domain); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("another's key: %v", err)
	}
	foreign := t.TempDir()
	authority(t, foreign, domain, time.Now())
	if _, err := mtls.LoadBundle(filepath.Join(foreign, "ca.pem"), cert, key, domain); err == nil {
		t.Error("another authority is accepted")
	}
	old := authority(t, t.TempDir(), domain, time.Now().Add(-48*time.Hour))
	expired := service(t, old, "user")
	if err := expired.Save(cert, key); err != nil {
		t.Fatal(err)
	}
	if _, err := mtls.LoadBundle(ca, cert, key, domain); err == nil || !strings.Contains(err.Error(), "gatehouse cert issue") {
		t.Errorf("expired: %v", err)
	}
	if _, err := mtls.LoadBundle(ca, filepath.Join(dir, "missing.pem"), key, domain); err == nil || !strings.Contains(err.Error(), "gatehouse cert issue") {
		t.Errorf("missing: %v", err)
	}
}

func TestServiceOf(t *testing.T) {
	if name, err := mtls.ServiceOf("spiffe://gatehouse.test/service/user", domain); err != nil || name != "user" {
		t.Errorf("%q, %v", name, err)
	}
	for _, id := range []string{
		"", "user", "spiffe://gatehouse.test/service/", "spiffe://gatehouse.test/service/a/b",
		"spiffe://gatehouse.test/service/../user", "spiffe://gatehouse.test/service/User",
		"spiffe://gatehouse.test/service/user?x", "spiffe://gatehouse.test/service/user#x",
		"spiffe://gatehouse.test/user", "spiffe://other.test/service/user", "https://gatehouse.test/service/user",
		"spiffe://gatehouse.test:1/service/user", "spiffe://x@gatehouse.test/service/user", "SPIFFE://gatehouse.test/service/user",
		"spiffe://gatehouse.test/service/user ", "spiffe://gatehouse.test/service/us%65r",
	} {
		if name, err := mtls.ServiceOf(id, domain); err == nil {
			t.Errorf("%q is %q", id, name)
		}
	}
	if _, err := mtls.ServiceOf("spiffe:///service/user", ""); err == nil {
		t.Error("no trust domain at all")
	}
	a := authority(t, t.TempDir(), domain, time.Now())
	for _, name := range []string{"", "a/b", "User", "a.b", strings.Repeat("a", 64)} {
		if _, err := a.IssueService(name, time.Hour); err == nil {
			t.Errorf("issued %q", name)
		}
	}
	if _, err := a.IssueService("user", 0); err == nil {
		t.Error("issued without a lifetime")
	}
}

// serve answers with the peer's id.
func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := mtls.PeerID(r.TLS)
		if err != nil {
			id = err.Error()
		}
		_, _ = io.WriteString(w, id)
	}))
	server.TLS = config
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func ask(t *testing.T, address string, config *tls.Config) (string, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Get(address)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestMutualTLS(t *testing.T) {
	a := authority(t, t.TempDir(), domain, time.Now())
	other := authority(t, t.TempDir(), domain, time.Now())
	user, auth := service(t, a, "user"), service(t, a, "auth")
	address := serve(t, user.ServerTLS())

	if id, err := ask(t, address, auth.ClientTLS("user")); err != nil || id != auth.ID {
		t.Fatalf("peer %q, %v", id, err)
	}
	for name, config := range map[string]*tls.Config{
		"another service expected": auth.ClientTLS("email"),
		"client of another authority": func() *tls.Config {
			c := auth.ClientTLS("user")
			c.Certificates = []tls.Certificate{service(t, other, "auth").Certificate}
			return c
		}(),
		"client without certificate": func() *tls.Config {
			c := auth.ClientTLS("user")
			c.Certificates = nil
			return c
		}(),
		"client with a server's certificate": func() *tls.Config {
			c := auth.ClientTLS("user")
			certificate, err := a.IssueServer([]string{"localhost"}, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{certificate}
			return c
		}(),
		"server of another authority": service(t, other, "auth").ClientTLS("user"),
		"expired client": func() *tls.Config {
			c := auth.ClientTLS("user")
			b, err := a.IssueService("auth", time.Nanosecond)
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{b.Certificate}
			return c
		}(),
		"TLS 1.2": func() *tls.Config {
			c := auth.ClientTLS("user")
			c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			return c
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			if id, err := ask(t, address, config); err == nil {
				t.Errorf("answered %q", id)
			}
		})
	}
	t.Run("expired server", func(t *testing.T) {
		old, err := a.IssueService("user", time.Nanosecond)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t, serve(t, old.ServerTLS()), auth.ClientTLS("user")); err == nil {
			t.Error("accepted")
		}
	})
}

func TestIssueServerIsForBrowsers(t *testing.T) {
	a := authority(t, t.TempDir(), domain, time.Now())
	certificate, err := a.IssueServer([]string{"localhost", "127.0.0.1"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
	if body, err := ask(t, address, &tls.Config{RootCAs: a.Roots()}); err != nil || !strings.Contains(body, "no verified certificate") {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := ask(t, address, service(t, a, "auth").ClientTLS("gateway")); err == nil {
		t.Error("it passes for a service")
	}
	if _, err := a.IssueServer(nil, time.Hour); err == nil {
		t.Error("issued without a name")
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
