package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// ServiceID returns the SPIFFE id of a service: spiffe://DOMAIN/service/NAME.
func ServiceID(trustDomain, service string) string {
	return "spiffe://" + trustDomain + "/service/" + service
}

// ServiceOf returns the service's name in a SPIFFE id of the trust domain, such
// as "user". Every other id is an error.
func ServiceOf(id, trustDomain string) (string, error) {
	name, ok := strings.CutPrefix(id, ServiceID(trustDomain, ""))
	if trustDomain == "" || !ok || checkService(name) != nil {
		return "", fmt.Errorf("%q is not the id of a service of the trust domain %q", id, trustDomain)
	}
	return name, nil
}

// PeerID returns the SPIFFE id in the certificate of the connection's peer. It
// is an error if the chain was not verified or the certificate has no or
// several ids (X509-SVID §2).
func PeerID(cs *tls.ConnectionState) (string, error) {
	if cs == nil || len(cs.VerifiedChains) == 0 || len(cs.VerifiedChains[0]) == 0 {
		return "", errors.New("the peer has no verified certificate")
	}
	return LeafID(cs.VerifiedChains[0][0])
}

// LeafID returns the SPIFFE id in a certificate that the caller verified.
func LeafID(leaf *x509.Certificate) (string, error) {
	// X509-SVID §4: a leaf is no authority; §2: exactly one URI.
	if leaf.IsCA {
		return "", errors.New("the certificate is an authority's")
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != "spiffe" {
		return "", errors.New("the certificate has not exactly one SPIFFE id")
	}
	return leaf.URIs[0].String(), nil
}

// checkTrustDomain follows SPIFFE-ID §2.1.
func checkTrustDomain(name string) error {
	if name == "" || len(name) > 255 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return fmt.Errorf("trust domain %q: it may have lower-case letters, digits, \".\", \"-\" and \"_\"", name)
	}
	return nil
}

func checkService(name string) error {
	if name == "" || len(name) > 63 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("service %q: a name has lower-case letters, digits and \"-\"", name)
	}
	return nil
}
