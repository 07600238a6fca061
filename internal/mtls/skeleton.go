package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

type Authority struct{}

func LoadOrCreateAuthority(certFile, keyFile, trustDomain string, now time.Time) (*Authority, error) {
	return nil, errors.ErrUnsupported
}
func (a *Authority) IssueService(service string, ttl time.Duration) (*Bundle, error) {
	return nil, errors.ErrUnsupported
}
func (a *Authority) IssueServer(names []string, ttl time.Duration) (tls.Certificate, error) {
	return tls.Certificate{}, errors.ErrUnsupported
}

type Bundle struct {
	ID          string
	Certificate tls.Certificate
	Roots       *x509.CertPool
	TrustDomain string
}

func LoadBundle(caFile, certFile, keyFile, trustDomain string) (*Bundle, error) {
	return nil, errors.ErrUnsupported
}
func (b *Bundle) Save(certFile, keyFile string) error  { return errors.ErrUnsupported }
func (b *Bundle) ServerTLS() *tls.Config               { return &tls.Config{} }
func (b *Bundle) ClientTLS(service string) *tls.Config { return &tls.Config{} }
func PeerID(cs *tls.ConnectionState) (string, error)   { return "", errors.ErrUnsupported }
func ServiceOf(id, trustDomain string) (string, error) { return "", errors.ErrUnsupported }
