// Package discovery owns the metadata documents: of the authorization server
// (RFC 8414, OpenID Connect Discovery 1.0) and of what lies behind the gateway
// as a protected resource (RFC 9728).
//
// It states what the other packages implement and nothing more. Every address
// in it starts with the configured issuer, never with the request's Host.
package discovery

import (
	"encoding/json"
	"fmt"
	"net/http"

	"gatehouse.example/internal/jose"
	"gatehouse.example/services/auth"
)

// Server is the metadata of the authorization server.
type Server struct {
	Issuer                       string            `json:"issuer"`
	AuthorizationEndpoint        string            `json:"authorization_endpoint"`
	TokenEndpoint                string            `json:"token_endpoint"`
	UserinfoEndpoint             string            `json:"userinfo_endpoint"`
	JWKSURI                      string            `json:"jwks_uri"`
	IntrospectionEndpoint        string            `json:"introspection_endpoint"`
	RevocationEndpoint           string            `json:"revocation_endpoint"`
	EndSessionEndpoint           string            `json:"end_session_endpoint"`
	ScopesSupported              []string          `json:"scopes_supported"`
	ResponseTypesSupported       []string          `json:"response_types_supported"`
	ResponseModesSupported       []string          `json:"response_modes_supported"`
	GrantTypesSupported          []auth.GrantType  `json:"grant_types_supported"`
	SubjectTypesSupported        []string          `json:"subject_types_supported"`
	IDTokenSigningAlgs           []string          `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods             []auth.AuthMethod `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods     []auth.AuthMethod `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods        []auth.AuthMethod `json:"revocation_endpoint_auth_methods_supported"`
	CodeChallengeMethods         []string          `json:"code_challenge_methods_supported"`
	PromptValuesSupported        []string          `json:"prompt_values_supported"`
	ClaimsSupported              []string          `json:"claims_supported"`
	IssuerParameterSupported     bool              `json:"authorization_response_iss_parameter_supported"`
	ClaimsParameterSupported     bool              `json:"claims_parameter_supported"`
	RequestParameterSupported    bool              `json:"request_parameter_supported"`
	RequestURIParameterSupported bool              `json:"request_uri_parameter_supported"`
}

// Resource is the metadata of the protected resource (RFC 9728 §2).
type Resource struct {
	Resource               string   `json:"resource"`
	AuthorizationServers   []string `json:"authorization_servers"`
	JWKSURI                string   `json:"jwks_uri"`
	ScopesSupported        []string `json:"scopes_supported"`
	BearerMethodsSupported []string `json:"bearer_methods_supported"`
}

// ServerMetadata returns the metadata of the issuer.
func ServerMetadata(issuer string) Server {
	confidential := []auth.AuthMethod{auth.AuthBasic, auth.AuthPost}
	return Server{
		Issuer:                   issuer,
		AuthorizationEndpoint:    issuer + "/oauth2/authorize",
		TokenEndpoint:            issuer + "/oauth2/token",
		UserinfoEndpoint:         issuer + "/oauth2/userinfo",
		JWKSURI:                  issuer + "/oauth2/jwks",
		IntrospectionEndpoint:    issuer + "/oauth2/introspect",
		RevocationEndpoint:       issuer + "/oauth2/revoke",
		EndSessionEndpoint:       issuer + "/oauth2/logout",
		ScopesSupported:          auth.KnownScopes(),
		ResponseTypesSupported:   []string{"code"},
		ResponseModesSupported:   []string{"query"},
		GrantTypesSupported:      auth.GrantTypes(),
		SubjectTypesSupported:    []string{"public"},
		IDTokenSigningAlgs:       []string{jose.ES256},
		TokenAuthMethods:         auth.AuthMethods(),
		IntrospectionAuthMethods: confidential,
		RevocationAuthMethods:    auth.AuthMethods(),
		CodeChallengeMethods:     []string{auth.MethodS256},
		PromptValuesSupported:    []string{"none", "login", "select_account"},
		ClaimsSupported: []string{
			"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid",
			"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
			"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified",
		},
		IssuerParameterSupported: true,
	}
}

// ResourceMetadata returns the metadata of what lies behind the gateway.
func ResourceMetadata(issuer string) Resource {
	return Resource{
		Resource: issuer, AuthorizationServers: []string{issuer}, JWKSURI: issuer + "/oauth2/jwks",
		ScopesSupported: auth.KnownScopes(), BearerMethodsSupported: []string{"header"},
	}
}

// Handler answers GET with the document, which is encoded once.
func Handler(document any) (http.Handler, error) {
	body, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	body = append(body, '\n')
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=60")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body) // nobody is left to tell
	}), nil
}
