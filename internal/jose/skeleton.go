package jose

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

const ES256 = "ES256"

func NewKey(kid, algorithm string, private crypto.Signer) (Key, error) {
	return Key{KID: kid, Algorithm: algorithm, Private: private, Public: private.Public()}, nil
}

type JWK struct {
	KeyType   string   `json:"kty"`
	Use       string   `json:"use,omitempty"`
	KeyID     string   `json:"kid,omitempty"`
	Algorithm string   `json:"alg,omitempty"`
	Curve     string   `json:"crv,omitempty"`
	X         string   `json:"x,omitempty"`
	Y         string   `json:"y,omitempty"`
	N         string   `json:"n,omitempty"`
	E         string   `json:"e,omitempty"`
	X5C       []string `json:"x5c,omitempty"`
}
type JWKS struct {
	Keys []JWK `json:"keys"`
}

func (k Key) JWK() JWK { return JWK{} }

type Set interface {
	Key(ctx context.Context, kid, alg string) (Key, error)
}

func ParseJWKS(data []byte) (Set, error) { return nil, errors.ErrUnsupported }
func StaticSet(keys ...Key) Set          { return nil }

type RemoteOptions struct {
	URL                 string
	Client              *http.Client
	Refresh, MinRefresh time.Duration
	Now                 func() time.Time
}
type RemoteSet struct{}

func NewRemoteSet(o RemoteOptions) *RemoteSet { return &RemoteSet{} }
func (s *RemoteSet) Key(ctx context.Context, kid, alg string) (Key, error) {
	return Key{}, errors.ErrUnsupported
}

var (
	ErrMalformed   = errors.New("malformed token")
	ErrSignature   = errors.New("signature does not verify")
	ErrExpired     = errors.New("token expired")
	ErrNotYetValid = errors.New("token not yet valid")
	ErrIssuer      = errors.New("unexpected issuer")
	ErrAudience    = errors.New("unexpected audience")
	ErrType        = errors.New("unexpected token type")
	ErrUnknownKey  = errors.New("unknown key")
)

func Sign(k Key, typ string, claims any, extraHeader map[string]any) (string, error) {
	return "", errors.ErrUnsupported
}

type Expect struct {
	Issuer     string
	Audience   []string
	Types      []string
	Algorithms []string
	Leeway     time.Duration
	Now        func() time.Time
}
type Token struct {
	Header map[string]any
	Claims Claims
	Raw    json.RawMessage
}
type Claims struct {
	Issuer, Subject, ClientID, Scope, SessionID, ID, Nonce string
	Audience, Roles                                        []string
	ExpiresAt, IssuedAt, NotBefore, AuthTime               time.Time
	Extra                                                  map[string]json.RawMessage
}

func Verify(ctx context.Context, token string, set Set, e Expect) (*Token, error) {
	return nil, errors.ErrUnsupported
}
