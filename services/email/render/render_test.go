package render_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/configs/templates"
	"gatehouse.example/sdk/mail"
	"gatehouse.example/services/email"
	"gatehouse.example/services/email/render"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func load(t *testing.T) *render.Templates {
	t.Helper()
	texts, err := render.Load(templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// names are all templates that there must be, in both languages.
var names = []string{
	"account_restored", "account_suspended", "change_email", "email_change_requested", "email_changed", "existing_account",
	"identity_linked", "identity_unlinked", "new_device", "notice", "password_changed", "reset_password", "role_changed", "verify_email",
}

// hostile is what somebody would fill in who wants to write into our mails.
func hostile() render.Data {
	data := render.Data{
		Link:      "https://id.example.com/verify?challenge=0190&code=a+b%3D",
		Email:     `o'hara+<b>@example.com`,
		Issuer:    "https://id.example.com",
		Site:      "id.example.com",
		ExpiresAt: "2026-01-02 15:04 UTC",
		Data: map[string]string{
			"reason": "reset", "time": "2026-01-02 15:04 UTC", "address": "192.0.2.1",
			"new_email": `"><script>alert(1)</script>@example.com`,
			"browser":   "Firefox", "system": "<img src=x onerror=alert(1)>",
			"added": "editor, <b>admin</b>", "removed": "{{.Link}}", "provider": "corp&co", "provider_name": "Corp & <i>Co</i>",
			"title": "Your order\r\nBcc: eve@example.com <script>", "link": "javascript:alert(document.cookie)",
			"text": "Dear customer,\n</p></div><script src=//evil.example></script>\n&amp; bye",
		},
	}
	return data
}

func TestGolden(t *testing.T) {
	texts := load(t)
	var found []string
	for _, template := range texts.Templates() {
		found = append(found, template.Name)
		if diff := cmp.Diff([]string{"de", "en"}, template.Locales); diff != "" {
			t.Errorf("%s: locales (-want +got):\n%s", template.Name, diff)
		}
	}
	if diff := cmp.Diff(names, found); diff != "" {
		t.Errorf("templates (-want +got):\n%s", diff)
	}
	for _, locale := range []string{"en", "de"} {
		for _, name := range names {
			t.Run(locale+"/"+name, func(t *testing.T) {
				got, err := texts.Execute(locale, name, hostile())
				if err != nil {
					t.Fatal(err)
				}
				golden(t, locale+"-"+name, got)
				if strings.ContainsAny(got.Subject, "\r\n") {
					t.Errorf("subject of several lines: %q", got.Subject)
				}
				for _, markup := range []string{"<script", "<img", "<b>admin", "<b>@", `href="javascript:`} {
					if strings.Contains(got.HTML, markup) {
						t.Errorf("%s got into the HTML", markup)
					}
				}
			})
		}
	}
}

// Without the details that need not be known, a mail still reads well.
func TestGoldenSparse(t *testing.T) {
	texts := load(t)
	data := hostile()
	data.Data = map[string]string{"time": "2026-01-02 15:04 UTC", "title": "Hello", "text": "One line.", "removed": "editor"}
	for _, name := range []string{"new_device", "notice", "password_changed", "role_changed", "verify_email"} {
		got, err := texts.Execute("en", name, data)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "sparse-"+name, got)
	}
}

func golden(t *testing.T, name string, got render.Texts) {
	t.Helper()
	text := fmt.Sprintf("-- subject --\n%s\n-- body.txt --\n%s-- body.html --\n%s", got.Subject, got.Text, got.HTML)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
	}
}

func TestLocaleFallback(t *testing.T) {
	texts := load(t)
	subjects := map[string]string{}
	for _, locale := range []string{"de", "en"} {
		got, err := texts.Execute(locale, "verify_email", render.Data{})
		if err != nil {
			t.Fatal(err)
		}
		subjects[locale] = got.Subject
	}
	for locale, want := range map[string]string{
		"de-AT": "de", "DE": "de", "de_CH": "de", "de-Latn-CH": "de",
		"": "en", "fr": "en", "fr-CA": "en", "../../x": "en",
	} {
		got, err := texts.Execute(locale, "verify_email", render.Data{})
		if err != nil || got.Subject != subjects[want] {
			t.Errorf("locale %q: subject %q, %v; want that of %s", locale, got.Subject, err, want)
		}
	}
	if _, err := texts.Execute("en", "no_such", render.Data{}); err == nil {
		t.Error("an unknown template was rendered")
	}
}

