package clients

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/auth"
)

// Registration is the body of POST /v1/clients. The names are those of RFC 7591
// §2 where it has one.
type Registration struct {
	// Name is shown to people, 1 to 200 characters.
	Name string `json:"name"`
	// Type is "public" or "confidential"; empty follows from the method, else
	// it is confidential.
	Type auth.ClientType `json:"type"`
	// RedirectURIs are compared exactly; at least one for authorization_code.
	RedirectURIs           []string `json:"redirect_uris"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris"`
	// GrantTypes is ["authorization_code", "refresh_token"] if empty.
	GrantTypes []auth.GrantType `json:"grant_types"`
	// Scopes is what tokens of the client may allow at most. Absent, a client
	// that acts only for people may have the scopes of OpenID Connect and
	// users:read and users:write, which let a person manage itself, as far as
	// the caller has them; one that also acts for itself has to ask.
	Scopes []string `json:"scopes"`
	// Resources are further audiences that the client may ask for (RFC 8707).
	Resources []string `json:"resources"`
	// TokenEndpointAuthMethod is "none" for a public client, else
	// client_secret_basic if empty.
	TokenEndpointAuthMethod auth.AuthMethod `json:"token_endpoint_auth_method"`
	// FirstParty marks an application of the operator's own. Only an
	// administrator may give it.
	FirstParty bool `json:"first_party"`
	// Admin lets the client have the scope "admin" by client_credentials. Only
	// an administrator may give it.
	Admin bool `json:"admin"`
}

const (
	maxNameCharacters = 200
	maxEntries        = 50
)

type violations []problem.Violation

func (v *violations) add(pointer, format string, args ...any) {
	*v = append(*v, problem.Violation{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// client checks the registration and returns the client that the caller may
// create by it.
func (b Registration) client(caller identity.Principal) (auth.Client, error) {
	b.fillIn(caller)
	var wrong violations
	b.checkKind(&wrong)
	b.checkURIs(&wrong)
	b.checkScopes(&wrong)
	b.checkAuthority(&wrong, caller)
	if len(wrong) > 0 {
		return auth.Client{}, jsonhttp.Invalid(wrong...)
	}
	return auth.Client{
		Name: b.Name, Type: b.Type, RedirectURIs: orEmpty(b.RedirectURIs), PostLogoutRedirectURIs: orEmpty(b.PostLogoutRedirectURIs),
		GrantTypes: b.GrantTypes, Scopes: orEmpty(b.Scopes), Resources: orEmpty(b.Resources), TokenEndpointAuthMethod: b.TokenEndpointAuthMethod,
		FirstParty: b.FirstParty, Admin: b.Admin,
	}, nil
}

func (b *Registration) fillIn(caller identity.Principal) {
	if b.Type == "" {
		b.Type = auth.ClientConfidential
		if b.TokenEndpointAuthMethod == auth.AuthNone {
			b.Type = auth.ClientPublic
		}
	}
	if b.TokenEndpointAuthMethod == "" {
		b.TokenEndpointAuthMethod = auth.AuthBasic
		if b.Type == auth.ClientPublic {
			b.TokenEndpointAuthMethod = auth.AuthNone
		}
	}
	if len(b.GrantTypes) == 0 {
		b.GrantTypes = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken}
	}
	if b.Scopes == nil && slices.Contains(b.GrantTypes, auth.GrantAuthorizationCode) {
		b.Scopes = auth.OIDCScopes()
		if !slices.Contains(b.GrantTypes, auth.GrantClientCredentials) {
			for _, s := range []string{rbac.UsersRead, rbac.UsersWrite} {
				if mayGive(caller, s) {
					b.Scopes = append(b.Scopes, s)
				}
			}
		}
	}
}

func (b *Registration) checkKind(wrong *violations) {
	if n := utf8.RuneCountInString(b.Name); strings.TrimSpace(b.Name) == "" || n > maxNameCharacters || strings.ContainsRune(b.Name, 0) {
		wrong.add("/name", "must have 1 to %d characters", maxNameCharacters)
	}
	if b.Type != auth.ClientPublic && b.Type != auth.ClientConfidential {
		wrong.add("/type", "must be public or confidential")
	}
	if !slices.Contains(auth.AuthMethods(), b.TokenEndpointAuthMethod) {
		wrong.add("/token_endpoint_auth_method", "must be none, client_secret_basic or client_secret_post")
	} else if (b.Type == auth.ClientPublic) != (b.TokenEndpointAuthMethod == auth.AuthNone) {
		// RFC 6749 §2.1: a public client cannot keep a secret, a confidential one has one.
		wrong.add("/token_endpoint_auth_method", "must be none for a public client, and only for it")
	}
	for i, g := range b.GrantTypes {
		pointer := fmt.Sprintf("/grant_types/%d", i)
		switch {
		case !slices.Contains(auth.GrantTypes(), g):
			wrong.add(pointer, "is not a grant type that is supported")
		case slices.Contains(b.GrantTypes[:i], g):
			wrong.add(pointer, "is there twice")
		case g == auth.GrantClientCredentials && b.Type == auth.ClientPublic:
			wrong.add(pointer, "is only for confidential clients") // RFC 6749 §4.4
		case g == auth.GrantRefreshToken && !slices.Contains(b.GrantTypes, auth.GrantAuthorizationCode):
			wrong.add(pointer, "needs authorization_code")
		}
	}
}

func (b *Registration) checkURIs(wrong *violations) {
	for name, uris := range map[string][]string{"redirect_uris": b.RedirectURIs, "post_logout_redirect_uris": b.PostLogoutRedirectURIs} {
		if len(uris) > maxEntries {
			wrong.add("/"+name, "must not have more than %d entries", maxEntries)
			continue
		}
		for i, uri := range uris {
			if err := auth.CheckRedirectURI(uri, b.Type); err != nil {
				wrong.add(fmt.Sprintf("/%s/%d", name, i), "%s", err)
			}
		}
	}
	if slices.Contains(b.GrantTypes, auth.GrantAuthorizationCode) && len(b.RedirectURIs) == 0 {
		wrong.add("/redirect_uris", "must have at least one entry for authorization_code")
	}
	if len(b.Resources) > maxEntries {
		wrong.add("/resources", "must not have more than %d entries", maxEntries)
	}
	for i, resource := range b.Resources {
		// RFC 8707 §2: an absolute URI without fragment.
		if u, err := url.Parse(resource); err != nil || !u.IsAbs() || strings.Contains(resource, "#") || len(resource) > 2000 {
			wrong.add(fmt.Sprintf("/resources/%d", i), "must be an absolute URI without fragment")
		}
	}
}

func (b *Registration) checkScopes(wrong *violations) {
	if len(b.Scopes) > 4*maxEntries {
		wrong.add("/scopes", "must not have more than %d entries", 4*maxEntries)
		return
	}
	for i, s := range b.Scopes {
		pointer := fmt.Sprintf("/scopes/%d", i)
		switch {
		case !auth.ValidScopeToken(s):
			wrong.add(pointer, "is not a scope (RFC 6749 §3.3)")
		case s == identity.ScopeAdmin:
			wrong.add(pointer, "is given by \"admin\": true, not as a scope")
		case s == identity.ScopeImpersonate:
			wrong.add(pointer, "cannot be given to a client")
		}
	}
	if b.Admin && (b.Type != auth.ClientConfidential || !slices.Contains(b.GrantTypes, auth.GrantClientCredentials)) {
		wrong.add("/admin", "needs a confidential client with the grant type client_credentials")
	}
}

func orEmpty(in []string) []string {
	if in == nil {
		return []string{}
	}
	return in
}
