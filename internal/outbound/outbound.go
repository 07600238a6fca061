package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Options configure [NewClient]. The zero value is the strictest.
type Options struct {
	// AllowLoopback lets the client reach the machine itself, for development
	// and tests.
	AllowLoopback bool
	// AllowHTTP lets it speak plain HTTP.
	AllowHTTP bool
	// OperatorNamed is for addresses that stand in the operator's own
	// configuration, and for those alone: private networks and the machine
	// itself are allowed, and plain HTTP to the machine itself. Link-local
	// networks and the metadata services of clouds stay refused, as do
	// multicast, unspecified and reserved addresses. AllowLoopback and
	// AllowHTTP add nothing to it.
	OperatorNamed bool
	// Timeout bounds a request from the name's resolution to the last byte; 0
	// is ten seconds.
	Timeout time.Duration
	// MaxResponseBytes bounds an answer's body, decompressed; 0 is 1 MiB.
	MaxResponseBytes int64
	// MaxRedirects is how many redirects are followed; 0 follows none, and
	// the redirect is an error.
	MaxRedirects int
	// TLS holds further authorities; nil trusts the system's.
	TLS *tls.Config
}

var (
	// ErrRefused is wrapped by the error of a request that the client's rules
	// do not allow: its scheme, the address behind its name, its redirects.
	ErrRefused = errors.New("outbound request refused")
	// ErrTooLarge is what reading more than MaxResponseBytes returns.
	ErrTooLarge = errors.New("answer is too large")
)

const (
	defaultTimeout     = 10 * time.Second
	defaultMaxResponse = 1 << 20
	maxHeaderBytes     = 64 << 10
)

// NewClient returns a client for addresses that strangers supply, or that the
// operator named where the options say so. Networks that are not public are
// refused at the moment of connecting, when the name is
// resolved: a name that changes its address in between gains nothing. It obeys
// no proxy of the environment, which would connect in its stead, and keeps no
// cookies. The client may be used concurrently.
func NewClient(o Options) *http.Client {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxResponseBytes <= 0 {
		o.MaxResponseBytes = defaultMaxResponse
	}
	config := o.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	secure, plain := guard(o.AllowLoopback), guard(o.AllowLoopback)
	if o.OperatorNamed {
		secure, plain = guardNetworks(privateNetworks...), guardOnly(loopback...)
	}
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: o.checkRedirect,
		Transport:     &transport{options: o, secure: o.transport(config, secure), plain: o.transport(config, plain)},
	}
}

// transport returns one that connects only where control allows.
func (o Options) transport(config *tls.Config, control control) *http.Transport {
	dialer := &net.Dialer{Timeout: o.Timeout, Control: control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    o.Timeout,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        time.Minute,
	}
}

func (o Options) checkRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) > o.MaxRedirects {
		return fmt.Errorf("%w: more than %d redirects", ErrRefused, o.MaxRedirects)
	}
	return nil
}

// transport looks at each request, the redirected ones included, and bounds the
// answer.
type transport struct {
	options Options
	// secure sends https, plain http: where they may connect differs.
	secure, plain *http.Transport
}

var _ http.RoundTripper = (*transport)(nil)

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.check(r); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper must, even if it sends nothing
		}
		return nil, err
	}
	next := t.secure
	if r.URL.Scheme == "http" {
		next = t.plain
	}
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if response.ContentLength > t.options.MaxResponseBytes {
		_ = response.Body.Close()
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, response.ContentLength)
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: t.options.MaxResponseBytes}
	return response, nil
}

// CloseIdleConnections ends connections that no request uses.
func (t *transport) CloseIdleConnections() {
	t.secure.CloseIdleConnections()
	t.plain.CloseIdleConnections()
}

func (t *transport) check(r *http.Request) error {
	switch {
	case r.URL.Scheme != "https" && (r.URL.Scheme != "http" || !t.options.AllowHTTP && !t.options.OperatorNamed):
		return fmt.Errorf("%w: scheme %q", ErrRefused, r.URL.Scheme)
	case r.URL.User != nil:
		return fmt.Errorf("%w: the address holds a user name", ErrRefused)
	}
	return nil
}

// boundedBody fails in place of ending early: a cut key set must not be taken
// for a whole one.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	// One byte more than allowed tells "too large" from "just fits".
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
