package social

import (
	"context"
	"encoding/json"

	"gatehouse.example/sdk/internal/process"
)

// Provider signs people in through somebody else's accounts. [Serve] makes it
// a plugin.
type Provider interface {
	// Configure is called once, before everything else, with one JSON object.
	// An error ends the plugin; its text is shown to the operator and must not
	// contain a secret. A provider that can't be reached right now is no error:
	// Gatehouse starts without it and tries again at each sign-in.
	Configure(ctx context.Context, config json.RawMessage) error

	// AuthorizationURL returns where the browser is sent to sign in: an absolute
	// https URL, at most 8 KiB long, that carries the state. It is called
	// concurrently, also by strangers.
	//
	// # Errors
	//
	// [Misconfigured], or [Temporary] as all others.
	AuthorizationURL(ctx context.Context, a Authorization) (string, error)

	// Exchange turns what came back with the browser into an identity. It is
	// called concurrently, at most once for a state. Signature, issuer,
	// audience, lifetime and nonce of what the provider says are to be checked
	// here. When ctx is done it should return soon; the host has stopped
	// waiting.
	//
	// # Errors
	//
	// [Denied], [Invalid], [Misconfigured], or [Temporary] as all others. The
	// text is logged and never shown to the person.
	Exchange(ctx context.Context, c Callback) (Identity, error)
}

// Describer is an optional interface of a [Provider].
type Describer interface {
	// Describe says what the provider is. It is called at any time, also
	// before Configure.
	Describe() Description
}

// Description says what a provider is.
type Description struct {
	// Name of the provider's kind, such as "oidc".
	Name string
	// Version of the plugin, free text.
	Version string
	// Capabilities beyond what this interface demands; none is defined yet.
	Capabilities []string
}

// Authorization is the beginning of a sign-in. It is read only.
type Authorization struct {
	// State has to come back unchanged (RFC 6749 §4.1.1).
	State string
	// Nonce has to be in the ID token (OpenID Connect Core §3.1.2.1).
	Nonce string
	// RedirectURI is Gatehouse's callback.
	RedirectURI string
	// CodeChallenge is the S256 challenge (RFC 7636 §4.2).
	CodeChallenge string
	// Scopes to ask for beside those of the configuration; usually none.
	Scopes []string
}

// Callback is what came back with the browser. It is read only.
type Callback struct {
	// Code is the authorization code.
	Code string
	// CodeVerifier belongs to the [Authorization.CodeChallenge].
	CodeVerifier string
	// Nonce and RedirectURI are those of the [Authorization].
	Nonce, RedirectURI string
	// Parameters are all parameters of the callback as they came, but state.
	// From a form (response_mode=form_post) or from the query makes no
	// difference. iss is in it where the provider sends it (RFC 9207): one that
	// is there has to be right.
	Parameters map[string]string
}

// Identity is who signed in.
type Identity struct {
	// Issuer tells the provider's realm; with OpenID Connect, the iss claim.
	// At most 512 bytes, never empty.
	Issuer string
	// Subject never changes and is never given to somebody else: no address
	// and no user name. At most 255 bytes, never empty.
	Subject string
	// Email is one bare address; "" if the provider tells none.
	Email string
	// EmailVerified says that the provider itself has proven that the address
	// is the person's. Where Gatehouse is told to trust the provider, this alone
	// opens an account: never take it from what the person typed.
	EmailVerified bool
	// The rest fills a new account's profile. At most 512 bytes each.
	Name, GivenName, FamilyName, PreferredUsername string
	// Picture is an https URL of at most 2 KiB.
	Picture string
	// Locale is a language tag (RFC 5646).
	Locale string
	// Claims is one JSON object with everything that the provider said, at
	// most 64 KiB; nil if there is no more.
	Claims json.RawMessage
}

// DecodeConfig decodes a configuration into v, which is a pointer to a struct
// with json tags. Unknown members are an error, so that an operator's typing
// error is found.
func DecodeConfig(config json.RawMessage, v any) error { return process.DecodeConfig(config, v) }
