// Package browser owns the sign-in session of a browser: its cookie, its life,
// who is signed in, and where the browser may be sent after signing in.
//
// How a person proves who it is, is left to services/auth/login; ending
// sessions from elsewhere to services/auth/sessions and the events of the user
// service.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/opaque"
)

// Sessions stores sessions.
type Sessions interface {
	// CreateSession stores s, ends the session that it replaces, and tells of a
	// device that is new to the person. It returns [auth.ErrRevoked] if the
	// password is not the person's any more.
	CreateSession(ctx context.Context, s auth.NewSession) error
	// SessionByCookie returns the session, or [auth.ErrNotFound].
	SessionByCookie(ctx context.Context, cookieHash []byte) (auth.Session, error)
	// TouchSession records that the session is in use.
	TouchSession(ctx context.Context, id string, seen, idleExpires time.Time) error
}

// Options configures [New].
type Options struct {
	// Issuer decides by its scheme whether cookies are Secure.
	Issuer   string
	Sessions Sessions
	// Lifetime is a session's absolute life, Idle its life without use.
	// Zero: 30 days and 7 days.
	Lifetime, Idle time.Duration
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Jar reads and writes the session cookie. It is safe for concurrent use.
type Jar struct {
	sessions       Sessions
	lifetime, idle time.Duration
	secure         bool
	now            func() time.Time
}

// MethodPassword says that a person signed in by its password.
const MethodPassword = "password"

// touchInterval is how often the use of a session is written down.
const touchInterval = time.Minute

// New returns a jar.
func New(o Options) *Jar {
	if o.Lifetime <= 0 {
		o.Lifetime = 30 * 24 * time.Hour
	}
	if o.Idle <= 0 {
		o.Idle = 7 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Jar{sessions: o.Sessions, lifetime: o.Lifetime, idle: o.Idle, secure: strings.HasPrefix(o.Issuer, "https://"), now: o.Now}
}

// CookieName returns the name of the session cookie. On an https issuer the
// prefix makes browsers refuse one that another host or plain http has set
// (RFC 6265bis §4.1.3.2).
func (j *Jar) CookieName() string {
	if j.secure {
		return "__Host-gatehouse_session"
	}
	return "gatehouse_session"
}

// Current returns the browser's live session, or [auth.ErrNotFound].
func (j *Jar) Current(r *http.Request) (auth.Session, error) {
	hash := j.cookieHash(r)
	if hash == nil {
		return auth.Session{}, auth.ErrNotFound
	}
	s, err := j.sessions.SessionByCookie(r.Context(), hash)
	if err != nil {
		return auth.Session{}, err
	}
	now := j.now()
	if !s.Live(now) {
		return auth.Session{}, auth.ErrNotFound
	}
	if now.Sub(s.LastSeenAt) >= touchInterval {
		if err := j.sessions.TouchSession(r.Context(), s.ID, now, j.idleEnd(now, s.ExpiresAt)); err != nil && !errors.Is(err, auth.ErrNotFound) {
			return auth.Session{}, err
		}
	}
	return s, nil
}

// SignIn starts a new session for the user and ends the one that the browser
// had, so that nobody can plant a session before the sign-in (fixation). method
// is how the person proved who it is, for the audit log: [MethodPassword] or the
// name of a provider.
func (j *Jar) SignIn(w http.ResponseWriter, r *http.Request, userID, method string) (auth.Session, error) {
	return j.signIn(w, r, auth.NewSession{Session: auth.Session{UserID: userID}, Method: method})
}

// SignInByPassword is SignIn for who knew the password of the credential. It
// returns [auth.ErrRevoked] if the person has another password by now: a sign-in
// that was under way must not outlive the password.
func (j *Jar) SignInByPassword(w http.ResponseWriter, r *http.Request, c auth.Credential) (auth.Session, error) {
	return j.signIn(w, r, auth.NewSession{Session: auth.Session{UserID: c.UserID}, Method: MethodPassword, PasswordHash: c.PasswordHash})
}

func (j *Jar) signIn(w http.ResponseWriter, r *http.Request, n auth.NewSession) (auth.Session, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return auth.Session{}, fmt.Errorf("make session id: %w", err)
	}
	cookie, now := opaque.New(), j.now()
	n.Session = auth.Session{
		ID: id.String(), UserID: n.UserID, CookieHash: opaque.Hash(cookie), CreatedAt: now, AuthTime: now, LastSeenAt: now,
		ExpiresAt: now.Add(j.lifetime), IdleExpiresAt: j.idleEnd(now, now.Add(j.lifetime)),
		UserAgent: clip(r.UserAgent(), 256), Address: ClientAddress(r),
	}
	device := j.device(r)
	n.Replaces, n.DeviceHash = j.cookieHash(r), deviceHash(n.UserID, device)
	if err := j.sessions.CreateSession(r.Context(), n); err != nil {
		return auth.Session{}, err
	}
	j.set(w, cookie, int(j.lifetime.Seconds()))
	j.setDevice(w, device)
	return n.Session, nil
}

// Forget removes the cookie.
func (j *Jar) Forget(w http.ResponseWriter) { j.set(w, "", -1) }

func (j *Jar) set(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: j.CookieName(), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: j.secure,
		// Lax, not Strict: the browser comes from the client's site to authorize.
		SameSite: http.SameSiteLaxMode,
	})
}

func (j *Jar) cookieHash(r *http.Request) []byte {
	c, err := r.Cookie(j.CookieName())
	if err != nil || c.Value == "" {
		return nil
	}
	return opaque.Hash(c.Value)
}

func (j *Jar) idleEnd(now, end time.Time) time.Time {
	if idle := now.Add(j.idle); idle.Before(end) {
		return idle
	}
	return end
}

// ClientAddress returns the address that the gateway saw the client at. The
// header counts because only the gateway's certificate opens a connection here
// and the gateway replaces what the client sent.
func ClientAddress(r *http.Request) string {
	if ip := net.ParseIP(strings.TrimSpace(r.Header.Get("X-Forwarded-For"))); ip != nil {
		return ip.String()
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

func clip(s string, limit int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}
