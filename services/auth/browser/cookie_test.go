package browser_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
)

// nowhere keeps no session.
type nowhere struct{}

func (nowhere) CreateSession(context.Context, auth.NewSession) error { return nil }
func (nowhere) SessionByCookie(context.Context, []byte) (auth.Session, error) {
	return auth.Session{}, auth.ErrNotFound
}
func (nowhere) TouchSession(context.Context, string, time.Time, time.Time) error { return nil }

// TestCookieOfAnHTTPSIssuer has the attributes without which browsers refuse
// the prefix (RFC 6265bis §4.1.3.2).
func TestCookieOfAnHTTPSIssuer(t *testing.T) {
	jar := browser.New(browser.Options{Issuer: "https://id.example", Sessions: nowhere{}})
	w := httptest.NewRecorder()
	if _, err := jar.SignIn(w, httptest.NewRequest(http.MethodPost, "/login", nil), "user", browser.MethodPassword); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	if c.Name != "__Host-gatehouse_session" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || len(c.Value) < 43 {
		t.Errorf("cookie %+v", c)
	}
	d := w.Result().Cookies()[1]
	if d.Name != "__Host-gatehouse_device" || !d.Secure || !d.HttpOnly || d.Path != "/" || d.Domain != "" || d.SameSite != http.SameSiteLaxMode ||
		len(d.Value) < 43 || d.Value == c.Value || d.MaxAge < 365*24*60*60 {
		t.Errorf("cookie %+v", d)
	}
}
