package authorize

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/oauth"
)

// maxOpaqueBytes bounds state and nonce, which we carry for the client.
const maxOpaqueBytes = 2048

// request is a checked authorization request.
type request struct {
	clientID         string
	scopes, audience []string
	challenge, nonce string
	promptNone       bool
	promptLogin      bool
	// maxAge is negative if the request names none.
	maxAge time.Duration
}

// parse checks what may be answered at the redirect URI.
func parse(client auth.Client, p oauth.Params) (request, error) {
	req := request{clientID: client.ID, nonce: p.Get("nonce"), challenge: p.Get("code_challenge"), maxAge: -1}
	for _, check := range []func(auth.Client, oauth.Params) error{checkUnsupported, checkResponse, checkPKCE} {
		if err := check(client, p); err != nil {
			return req, err
		}
	}
	if len(req.nonce) > maxOpaqueBytes || len(p.Get("state")) > maxOpaqueBytes {
		return req, oauth.Errorf(oauth.InvalidRequest, "state and nonce may have at most %d bytes", maxOpaqueBytes)
	}
	if err := req.readScope(client, p); err != nil {
		return req, err
	}
	if err := req.readPrompt(p); err != nil {
		return req, err
	}
	return req, nil
}

// checkUnsupported refuses parameters that would change the request's meaning
// if they were ignored (OpenID Connect Core §3.1.2.6).
func checkUnsupported(_ auth.Client, p oauth.Params) error {
	switch {
	case p.Has("request"):
		return oauth.Errorf(oauth.RequestNotSupported, "request objects are not supported")
	case p.Has("request_uri"):
		return oauth.Errorf(oauth.RequestURINotSupported, "request_uri is not supported")
	case p.Has("registration"):
		return oauth.Errorf(oauth.RegistrationUnsupported, "registration is not supported")
	}
	return nil
}

func checkResponse(client auth.Client, p oauth.Params) error {
	switch {
	case !p.Has("response_type"):
		return oauth.Errorf(oauth.InvalidRequest, "response_type is missing")
	case p.Get("response_type") != "code":
		// RFC 9700 §2.1.2: no tokens in the authorization response.
		return oauth.Errorf(oauth.UnsupportedResponseType, "the only response_type is code")
	case p.Has("response_mode") && p.Get("response_mode") != "query":
		return oauth.Errorf(oauth.InvalidRequest, "the only response_mode is query")
	case !client.MayUse(auth.GrantAuthorizationCode):
		return oauth.Errorf(oauth.UnauthorizedClient, "the client is not registered for the authorization code grant")
	}
	return nil
}

// checkPKCE requires S256 of every client (RFC 7636 §4.4.1, RFC 9700 §2.1.1).
// A challenge without a method would be "plain" (RFC 7636 §4.3).
func checkPKCE(_ auth.Client, p oauth.Params) error {
	switch {
	case !p.Has("code_challenge"):
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is missing: PKCE is required")
	case p.Get("code_challenge_method") != auth.MethodS256:
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge_method must be S256")
	case !auth.ValidCodeChallenge(p.Get("code_challenge")):
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge must be 43 base64url characters")
	}
	return nil
}

func (req *request) readScope(client auth.Client, p oauth.Params) error {
	requested, ok := auth.ParseScope(p.Get("scope"))
	if !ok {
		return oauth.Errorf(oauth.InvalidScope, "scope is malformed")
	}
	req.scopes = client.UserScopes(requested)
	if len(req.scopes) == 0 {
		return oauth.Errorf(oauth.InvalidScope, "the client may not have any of the requested scopes")
	}
	audience, err := client.AudienceFor(p.Resources())
	if err != nil {
		return oauth.Errorf(oauth.InvalidTarget, "the client may not ask for this resource")
	}
	req.audience = audience
	return nil
}

// readPrompt reads prompt and max_age (OpenID Connect Core §3.1.2.1). Signing
// in again is also how consent and another account are asked for.
func (req *request) readPrompt(p oauth.Params) error {
	prompts := strings.Fields(p.Get("prompt"))
	for _, prompt := range prompts {
		switch prompt {
		case "none":
			req.promptNone = true
		case "login", "consent", "select_account":
			req.promptLogin = true
		default:
			return oauth.Errorf(oauth.InvalidRequest, "unknown prompt")
		}
	}
	if req.promptNone && len(slices.Compact(slices.Sorted(slices.Values(prompts)))) > 1 {
		return oauth.Errorf(oauth.InvalidRequest, "prompt none excludes every other prompt")
	}
	if !p.Has("max_age") {
		return nil
	}
	seconds, err := strconv.ParseUint(p.Get("max_age"), 10, 31)
	if err != nil {
		return oauth.Errorf(oauth.InvalidRequest, "max_age must be a number of seconds")
	}
	req.maxAge = time.Duration(seconds) * time.Second
	return nil
}
