// Package socialtest owns the conformance kit of social sign-in providers: what
// every [social.Provider] must do, whether called in the same process or as a
// compiled plugin through [Start].
//
// The provider's far end is the test's own business: [Options.SignIn] signs
// somebody in there.
package socialtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/sdk/internal/process/processtest"
	"gatehouse.example/sdk/social"
)

// RedirectURI is the callback that the kit asks for.
const RedirectURI = "https://gatehouse.example/login/callback/kit"

// Options is what the kit needs to know about a provider.
type Options struct {
	// New returns a provider that is not configured yet.
	New func(t *testing.T) social.Provider
	// Config is a configuration that works.
	Config json.RawMessage
	// SignIn signs a person in at the far end, as a browser that was sent to
	// the URL would, and returns the parameters of the callback, state and code
	// among them.
	SignIn func(t *testing.T, authorizationURL string) url.Values
	// Want is who signs in. Issuer and Subject are compared, and Email where it
	// is set.
	Want social.Identity
	// WithoutNonce leaves the nonce's test out, for far ends that are plain
	// OAuth and have no ID token.
	WithoutNonce bool
}

// Run runs the kit.
func Run(t *testing.T, o Options) {
	t.Helper()
	t.Run("refuses an unknown member of the configuration", o.refusesUnknownConfig)
	t.Run("sends the browser away with what it was given", o.sendsAway)
	t.Run("signs in, in another process than it began in", o.signsIn)
	t.Run("signs in concurrently", o.signsInConcurrently)
	t.Run("accepts a code once", o.acceptsOnce)
	t.Run("refuses another code verifier", func(t *testing.T) {
		o.refuses(t, func(c *social.Callback) { c.CodeVerifier = random() })
	})
	t.Run("refuses an invented code", func(t *testing.T) { o.refuses(t, func(c *social.Callback) { c.Code = "invented" }) })
	if !o.WithoutNonce {
		t.Run("refuses another nonce", func(t *testing.T) { o.refuses(t, func(c *social.Callback) { c.Nonce = random() }) })
		t.Run("refuses no nonce", func(t *testing.T) { o.refuses(t, func(c *social.Callback) { c.Nonce = "" }) })
	}
	t.Run("refuses another issuer's response", func(t *testing.T) {
		o.refuses(t, func(c *social.Callback) { c.Parameters["iss"] = "https://other.example" })
	})
	t.Run("gives up when the context is done", o.givesUp)
}

// random returns 256 bits as state, nonce and verifier have them.
func random() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(raw)
}

type attempt struct {
	social.Authorization
	verifier string
}

func begin() attempt {
	verifier := random()
	sum := sha256.Sum256([]byte(verifier))
	return attempt{social.Authorization{
		State: random(), Nonce: random(), RedirectURI: RedirectURI, CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:]),
	}, verifier}
}

func (o Options) configured(t *testing.T) social.Provider {
	t.Helper()
	p := o.New(t)
	if err := p.Configure(t.Context(), o.Config); err != nil {
		t.Fatalf("Configure: %v", err)
	}
	return p
}

func (o Options) refusesUnknownConfig(t *testing.T) {
	processtest.RefusesUnknownConfig(t, o.Config, o.New(t).Configure)
}

func (o Options) sendsAway(t *testing.T) {
	a := begin()
	target := away(t, o.configured(t), a)
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Fragment != "" || u.User != nil {
		t.Fatalf("AuthorizationURL %q is not an absolute URL: %v", target, err)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		t.Errorf("AuthorizationURL %q is not https", target)
	}
	if strings.Contains(target, a.verifier) {
		t.Error("AuthorizationURL tells the code verifier")
	}
	query := u.Query()
	if query.Has("request_uri") {
		return // pushed (RFC 9126)
	}
	want := map[string]string{
		"state": a.State, "redirect_uri": a.RedirectURI, "code_challenge": a.CodeChallenge, "code_challenge_method": "S256", "response_type": "code",
	}
	for name, value := range want {
		if got := query.Get(name); got != value {
			t.Errorf("AuthorizationURL: %s is %q, want %q", name, got, value)
		}
	}
}

func away(t *testing.T, p social.Provider, a attempt) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	target, err := p.AuthorizationURL(ctx, a.Authorization)
	if err != nil {
		t.Fatalf("AuthorizationURL: %v", err)
	}
	return target
}

// back is the callback of the attempt that was begun at the provider.
func (o Options) back(t *testing.T, p social.Provider, a attempt) social.Callback {
	t.Helper()
	parameters := map[string]string{}
	for name, values := range o.SignIn(t, away(t, p, a)) {
		parameters[name] = values[0]
	}
	if parameters["state"] != a.State {
		t.Fatalf("the state came back as %q, want %q", parameters["state"], a.State)
	}
	delete(parameters, "state")
	return social.Callback{Code: parameters["code"], CodeVerifier: a.verifier, Nonce: a.Nonce, RedirectURI: RedirectURI, Parameters: parameters}
}

func exchange(t *testing.T, p social.Provider, c social.Callback) (social.Identity, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return p.Exchange(ctx, c)
}

func (o Options) expect(t *testing.T, who social.Identity, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("Exchange: %v", err)
		return
	}
	if who.Issuer != o.Want.Issuer || who.Subject != o.Want.Subject || (o.Want.Email != "" && who.Email != o.Want.Email) {
		t.Errorf("Exchange = %q, %q, %q, want %q, %q, %q", who.Issuer, who.Subject, who.Email, o.Want.Issuer, o.Want.Subject, o.Want.Email)
	}
	if len(who.Claims) > 0 && !json.Valid(who.Claims) {
		t.Errorf("Claims are not JSON: %s", who.Claims)
	}
}

func (o Options) signsIn(t *testing.T) {
	c := o.back(t, o.configured(t), begin())
	who, err := exchange(t, o.configured(t), c)
	o.expect(t, who, err)
}

func (o Options) signsInConcurrently(t *testing.T) {
	p := o.configured(t)
	callbacks := make([]social.Callback, 8)
	for i := range callbacks {
		callbacks[i] = o.back(t, p, begin())
	}
	var wg sync.WaitGroup
	for _, c := range callbacks {
		wg.Go(func() {
			who, err := exchange(t, p, c)
			o.expect(t, who, err)
		})
	}
	wg.Wait()
}

func (o Options) acceptsOnce(t *testing.T) {
	p := o.configured(t)
	c := o.back(t, p, begin())
	who, err := exchange(t, p, c)
	o.expect(t, who, err)
	if _, err := exchange(t, p, c); social.KindOf(err) != social.KindInvalid {
		t.Errorf("the second Exchange: %v, want one of KindInvalid", err)
	}
}

func (o Options) refuses(t *testing.T, change func(*social.Callback)) {
	p := o.configured(t)
	c := o.back(t, p, begin())
	c.Parameters = maps.Clone(c.Parameters)
	change(&c)
	if who, err := exchange(t, p, c); err == nil || social.KindOf(err) != social.KindInvalid {
		t.Errorf("Exchange = %+v, %v, want an error of KindInvalid", who, err)
	}
}

func (o Options) givesUp(t *testing.T) {
	p := o.configured(t)
	c := o.back(t, p, begin())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan error, 1)
	go func() {
		_, err := p.Exchange(ctx, c)
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil && social.KindOf(err) != social.KindTemporary {
			t.Fatalf("a done context is a temporary failure, not: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Exchange did not return 10 s after its context was done")
	}
}
