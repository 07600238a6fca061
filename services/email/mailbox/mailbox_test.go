package mailbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/sdk/mail/mailtest"
	"gatehouse.example/services/email/mailbox"
)

func put(t *testing.T, dir, key, to string, age time.Duration) {
	t.Helper()
	path := filepath.Join(dir, key+".eml")
	raw := mailtest.Message(key, to).Raw
	raw = []byte(strings.Replace(string(raw), "<p>Hello</p>", `<html><head></head><p><a href="https://example.com/a?x=1&amp;y=2">Hello</a><script>alert(1)</script></p>`, 1))
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func request(path string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("X-Forwarded-For", "127.0.0.1")
	r.Header.Set("X-Forwarded-Host", "localhost:8080")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func get(t *testing.T, h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	h := mailbox.New(filepath.Join(dir, "later"))
	if w := get(t, h, request("/dev/mailbox")); w.Body.String() != "{\"items\":[],\"next_cursor\":null}\n" {
		t.Fatalf("a folder that is not there yet: %d %s", w.Code, w.Body)
	}
	put(t, dir, "old", "ada@example.com", time.Hour)
	put(t, dir, "new", "bob@example.com", 0)
	put(t, dir, "mid", "Ada@Example.com", time.Minute)
	if err := os.WriteFile(filepath.Join(dir, ".incoming-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken.eml"), []byte("no header"), 0o600); err != nil {
		t.Fatal(err)
	}
	h = mailbox.New(dir)
	for query, want := range map[string][]string{
		"":                     {"new", "mid", "old"},
		"?to=ada@example.com":  {"mid", "old"},
		"?to=da@example.com":   nil,
		"?to=@EXAMPLE.com":     {"new", "mid", "old"},
		"?to=none@example.com": nil,
	} {
		var page struct{ Items []mailbox.Item }
		w := get(t, h, request("/dev/mailbox"+query))
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		var ids []string
		for _, item := range page.Items {
			ids = append(ids, item.ID)
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	var got mailbox.Item
	w := get(t, h, request("/dev/mailbox/old"))
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := mailbox.Item{
		ID: "old", To: "ada@example.com", From: "Gatehouse <noreply@example.com>", Subject: "Grüße",
		Date:  time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC),
		Text:  "Grüße, https://example.com/verify?token=abc\n.a line that starts with a dot",
		HTML:  got.HTML,
		Links: []string{"https://example.com/verify?token=abc", "https://example.com/a?x=1&y=2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("item (-want +got):\n%s", diff)
	}
}

func TestPages(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "one", "ada@example.com", 0)
	h := mailbox.New(dir)
	browser := []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}
	for _, path := range []string{"/dev/mailbox", "/dev/mailbox/one"} {
		w := get(t, h, request(path, browser...))
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(w.Body.String(), "/dev/mailbox/one") {
			t.Errorf("%s: %v\n%s", path, w.Header(), w.Body)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	if w := get(t, h, request("/dev/mailbox/one", browser...)); !strings.Contains(w.Body.String(), `<iframe title="The mail as HTML" sandbox="allow-popups`) {
		t.Errorf("no sandboxed frame:\n%s", w.Body)
	}
	w := get(t, h, request("/dev/mailbox/one/html"))
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "sandbox ") || strings.Contains(policy, "allow-scripts") || strings.Contains(policy, "allow-same-origin") {
		t.Errorf("policy of the mail %q", policy)
	}
	for _, path := range []string{"/dev/mailbox/none", "/dev/mailbox/..%2f..%2fetc%2fpasswd", "/dev/mailbox/.incoming-1"} {
		if w := get(t, h, request(path)); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestLocalOnly(t *testing.T) {
	h := mailbox.New(t.TempDir())
	tests := []struct {
		name, client, host string
		want               int
	}{
		{"IPv4", "127.0.0.1", "127.0.0.1:8080", 200},
		{"IPv6", "::1", "[::1]:8080", 200},
		{"IPv6 without port", "::1", "[::1]", 200},
		{"mapped", "::ffff:127.0.0.1", "LOCALHOST", 200},
		{"other machine", "192.0.2.1", "localhost:8080", 403},
		{"rebound name", "127.0.0.1", "evil.example:8080", 403},
		{"name that only looks local", "127.0.0.1", "localhost.evil.example", 403},
		{"two clients", "127.0.0.1, 192.0.2.1", "localhost", 403},
		{"no client", "", "localhost", 403},
		{"no host", "127.0.0.1", "", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := get(t, h, request("/dev/mailbox", "X-Forwarded-For", test.client, "X-Forwarded-Host", test.host))
			if w.Code != test.want {
				t.Errorf("status %d, want %d", w.Code, test.want)
			}
		})
	}
}