func TestRender(t *testing.T) {
	r, err := render.New(load(t), "Gatehouse Tür <no-reply@example.com>", "https://id.example.com")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	link := email.Link{URL: "https://id.example.com/verify?code=" + strings.Repeat("x", 120), ExpiresAt: now.Add(time.Hour)}
	m := email.Message{ID: "0190-1", Template: "verify_email", Locale: "de", Recipient: "ada@example.com"}
	got, err := r.Render(m, link, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.IdempotencyKey != m.ID || got.Envelope.From != "no-reply@example.com" || got.Envelope.To[0] != "ada@example.com" {
		t.Errorf("key and envelope: %+v", got)
	}
	content, err := got.Content()
	if err != nil {
		t.Fatal(err)
	}
	want := mail.Content{
		MessageID: "0190-1@example.com", From: `Gatehouse Tür <no-reply@example.com>`, To: "<ada@example.com>",
		Subject: "Bestätigen Sie Ihre E-Mail-Adresse", Date: now, Text: content.Text, HTML: content.HTML,
	}
	content.Date = content.Date.UTC()
	if diff := cmp.Diff(want, content); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
	if !strings.Contains(content.Text, "\n"+link.URL+"\n") || !strings.Contains(content.HTML, link.URL) || !strings.Contains(content.Text, "2026-01-02 04:04 UTC") {
		t.Errorf("link or expiry got lost:\n%s", content.Text)
	}
	for i, line := range bytes.Split(got.Raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
			t.Errorf("line %d breaks RFC 5322 §2.1.1: %q", i, line)
		}
	}
	if !bytes.Contains(got.Raw, []byte("multipart/alternative")) || !bytes.Contains(got.Raw, []byte("Auto-Submitted: auto-generated\r\n")) {
		t.Errorf("header: %s", got.Raw)
	}
	m.Recipient = "ada@example.com\r\nBcc: eve@example.com"
	if _, err := r.Render(m, link, now); err == nil {
		t.Error("an address with a line break was accepted")
	}
	if _, err := render.New(load(t), "not an address", ""); err == nil {
		t.Error("a malformed sender was accepted")
	}
}

// Whatever is filled in, the header has the fields that we write, each once.
func TestHeaderInjection(t *testing.T) {
	r, err := render.New(load(t), "Gatehouse <no-reply@example.com>", "https://id.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	fields := []string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}
	for _, title := range []string{
		"a\r\nBcc: eve@example.com", "a\nBcc: eve@example.com\n\nbody", "a\rBcc: eve@example.com", "a\u2028Bcc: eve@example.com",
		"a\x00\x1b[31m", "ü\r\nBcc: eve@example.com", strings.Repeat("long ", 300), "=?utf-8?q?=0D=0ABcc:_eve?=", "\xff\xfe", "", "a\u202egnp.exe",
	} {
		m := email.Message{ID: "0190-1", Template: "notice", Recipient: "ada@example.com", Data: map[string]string{"title": title, "text": title}}
		mail, err := r.Render(m, email.Link{}, time.Now())
		if err != nil {
			t.Errorf("%q: %v", title, err)
			continue
		}
		parsed, err := netmail.ReadMessage(bytes.NewReader(mail.Raw))
		if err != nil {
			t.Fatalf("%q: %v", title, err)
		}
		got := slices.Sorted(maps.Keys(parsed.Header))
		if diff := cmp.Diff(fields, slices.DeleteFunc(got, func(f string) bool { return f == "Content-Transfer-Encoding" })); diff != "" {
			t.Errorf("%q: fields (-want +got):\n%s", title, diff)
		}
		for name, values := range parsed.Header {
			if len(values) != 1 || strings.ContainsAny(values[0], "\x00\x1b\u202e") {
				t.Errorf("%q: %s: %q", title, name, values)
			}
		}
	}
}
