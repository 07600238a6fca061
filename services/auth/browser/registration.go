package browser

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// keptRegistrations is how many registrations a browser remembers: one that is
// sent twice must not forget the link of the mail that went out.
const keptRegistrations = 4

// RegistrationCookie returns the name of the cookie that says which challenges
// the registrations in this browser have asked for.
func (j *Jar) RegistrationCookie() string {
	if j.secure {
		return "__Host-gatehouse_registration"
	}
	return "gatehouse_registration"
}

// Registered remembers in the browser, for as long as the link in the mail
// lives, that its registration asked for the challenge. Where none was made the
// id is one that names nothing: the cookie tells neither whether a mail went out
// nor who registered.
func (j *Jar) Registered(w http.ResponseWriter, r *http.Request, challengeID string, lifetime time.Duration) {
	ids := append(j.registrations(r), challengeID)
	ids = ids[max(0, len(ids)-keptRegistrations):]
	http.SetCookie(w, &http.Cookie{
		Name: j.RegistrationCookie(), Value: strings.Join(ids, "."), Path: "/", MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, Secure: j.secure, SameSite: http.SameSiteLaxMode,
	})
}

// HasRegistered reports whether somebody registered in the browser lately, and
// whether it was that registration that asked for the challenge. A program that
// follows links in mails has not; nor has the browser when somebody elsewhere
// caused a mail to the same address.
func (j *Jar) HasRegistered(r *http.Request, challengeID string) (lately, same bool) {
	ids := j.registrations(r)
	return len(ids) > 0, slices.Contains(ids, challengeID)
}

func (j *Jar) registrations(r *http.Request) []string {
	c, err := r.Cookie(j.RegistrationCookie())
	if err != nil {
		return nil
	}
	ids := strings.Split(c.Value, ".")
	return slices.DeleteFunc(ids, func(id string) bool { return len(id) != 36 || uuid.Validate(id) != nil })
}
