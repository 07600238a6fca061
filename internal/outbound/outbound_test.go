package outbound_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/outbound"
)

func TestPrivateNetworksAreRefused(t *testing.T) {
	client := outbound.NewClient(outbound.Options{AllowHTTP: true, Timeout: 2 * time.Second})
	for _, address := range []string{
		"http://127.0.0.1/", "http://localhost:1/", "http://[::1]/", "http://0.0.0.0/",
		"http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/",
		"http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[fd00::1]/",
		"http://[::ffff:127.0.0.1]/", "http://100.64.0.1/", "http://[64:ff9b::7f00:1]/",
		"http://2130706433/", "http://0x7f.1/",
	} {
		response, err := client.Get(address)
		if err == nil {
			_ = response.Body.Close()
			t.Errorf("%s was reached", address)
			continue
		}
		// Odd spellings of an address may also fail as names.
		var dns *net.DNSError
		if !errors.Is(err, outbound.ErrRefused) && !errors.As(err, &dns) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestLoopbackCanBeAllowed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer server.Close()
	client := outbound.NewClient(outbound.Options{AllowHTTP: true, AllowLoopback: true})
	defer client.CloseIdleConnections()
	if body := get(t, client, server.URL); body != "ok" {
		t.Errorf("body %q", body)
	}
	_, err := outbound.NewClient(outbound.Options{AllowHTTP: true}).Get(server.URL)
	if !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("without the option: %v", err)
	}
	_, err = client.Get("http://10.0.0.1/")
	if !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("loopback allows 10.0.0.1: %v", err)
	}
}

func TestOperatorNamedAddresses(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/inside" {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer plain.Close()
	secure := httptest.NewTLSServer(plain.Config.Handler)
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	client := outbound.NewClient(outbound.Options{OperatorNamed: true, MaxRedirects: 1, Timeout: 500 * time.Millisecond, TLS: &tls.Config{RootCAs: roots}})
	defer client.CloseIdleConnections()
	for _, address := range []string{plain.URL, secure.URL} {
		if body := get(t, client, address); body != "ok" {
			t.Errorf("%s: body %q", address, body)
		}
	}
	for _, address := range []string{
		"http://169.254.169.254/", "https://169.254.169.254/", "https://[fe80::1%25lo]/", "https://[fd00:ec2::254]/",
		"https://100.100.100.200/", "https://168.63.129.16/", "https://0.0.0.0/", "https://[::]/", "https://224.0.0.1/",
		"https://[ff02::1%25lo]/", "https://255.255.255.255/", "https://192.0.2.1/", "https://[::ffff:169.254.169.254]/",
		"http://10.0.0.1/", "http://192.168.0.1/", "http://[fd00::1]/", "http://192.0.2.1/", "http://8.8.8.8/",
		"http://user:password@127.0.0.1/", "ftp://127.0.0.1/", plain.URL + "/inside",
	} {
		if _, err := client.Get(address); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	// Private networks are tried: whatever comes of it, we did not refuse.
	for _, address := range []string{"https://10.255.255.1:9/", "https://172.16.255.1:9/", "https://192.168.255.1:9/", "https://[fd00::1]:9/"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if _, err := client.Do(r); err == nil || errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
		cancel()
	}
}

func TestOnlyHTTPSUnlessAllowed(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
		}
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client := outbound.NewClient(outbound.Options{AllowLoopback: true, MaxRedirects: 3, TLS: &tls.Config{RootCAs: roots}})
	defer client.CloseIdleConnections()
	get(t, client, server.URL)
	for name, address := range map[string]string{
		"plain":     strings.Replace(server.URL, "https:", "http:", 1),
		"downgrade": server.URL + "/down",
		"file":      "file:///etc/passwd",
		"user":      strings.Replace(server.URL, "https://", "https://user:password@", 1),
	} {
		if _, err := client.Get(address); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedirectsAreBoundedAndGuarded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/inside" {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
			return
		}
		if n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); n > 0 {
			http.Redirect(w, r, "/"+strconv.Itoa(n-1), http.StatusFound)
		}
	}))
	defer server.Close()
	client := outbound.NewClient(outbound.Options{AllowHTTP: true, AllowLoopback: true, MaxRedirects: 2})
	defer client.CloseIdleConnections()
	get(t, client, server.URL+"/2")
	for _, path := range []string{"/3", "/inside"} {
		if _, err := client.Get(server.URL + path); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: %v", path, err)
		}
	}
	none := outbound.NewClient(outbound.Options{AllowHTTP: true, AllowLoopback: true})
	defer none.CloseIdleConnections()
	if _, err := none.Get(server.URL + "/1"); !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("zero value follows redirects: %v", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		if r.URL.Query().Has("stream") {
			w.(http.Flusher).Flush() // no Content-Length
		}
		_, _ = io.WriteString(w, strings.Repeat("x", n))
	}))
	defer server.Close()
	client := outbound.NewClient(outbound.Options{AllowHTTP: true, AllowLoopback: true, MaxResponseBytes: 100})
	defer client.CloseIdleConnections()
	for _, query := range []string{"n=100", "n=100&stream"} {
		if body := get(t, client, server.URL+"?"+query); len(body) != 100 {
			t.Errorf("%s: %d bytes", query, len(body))
		}
	}
	for _, query := range []string{"n=101", "n=101&stream", "n=100000&stream"} {
		response, err := client.Get(server.URL + "?" + query)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
			if len(body) > 100 {
				t.Errorf("%s: read %d bytes", query, len(body))
			}
		}
		if !errors.Is(err, outbound.ErrTooLarge) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	client := outbound.NewClient(outbound.Options{AllowHTTP: true, AllowLoopback: true, Timeout: 50 * time.Millisecond})
	if _, err := client.Get(server.URL); err == nil {
		t.Error("a silent server was waited for")
	}
}

func get(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	response, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
