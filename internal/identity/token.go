package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse.example/internal/jose"
	"gatehouse.example/internal/mtls"
)

const (
	// TokenType is the "typ" of an internal token.
	TokenType = "gatehouse+jwt"
	// Audience is the "aud" of internal tokens for our own services.
	Audience = "gatehouse"
	// TokenLifetime is the longest life of an internal token.
	TokenLifetime = time.Minute

	// gateway is the one service whose word about others counts.
	gateway = "gateway"
	// leeway is how far the clocks of two of our machines may differ.
	leeway = 5 * time.Second
)

// tokenClaims are the claims of an internal token. "token_id" names the
// credential at the edge; it is no "jti", which would name this token.
type tokenClaims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Kind     Kind     `json:"kind"`
	ClientID string   `json:"client_id,omitempty"`
	Scope    string   `json:"scope,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	// Permissions follow from Roles; a service need not ask which.
	Permissions []string `json:"permissions,omitempty"`
	SessionID   string   `json:"sid,omitempty"`
	TokenID     string   `json:"token_id,omitempty"`
	// RevocationID and CredentialExpires (seconds since 1970) let a service end
	// what goes on for longer than this token, such as an event stream.
	RevocationID      string `json:"revocation_id,omitempty"`
	CredentialExpires int64  `json:"credential_exp,omitempty"`
	IssuedAt          int64  `json:"iat"`
	ExpiresAt         int64  `json:"exp"`
}

// ErrForeign is the error of minting a token for a principal of another issuer.
var ErrForeign = errors.New("the principal is another issuer's")

// Minter makes internal tokens in the name of one process. It may be used
// concurrently. A token costs one ECDSA signature; who needs many for the same
// principal keeps them until shortly before their end.
type Minter struct {
	id, service string
	key         jose.Key
	header      map[string]any
	now         func() time.Time
	err         error
}

// NewMinter returns a minter that signs with the key of b's certificate. If the
// certificate cannot sign tokens, every Mint says so. A nil now is time.Now.
func NewMinter(b *mtls.Bundle, now func() time.Time) *Minter {
	if now == nil {
		now = time.Now
	}
	m := &Minter{id: b.ID, now: now}
	if m.service, m.err = mtls.ServiceOf(b.ID, b.TrustDomain); m.err != nil {
		return m
	}
	private, ok := b.Certificate.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		m.err = errors.New("the certificate's key is not an ECDSA key")
		return m
	}
	// x5c leads to the key; a kid would only repeat it.
	m.key = jose.Key{Algorithm: jose.ES256, Private: private, Public: crypto.PublicKey(&private.PublicKey)}
	chain := make([]string, len(b.Certificate.Certificate))
	for i, der := range b.Certificate.Certificate {
		chain[i] = base64.StdEncoding.EncodeToString(der) // RFC 7515 §4.1.6: not base64url
	}
	m.header = map[string]any{"x5c": chain}
	return m
}

// Mint returns an internal token that tells audience who p is, and the token's
// end: a minute from now, but never past p.Expires. Only the gateway can name
// others than itself. A principal of another issuer is [ErrForeign].
func (m *Minter) Mint(p Principal, audience string) (token string, expires time.Time, err error) {
	if m.err != nil {
		return "", time.Time{}, fmt.Errorf("mint internal token: %w", m.err)
	}
	if err := checkSpeaker(m.service, p.Kind, p.Subject); err != nil {
		return "", time.Time{}, fmt.Errorf("mint internal token: %w", err)
	}
	// A stranger's subject must not be taken for one of our people's.
	if p.Issuer != "" {
		return "", time.Time{}, fmt.Errorf("mint internal token: %w: %q", ErrForeign, p.Issuer)
	}
	if audience == "" {
		return "", time.Time{}, errors.New("mint internal token: no audience")
	}
	now := m.now()
	expires = now.Add(TokenLifetime)
	if !p.Expires.IsZero() && p.Expires.Before(expires) {
		expires = p.Expires
	}
	expires = expires.Truncate(time.Second)
	if !now.Before(expires) {
		return "", time.Time{}, fmt.Errorf("mint internal token: the credential ended at %s", p.Expires.Format(time.RFC3339))
	}
	var ends int64
	if !p.Expires.IsZero() {
		ends = p.Expires.Unix()
	}
	token, err = jose.Sign(m.key, TokenType, tokenClaims{
		Issuer: m.id, Audience: audience, Subject: p.Subject, Kind: p.Kind,
		ClientID: p.ClientID, Scope: strings.Join(p.Scopes, " "), Roles: p.Roles, Permissions: p.Permissions,
		SessionID: p.SessionID, TokenID: p.TokenID, RevocationID: p.RevocationID, CredentialExpires: ends,
		IssuedAt: now.Unix(), ExpiresAt: expires.Unix(),
	}, m.header)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("mint internal token: %w", err)
	}
	return token, expires, nil
}

// MintService returns an internal token in which the process names itself, for
// work that no user asked for.
func (m *Minter) MintService(audience string) (string, error) {
	token, _, err := m.Mint(Principal{Kind: KindService, Subject: m.service}, audience)
	return token, err
}

// checkSpeaker reports why service may not name the subject.
func checkSpeaker(service string, kind Kind, subject string) error {
	switch {
	case subject == "":
		return errors.New("a token needs a subject")
	case kind == KindService && subject == service:
		return nil
	case (kind == KindUser || kind == KindClient) && service == gateway:
		return nil
	default:
		return fmt.Errorf("service %q may not name %s %q", service, kind, subject)
	}
}

// chainDigest names an x5c chain in the verifier's cache.
func chainDigest(chain []string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join(chain, ".")))
}

// parseChain decodes an "x5c" header (RFC 7515 §4.1.6).
func parseChain(encoded []string) ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, 0, len(encoded))
	for _, text := range encoded {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errors.New("x5c is not base64")
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("x5c: %w", err)
		}
		chain = append(chain, certificate)
	}
	return chain, nil
}

// scopes splits a scope claim; "" is none.
func scopes(claim string) []string { return slices.Clip(strings.Fields(claim)) }
