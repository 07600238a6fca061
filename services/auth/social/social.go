// Package social owns signing in through a provider: sending the browser away
// (/login/start/{provider}), taking it back (/login/callback/{provider}), and
// the rules by which an identity at a provider leads to an account here.
//
// What makes a provider's answer trustworthy is the plugin's business; which
// plugins run is services/auth/app's. Linked identities are shown and removed in
// services/auth/identities, the session is started by services/auth/browser.
//
// # Rules
//
// An identity that is linked signs its account in. Else the address decides:
//
//   - No account has it: one is made. It is active at once if the provider is
//     trusted and says that the address is verified; else when the link of a
//     mail was followed, and the identity is linked then.
//   - An account has it and has proven it: the identity is linked if the
//     provider is trusted and says verified; else the person signs in to the
//     account first.
//   - An account has it and has not proven it: it may be a stranger's. A
//     registration that was never finished goes to who follows the link of the
//     mail, without the stranger's password; any other account is signed in to
//     first.
package social

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/sdk/social"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/browser"
	"gatehouse.example/services/auth/page"
)

// Provider speaks to the provider, within bounded time.
type Provider interface {
	AuthorizationURL(ctx context.Context, a social.Authorization) (string, error)
	Exchange(ctx context.Context, c social.Callback) (social.Identity, error)
}

// Entry is a provider that people can sign in through.
type Entry struct {
	// Name is the provider's in the configuration and in paths.
	Name string
	// DisplayName is what the button says.
	DisplayName string
	// TrustEmail lets an address that the provider calls verified lead to the
	// account with that address.
	TrustEmail bool
	Provider   Provider
}

// Catalogue is the configured providers, sorted by display name.
type Catalogue []Entry

// NewCatalogue sorts the entries.
func NewCatalogue(entries ...Entry) Catalogue {
	c := slices.Clone(entries)
	slices.SortFunc(c, func(a, b Entry) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName)), strings.Compare(a.Name, b.Name))
	})
	return c
}

// Find returns the entry of the name.
func (c Catalogue) Find(name string) (Entry, bool) {
	i := slices.IndexFunc(c, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return c[i], true
}

// Names returns the names of all entries.
func (c Catalogue) Names() []string {
	names := make([]string, len(c))
	for i, e := range c {
		names[i] = e.Name
	}
	return names
}

// DisplayName returns what people know the provider by: its name, if it is not
// configured any more.
func (c Catalogue) DisplayName(name string) string {
	if entry, ok := c.Find(name); ok {
		return entry.DisplayName
	}
	return name
}

// Choices returns what the sign-in page offers, leading on to returnTo.
func (c Catalogue) Choices(returnTo string) []page.Choice {
	choices := make([]page.Choice, len(c))
	for i, e := range c {
		choices[i] = page.Choice{Label: e.DisplayName, Link: browser.WithReturnTo("/login/start/"+e.Name, returnTo)}
	}
	return choices
}

// Accounts creates and finds accounts in the user service.
type Accounts interface {
	CreateAccount(ctx context.Context, n userapi.NewAccount) (userapi.Account, error)
	AccountByID(ctx context.Context, id string) (userapi.Account, error)
	AccountByLogin(ctx context.Context, login string) (userapi.Account, error)
}

// Identities stores linked identities.
type Identities interface {
	// Identity returns the linked identity, or [auth.ErrNotFound].
	Identity(ctx context.Context, provider, subject string) (auth.Identity, error)
	// LinkIdentity links the identity, or returns [auth.ErrMismatch] if it is
	// somebody else's.
	LinkIdentity(ctx context.Context, i auth.Identity) (auth.Identity, error)
	IdentityUsed(ctx context.Context, id, email string, now time.Time) error
	// AwaitProof links the identity once its challenge is met.
	AwaitProof(ctx context.Context, p auth.PendingIdentity) error
}

// Flows stores sign-ins under way.
type Flows interface {
	BeginFlow(ctx context.Context, f auth.SocialFlow) error
	Flow(ctx context.Context, stateHash, browserHash []byte, now time.Time) (auth.SocialFlow, error)
	// TakeFlow returns the browser's flow once, then [auth.ErrNotFound].
	TakeFlow(ctx context.Context, stateHash, browserHash []byte, now time.Time) (auth.SocialFlow, error)
}

// Mailer asks for a mail with a link.
type Mailer interface {
	RequestChallenge(ctx context.Context, c auth.Challenge, first *auth.Credential, limit auth.MailLimit) (sent bool, err error)
}

// Sessions starts sessions and tells who is signed in.
type Sessions interface {
	SignIn(w http.ResponseWriter, r *http.Request, userID, method string) (auth.Session, error)
	Current(r *http.Request) (auth.Session, error)
}

// Log keeps records of sign-ins that failed.
type Log interface {
	Record(ctx context.Context, r audit.Record) error
}

// Options configures [New].
type Options struct {
	// Issuer is where the callbacks are.
	Issuer     string
	Catalogue  Catalogue
	Accounts   Accounts
	Identities Identities
	Flows      Flows
	Mailer     Mailer
	Sessions   Sessions
	Log        Log
	Pages      *page.Renderer
	// AllowRegistration lets people without an account make one.
	AllowRegistration bool
	// VerificationLifetime is how long a mailed link is good. Zero: a day.
	VerificationLifetime time.Duration
	Logger               *slog.Logger
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Endpoint is the pages of social sign-in. It is safe for concurrent use.
type Endpoint struct{ Options }

// New returns the endpoint.
func New(o Options) *Endpoint {
	if o.VerificationLifetime <= 0 {
		o.VerificationLifetime = 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Endpoint{o}
}

// derive returns nonce or verifier: they need not be stored, and are unknown to
// who reads the database or sees the state pass by (RFC 7636 §4.1: 43 characters
// of the unreserved set).
func derive(secret, purpose, state string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(state))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
