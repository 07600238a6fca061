// Package page owns how the auth service's pages look and how a browser is told
// to treat them: templates, style sheet, security headers, protection against
// cross-site requests, and the one table from errors to pages.
//
// Pages need no JavaScript and load nothing: the style sheet is in the page and
// allowed by its hash. What a page says, and what its form does, is left to the
// package of its endpoint.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth/password"
)

//go:embed templates/*.html templates/style.css
var files embed.FS

// Options configures [New].
type Options struct {
	// Issuer is the only origin that the pages belong to.
	Issuer string
	// Name stands in the head of every page. Zero: "Gatehouse".
	Name string
}

// Renderer writes pages. It is safe for concurrent use.
type Renderer struct {
	templates map[string]*template.Template
	style     template.CSS
	styleHash string
	name      string
	// strictly is the value of Strict-Transport-Security; "" sends none.
	strictly string
	cross    *http.CrossOriginProtection
}

// New parses the embedded templates.
func New(o Options) (*Renderer, error) {
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("issuer %q is not an absolute URL", o.Issuer)
	}
	if o.Name == "" {
		o.Name = "Gatehouse"
	}
	style, err := files.ReadFile("templates/style.css")
	if err != nil {
		return nil, fmt.Errorf("read style sheet: %w", err)
	}
	// The hash is of the text between the style tags.
	sum := sha256.Sum256(style)
	r := &Renderer{
		templates: map[string]*template.Template{},
		style:     template.CSS(style),
		styleHash: base64.StdEncoding.EncodeToString(sum[:]),
		name:      o.Name,
		cross:     http.NewCrossOriginProtection(),
	}
	if issuer.Scheme == "https" && !isLocal(issuer.Hostname()) {
		r.strictly = "max-age=31536000"
	}
	// Behind the gateway the request's Host is not that of the page. Browsers
	// that send Sec-Fetch-Site are judged by it, others by their Origin.
	if err := r.cross.AddTrustedOrigin(issuer.Scheme + "://" + issuer.Host); err != nil {
		return nil, fmt.Errorf("trust issuer %q: %w", o.Issuer, err)
	}
	r.cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.Message(w, req, http.StatusForbidden, Message{Title: "Request refused", Text: "This form was sent from another site. Open the page again and repeat what you did."})
	}))
	for _, name := range []string{
		"account", "account_email", "account_password", "account_sessions", "confirm", "login", "logout", "message", "register", "reset", "reset_password", "setup", "verify",
	} {
		parsed, err := template.ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse template %s: %w", name, err)
		}
		r.templates[name] = parsed
	}
	return r, nil
}

// Protect refuses requests that another site made the browser send (CSRF).
// Clients that are no browsers send neither Origin nor Sec-Fetch-Site and pass.
func (p *Renderer) Protect(next http.Handler) http.Handler { return p.cross.Handler(next) }

// SameOrigin reports whether r was not made by another site.
func (p *Renderer) SameOrigin(r *http.Request) bool { return p.cross.Check(r) == nil }

// View is one page to render.
type View struct {
	// Template is the file's name without ".html".
	Template string
	// Title is the page's title and heading.
	Title string
	// Status is the HTTP status. Zero: 200.
	Status int
	// LeadsAway says that sending the page's form may end at a client's
	// redirect URI. Browsers apply form-action to redirects too, so it cannot
	// be limited to this origin then.
	LeadsAway bool
	// Data is what the template shows.
	Data any
}

type layout struct {
	Title, Name string
	Style       template.CSS
	Data        any
}

// Render writes the page.
func (p *Renderer) Render(w http.ResponseWriter, r *http.Request, v View) {
	t, ok := p.templates[v.Template]
	if !ok {
		slog.Default().ErrorContext(r.Context(), "render page", slog.String("template", v.Template), slog.String("error", "no such template"))
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "layout", layout{Title: v.Title, Name: p.name, Style: p.style, Data: v.Data}); err != nil {
		slog.Default().ErrorContext(r.Context(), "render page", slog.String("template", v.Template), slog.Any("error", err))
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	if v.Status == 0 {
		v.Status = http.StatusOK
	}
	p.headers(w.Header(), v.LeadsAway)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(v.Status)
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // nobody is left to tell
	}
}

// headers says that the page loads nothing, is framed by nobody (RFC 9700
// §4.16), is kept nowhere, does not give its address away, and that its host is
// to be asked by https alone from now on (RFC 6797): who still types http must
// not be shown somebody else's form.
func (p *Renderer) headers(h http.Header, leadsAway bool) {
	policy := "default-src 'none'; style-src 'sha256-" + p.styleHash + "'; base-uri 'none'; frame-ancestors 'none'"
	if !leadsAway {
		policy += "; form-action 'self'"
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	// Not no-referrer: browsers would send "Origin: null" with our own forms.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if p.strictly != "" {
		h.Set("Strict-Transport-Security", p.strictly)
	}
}

// isLocal reports whether host is the machine itself, where other programs
// serve plain http under the same name.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (ip != nil && ip.IsLoopback())
}

// Message is a page without a form.
type Message struct {
	Title, Text string
	// Link and LinkText lead on, if there is somewhere to go.
	Link, LinkText string
	// More are further places to go.
	More []Choice
}

// Message writes a page that only says something.
func (p *Renderer) Message(w http.ResponseWriter, r *http.Request, status int, m Message) {
	p.Render(w, r, View{Template: "message", Title: m.Title, Status: status, Data: m})
}

// Unreadable writes the page for a form that is none; back leads to it.
func (p *Renderer) Unreadable(w http.ResponseWriter, r *http.Request, title, back string) {
	p.Message(w, r, http.StatusBadRequest, Message{Title: title, Text: "The form could not be read.", Link: back, LinkText: "Try again"})
}

// Error writes the page for an error that no form can show, and logs it unless
// it is only that too many passwords are checked at once.
func (p *Renderer) Error(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, password.ErrBusy) {
		p.RetryLater(w, r, time.Second)
		return
	}
	message, unavailable := "page ended in an unexpected error", problem.Unavailable(err)
	if unavailable {
		message = "page needs what cannot be reached"
	}
	if r.Context().Err() == nil {
		slog.Default().ErrorContext(r.Context(), message, slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	if unavailable {
		w.Header().Set("Retry-After", "5")
		p.Message(w, r, http.StatusServiceUnavailable, Message{Title: "Not available", Text: "Something is not working on our side. It is not your fault. Please try again in a few minutes."})
		return
	}
	p.Message(w, r, http.StatusInternalServerError, Message{Title: "Something went wrong", Text: "It is not your fault. Please try again in a few minutes."})
}

// RetryLater writes the 503 of a server that works and has too much to do.
func (p *Renderer) RetryLater(w http.ResponseWriter, r *http.Request, after time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(after.Seconds()))))
	p.Message(w, r, http.StatusServiceUnavailable, Message{Title: "Busy", Text: "Too much is going on right now. Please try again in a moment."})
}

// Redirect answers 303, so that the browser continues with GET and never sends
// a password on (RFC 9700 §4.12).
func Redirect(w http.ResponseWriter, location string) {
	h := w.Header()
	h.Set("Location", location)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
