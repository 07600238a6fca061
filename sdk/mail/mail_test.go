package mail_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/sdk/mail"
	"gatehouse.example/sdk/mail/mailtest"
)

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		name      string
		err       error
		permanent bool
	}{
		{"permanent", mail.Permanent(cause), true},
		{"wrapped permanent", fmt.Errorf("send: %w", mail.Permanent(cause)), true},
		{"refused recipient", mail.RecipientRefused(cause), true},
		{"temporary", mail.Temporary(cause), false},
		{"unmarked", cause, false},
		{"outermost mark counts", mail.Temporary(mail.Permanent(cause)), false},
		{"nil", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if mail.IsPermanent(test.err) != test.permanent {
				t.Errorf("IsPermanent = %t", !test.permanent)
			}
			if test.err != nil && !errors.Is(test.err, cause) {
				t.Error("the cause is lost")
			}
		})
	}
	if !mail.IsRecipientRefused(fmt.Errorf("send: %w", mail.RecipientRefused(cause))) ||
		mail.IsRecipientRefused(mail.Permanent(cause)) || mail.IsRecipientRefused(mail.Temporary(mail.RecipientRefused(cause))) {
		t.Error("IsRecipientRefused does not go by the outermost mark")
	}
	if mail.Permanent(nil) != nil || mail.Temporary(nil) != nil || mail.RecipientRefused(nil) != nil {
		t.Error("a mark on nil is an error")
	}
}

func TestContent(t *testing.T) {
	got, err := mailtest.Message("key", "ada@example.com").Content()
	if err != nil {
		t.Fatal(err)
	}
	want := mail.Content{
		MessageID: "key@example.com", From: "Gatehouse <noreply@example.com>", To: "<ada@example.com>", Subject: "Grüße",
		Date: time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC),
		Text: "Grüße, https://example.com/verify?token=abc\n.a line that starts with a dot", HTML: "<p>Hello</p>",
	}
	got.Date = got.Date.UTC()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
}

func TestParseContent(t *testing.T) {
	nested := "Content-Type: multipart/mixed; boundary=a\r\n\r\n" +
		"--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\neDwvYj4=\r\n--b--\r\n" +
		"--a\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=x\r\n\r\nattached\r\n" +
		"--a\r\nContent-Type: text/plain\r\n\r\nshown\r\n--a--\r\n"
	got, err := mail.ParseContent(strings.NewReader(nested))
	if err != nil || got.HTML != "<b>x</b>" || got.Text != "shown" {
		t.Errorf("nested: %+v, %v", got, err)
	}
	got, err = mail.ParseContent(strings.NewReader("Subject: plain\r\n\r\nhello\r\nworld"))
	if err != nil || got.Text != "hello\nworld" || !got.Date.IsZero() {
		t.Errorf("plain: %+v, %v", got, err)
	}
	var deep strings.Builder
	for i := range 50 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	for _, raw := range []string{"", "no header", "Content-Type: ;\r\n\r\n", deep.String()} {
		if _, err := mail.ParseContent(strings.NewReader(raw)); err == nil {
			t.Errorf("%.40q was parsed", raw)
		}
	}
}

func FuzzParseContent(f *testing.F) {
	f.Add(mailtest.Message("key", "ada@example.com").Raw)
	f.Add([]byte("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		content, err := mail.Message{Raw: raw}.Content()
		if err != nil && content != (mail.Content{}) {
			t.Errorf("an error and a content: %v, %+v", err, content)
		}
	})
}

func TestDecodeConfig(t *testing.T) {
	var config struct {
		Host string `json:"host"`
	}
	if err := mail.DecodeConfig(json.RawMessage(`{"host":"h"}`), &config); err != nil || config.Host != "h" {
		t.Errorf("%+v, %v", config, err)
	}
	if err := mail.DecodeConfig(nil, &config); err != nil {
		t.Errorf("no configuration: %v", err)
	}
	for _, wrong := range []string{`{"hots":"h"}`, `{"host":1}`, `[]`, `{`} {
		if err := mail.DecodeConfig(json.RawMessage(wrong), &config); err == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}
