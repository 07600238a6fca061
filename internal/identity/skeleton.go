package identity

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"gatehouse.example/internal/mtls"
)

type Minter struct{}

func NewMinter(b *mtls.Bundle, now func() time.Time) *Minter { return &Minter{} }
func (m *Minter) Mint(p Principal, audience string) (token string, expires time.Time, err error) {
	return "", time.Time{}, errors.ErrUnsupported
}
func (m *Minter) MintService(audience string) (string, error) { return "", errors.ErrUnsupported }

type Verifier struct{}

func NewVerifier(roots *x509.CertPool, trustDomain, audience string, now func() time.Time) *Verifier {
	return &Verifier{}
}
func (v *Verifier) Verify(token string) (Principal, error) { return Principal{}, errors.ErrUnsupported }
func Authenticate(v *Verifier) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return next }
}

type peerKey struct{}

func Peer(ctx context.Context) string { s, _ := ctx.Value(peerKey{}).(string); return s }
func WithPeer(ctx context.Context, service string) context.Context {
	return context.WithValue(ctx, peerKey{}, service)
}

type Table map[string][]string

func DefaultTable() Table                                             { return Table{} }
func Allow(t Table, operation string, next http.Handler) http.Handler { return next }
func RequireAuthenticated(next http.Handler) http.Handler             { return next }
func RequireUser(next http.Handler) http.Handler                      { return next }
