package render_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
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

func TestGolden(t *testing.T) {
	texts := load(t)
	data := render.Data{
		Link:      "https://id.example.com/verify?challenge=0190&code=a+b%3D",
		Email:     `o'hara+<b>@example.com`,
		Issuer:    "https://id.example.com",
		ExpiresAt: "2026-01-02 15:04 UTC",
	}
	for _, locale := range []string{"en", "de"} {
		for _, name := range []string{"verify_email", "existing_account"} {
			t.Run(locale+"/"+name, func(t *testing.T) {
				got, err := texts.Execute(locale, name, data)
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprintf("-- subject --\n%s\n-- body.txt --\n%s-- body.html --\n%s", got.Subject, got.Text, got.HTML)
				golden := filepath.Join("testdata", locale+"-"+name+".golden")
				if *update {
					if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), text); diff != "" {
					t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
				}
			})
		}
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

func TestLoadRefuses(t *testing.T) {
	good := fstest.MapFS{
		"en/hello/subject.txt": {Data: []byte("Hello")},
		"en/hello/body.txt":    {Data: []byte("{{.Link}}")},
		"en/hello/body.html":   {Data: []byte("<a href='{{.Link}}'>x</a>")},
	}
	if _, err := render.Load(good); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(fstest.MapFS)
		want   string
	}{
		{"missing body", func(f fstest.MapFS) { delete(f, "en/hello/body.html") }, "en/hello/body.html"},
		{"syntax", func(f fstest.MapFS) { f["en/hello/body.txt"] = &fstest.MapFile{Data: []byte("a\n{{.Link")} }, "en/hello/body.txt:2"},
		{"unknown field", func(f fstest.MapFS) { f["en/hello/subject.txt"] = &fstest.MapFile{Data: []byte("{{.Lnik}}")} }, "Lnik"},
		{"no default locale", func(f fstest.MapFS) {
			for _, name := range []string{"subject.txt", "body.txt", "body.html"} {
				f["de/only/"+name] = f["en/hello/"+name]
			}
		}, "en/only"},
		{"empty", func(f fstest.MapFS) { clear(f) }, "LOCALE/NAME"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, file := range good {
				files[name] = file
			}
			test.change(files)
			if _, err := render.Load(files); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Load: %v, want it to say %q", err, test.want)
			}
		})
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
