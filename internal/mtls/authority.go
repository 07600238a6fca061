package mtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"time"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	// backdate lets a machine whose clock is behind accept a new certificate.
	backdate = 5 * time.Minute
)

// Authority is the internal certificate authority of one trust domain. It may
// be used concurrently.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	trustDomain string
	now         func() time.Time
}

// LoadOrCreateAuthority reads the authority in the two PEM files, or makes an
// ECDSA P-256 one and writes them, the key with mode 0600. Several processes
// may do so at once: they get the same authority. A certificate without its key
// is an error, because a new key would cut off whoever trusts the old one. now
// is the present; certificates are issued relative to it.
func LoadOrCreateAuthority(certFile, keyFile, trustDomain string, now time.Time) (*Authority, error) {
	if err := checkTrustDomain(trustDomain); err != nil {
		return nil, err
	}
	key, err := loadOrCreateKey(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	certificates, err := readCertificates(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		// New, or another process made the key a moment ago and writes the same
		// certificate but for its serial number; either one serves.
		certificates, err = createAuthority(certFile, key, trustDomain, now)
	}
	if err != nil {
		return nil, fmt.Errorf("load certificate authority: %w", err)
	}
	certificate := certificates[0]
	if err := checkAuthority(certificate, key, trustDomain, now); err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w; restore it with its key %s, or remove both to make a new one and issue every certificate again", certFile, err, keyFile)
	}
	start := time.Now()
	return &Authority{
		certificate: certificate, key: key, trustDomain: trustDomain,
		now: func() time.Time { return now.Add(time.Since(start)) },
	}, nil
}

func loadOrCreateKey(certFile, keyFile string) (crypto.Signer, error) {
	key, err := readKey(keyFile)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			err = fmt.Errorf("load certificate authority key: %w", err)
		}
		return key, err
	}
	if _, err := os.Stat(certFile); err == nil {
		// Another process may have written both between the two looks.
		if key, err := readKey(keyFile); err == nil {
			return key, nil
		}
		return nil, fmt.Errorf("certificate authority %s has no key %s: restore the key, or remove the certificate to make a new authority and issue every certificate again", certFile, keyFile)
	}
	created, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create certificate authority key: %w", err)
	}
	data, err := encodeKey(created)
	if err != nil {
		return nil, err
	}
	err = write(keyFile, data, 0o600, onlyOnce)
	if errors.Is(err, fs.ErrExist) {
		return readKey(keyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("create certificate authority key: %w", err)
	}
	return created, nil
}

func createAuthority(certFile string, key crypto.Signer, trustDomain string, now time.Time) ([]*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Gatehouse authority of " + trustDomain},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLifetime),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		// X509-SVID §3.2: an authority's id is the trust domain itself.
		URIs: []*url.URL{{Scheme: "spiffe", Host: trustDomain}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("create certificate: %w", err)
	}
	if err := write(certFile, encodeCertificates(der), 0o644, replace); err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return []*x509.Certificate{certificate}, err
}

func checkAuthority(certificate *x509.Certificate, key crypto.Signer, trustDomain string, now time.Time) error {
	switch {
	case !certificate.IsCA:
		return errors.New("it is not an authority's certificate")
	case !samePublic(certificate.PublicKey, key.Public()):
		return errors.New("its key is another")
	case now.After(certificate.NotAfter):
		return fmt.Errorf("it expired on %s", certificate.NotAfter.Format(time.DateOnly))
	}
	for _, uri := range certificate.URIs {
		if uri.Scheme == "spiffe" && uri.Host != trustDomain {
			return fmt.Errorf("it is of the trust domain %q, not of %q", uri.Host, trustDomain)
		}
	}
	return nil
}

func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// Roots returns a pool that holds the authority's certificate alone.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// IssueService returns a new identity for the service, valid for ttl but never
// longer than the authority. Its certificate names spiffe://DOMAIN/service/NAME
// and nothing else: no host can be impersonated with it.
func (a *Authority) IssueService(service string, ttl time.Duration) (*Bundle, error) {
	if err := checkService(service); err != nil {
		return nil, err
	}
	id := ServiceID(a.trustDomain, service)
	certificate, err := a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: service},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: a.trustDomain, Path: "/service/" + service}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ttl)
	if err != nil {
		return nil, fmt.Errorf("issue certificate of %s: %w", id, err)
	}
	return &Bundle{ID: id, Certificate: certificate, Roots: a.Roots(), TrustDomain: a.trustDomain}, nil
}

// IssueServer returns a certificate for a listener that browsers reach at
// names, which are host names or IP addresses. It has no SPIFFE id and may not
// be used by a client: no service accepts it as an identity.
func (a *Authority) IssueServer(names []string, ttl time.Duration) (tls.Certificate, error) {
	if len(names) == 0 {
		return tls.Certificate{}, errors.New("issue server certificate: no names")
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	certificate, err := a.issue(template, ttl)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue server certificate of %q: %w", names, err)
	}
	return certificate, nil
}

func (a *Authority) issue(template *x509.Certificate, ttl time.Duration) (tls.Certificate, error) {
	if ttl <= 0 {
		return tls.Certificate{}, fmt.Errorf("lifetime %s is not positive", ttl)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := a.now()
	template.NotBefore, template.NotAfter = now.Add(-backdate), now.Add(ttl)
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
