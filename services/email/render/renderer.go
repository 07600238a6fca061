package render

import (
	"bytes"
	"fmt"
	netmail "net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"gatehouse.example/sdk/mail"
	"gatehouse.example/services/email"
)

// pathAccount is the page where a person looks after its account.
const pathAccount = "/account"

// Renderer makes mails of messages. It is safe for concurrent use.
type Renderer struct {
	templates *Templates
	from      *netmail.Address
	issuer    string
	site      string // the issuer's host
}

var _ email.Renderer = (*Renderer)(nil)

// New returns a renderer for mails from the address from, such as
// "Gatehouse <no-reply@example.com>".
func New(templates *Templates, from, issuer string) (*Renderer, error) {
	address, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("sender address %q: %w", from, err)
	}
	issuer = strings.TrimRight(issuer, "/")
	site := issuer
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		site = u.Host
	}
	return &Renderer{templates: templates, from: address, issuer: issuer, site: site}, nil
}

// Render implements [email.Renderer].
func (r *Renderer) Render(m email.Message, link email.Link, now time.Time) (mail.Message, error) {
	data := Data{Link: link.URL, Email: m.Recipient, Issuer: r.issuer, Site: r.site, Data: m.Data}
	if data.Link == "" {
		data.Link = r.issuer + pathAccount
	}
	if !link.ExpiresAt.IsZero() {
		data.ExpiresAt = email.FormatTime(link.ExpiresAt)
	}
	texts, err := r.templates.Execute(m.Locale, m.Template, data)
	if err != nil {
		return mail.Message{}, err
	}
	raw, err := r.compose(m, texts, now)
	if err != nil {
		return mail.Message{}, fmt.Errorf("compose: %w", err)
	}
	return mail.Message{
		IdempotencyKey: m.ID,
		Envelope:       mail.Envelope{From: r.from.Address, To: []string{m.Recipient}},
		Raw:            raw,
	}, nil
}

// compose writes the message (RFC 5322) with two alternatives, the richer one
// last (RFC 2046 §5.1.4).
func (r *Renderer) compose(m email.Message, texts Texts, now time.Time) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.From(r.from.String()); err != nil {
		return nil, err
	}
	if err := msg.To(m.Recipient); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(r.from.Address, "@")
	// The same for every attempt, so that a second copy can be recognised.
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetDateWithValue(now.UTC())
	msg.Subject(texts.Subject)
	// RFC 3834 §5: no vacation answers to this.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, texts.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, texts.HTML)
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
