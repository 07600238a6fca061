package reload

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"gatehouse.example/gateway/config"
)

// Check finds out what a reload would say of the file: it reads it and all
// that it names, builds and starts its filters, and closes them. It serves
// nothing; o.NewUpstream may return nil where an upstream is sound.
//
// # Errors
//
// One line for each thing that is wrong, with file, line and column, in the
// order of the file. The configuration is returned with them if it could be
// read.
func Check(ctx context.Context, o Options) (*config.Gateway, error) {
	g, err := config.Load(o.File)
	if err != nil {
		return nil, err
	}
	certificates := checkCertificates(g)
	m, err := New(ctx, o)
	if err == nil {
		m.Close()
	}
	return g, config.Join(certificates, err)
}

// checkCertificates loads those that the file names, as the next start does.
func checkCertificates(g *config.Gateway) error {
	var all []error
	for i, l := range g.Listeners {
		if l.TLS == nil || l.TLS.Mode != "file" {
			continue
		}
		if _, err := tls.LoadX509KeyPair(l.TLS.Certificate, l.TLS.Key); err != nil {
			all = append(all, g.ErrorAt(fmt.Sprintf("listeners[%d].tls", i), fmt.Errorf("listener %s: %w", l.Address, err)))
		}
	}
	return errors.Join(all...)
}
