package mtls

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Bundle is the identity of one process: its certificate with the key, and the
// authorities whose certificates it accepts. It is read only.
type Bundle struct {
	// ID is the SPIFFE id in the certificate.
	ID string
	// Certificate is the chain, without the authority itself, and the key.
	// Leaf is set.
	Certificate tls.Certificate
	// Roots are the authorities of the trust domain.
	Roots *x509.CertPool
	// TrustDomain is the domain of the ids that are accepted.
	TrustDomain string
}

// LoadBundle reads an identity that [Bundle.Save] wrote, or that another
// authority issued: caFile may hold several authorities while one replaces
// another. It is an error if the certificate is not one that other services
// would accept now.
func LoadBundle(caFile, certFile, keyFile, trustDomain string) (*Bundle, error) {
	authorities, err := readCertificates(caFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate authority: %w", err)
	}
	chain, err := readCertificates(certFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w; \"gatehouse cert issue\" makes one", err)
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("load key: %w; \"gatehouse cert issue\" makes one", err)
	}
	b := &Bundle{Roots: x509.NewCertPool(), TrustDomain: trustDomain}
	for _, authority := range authorities {
		b.Roots.AddCert(authority)
	}
	b.Certificate = tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, certificate := range chain {
		b.Certificate.Certificate = append(b.Certificate.Certificate, certificate.Raw)
	}
	if !samePublic(chain[0].PublicKey, key.Public()) {
		return nil, fmt.Errorf("certificate %s and key %s do not belong together", certFile, keyFile)
	}
	if now := time.Now(); now.After(chain[0].NotAfter) {
		return nil, fmt.Errorf("certificate %s expired on %s; \"gatehouse cert issue\" makes a new one", certFile, chain[0].NotAfter.Format(time.RFC3339))
	}
	if b.ID, err = VerifyChain(chain, b.Roots, trustDomain, x509.ExtKeyUsageClientAuth, time.Now()); err != nil {
		return nil, fmt.Errorf("certificate %s with authority %s: %w", certFile, caFile, err)
	}
	return b, nil
}

// Save writes the certificate and, with mode 0600, its key. Each file is
// replaced in one step, the key first: a reader between the two sees a key that
// does not fit, never half a file.
func (b *Bundle) Save(certFile, keyFile string) error {
	signer, ok := b.Certificate.PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("save identity: it has no private key")
	}
	data, err := encodeKey(signer)
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	if err := write(keyFile, data, 0o600, replace); err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	if err := write(certFile, encodeCertificates(b.Certificate.Certificate...), 0o644, replace); err != nil {
		return fmt.Errorf("save certificate: %w", err)
	}
	return nil
}

// VerifyChain returns the SPIFFE id of chain[0] if the chain leads to one of
// roots, is valid at now, may be used for usage, and names a service of the
// trust domain.
func VerifyChain(chain []*x509.Certificate, roots *x509.CertPool, trustDomain string, usage x509.ExtKeyUsage, now time.Time) (string, error) {
	if len(chain) == 0 || roots == nil {
		// A nil pool would mean the system's authorities.
		return "", errors.New("there is no certificate or no authority")
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{usage},
	}); err != nil {
		return "", err
	}
	id, err := LeafID(chain[0])
	if err != nil {
		return "", err
	}
	if _, err := ServiceOf(id, trustDomain); err != nil {
		return "", err
	}
	return id, nil
}

// ServerTLS returns the configuration of a listener for other services: TLS 1.3
// alone, and a client certificate of the trust domain is required. net/http
// adds the protocols.
func (b *Bundle) ServerTLS() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{b.Certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    b.Roots,
		// Called for resumed sessions too, unlike VerifyPeerCertificate.
		VerifyConnection: func(cs tls.ConnectionState) error {
			id, err := PeerID(&cs)
			if err != nil {
				return err
			}
			_, err = ServiceOf(id, b.TrustDomain)
			return err
		},
	}
}

// ClientTLS returns the configuration for connections to the service: the peer
// must prove to be spiffe://DOMAIN/service/NAME, at whatever address it is.
func (b *Bundle) ClientTLS(service string) *tls.Config {
	want := ServiceID(b.TrustDomain, service)
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{b.Certificate},
		// The names in our certificates are SPIFFE ids, which crypto/tls cannot
		// compare; VerifyConnection does all that this turns off.
		InsecureSkipVerify: true, //nolint:gosec // verified in VerifyConnection
		VerifyConnection: func(cs tls.ConnectionState) error {
			id, err := VerifyChain(cs.PeerCertificates, b.Roots, b.TrustDomain, x509.ExtKeyUsageServerAuth, time.Now())
			if err != nil {
				return fmt.Errorf("peer certificate: %w", err)
			}
			if id != want {
				return fmt.Errorf("the peer is %s, not %s", id, want)
			}
			return nil
		},
	}
}
