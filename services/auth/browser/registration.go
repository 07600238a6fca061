package browser

import (
	"net/http"
	"time"
)

// RegistrationCookie returns the name of the cookie that says that somebody
// registered in this browser lately.
func (j *Jar) RegistrationCookie() string {
	if j.secure {
		return "__Host-gatehouse_registration"
	}
	return "gatehouse_registration"
}

// Registered marks the browser as one in which somebody registered, for as long
// as the link in the mail lives. It says nothing about who.
func (j *Jar) Registered(w http.ResponseWriter, lifetime time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: j.RegistrationCookie(), Value: "1", Path: "/", MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, Secure: j.secure, SameSite: http.SameSiteLaxMode,
	})
}

// HasRegistered reports whether the request comes from a marked browser. A
// program that follows links in mails is none.
func (j *Jar) HasRegistered(r *http.Request) bool {
	c, err := r.Cookie(j.RegistrationCookie())
	return err == nil && c.Value != ""
}
