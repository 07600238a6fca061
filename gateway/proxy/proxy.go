// Package proxy owns the way of a request to its upstream and of the response
// back: connections and their reuse, deadlines, what a retry may do, the
// headers that cross the border, and the internal token of the acting
// principal.
//
// It does not decide whether a request may go (gateway/app has enforced that)
// and turns no error into an answer: its errors say what happened.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/internal/mtls"
)

// The errors of [Upstream.Forward], to be told with errors.Is. A context's
// error means that the client hung up; exchange.ErrBodyTooLarge that its body
// was larger than allowed.
var (
	// ErrUnreachable: no target could be connected to.
	ErrUnreachable = errors.New("upstream unreachable")
	// ErrTimeout: the upstream did not answer in time.
	ErrTimeout = errors.New("upstream timed out")
	// ErrAnswer: the upstream broke off or its answer is not HTTP.
	ErrAnswer = errors.New("upstream answer broken")
	// ErrCredential: the principal's credential has run out meanwhile.
	ErrCredential = errors.New("credential has expired")
	// ErrRequest: a filter or the client made a request that cannot be
	// written, such as a body shorter than declared.
	ErrRequest = errors.New("request cannot be sent")
)

// Options configure an [Upstream].
type Options struct {
	Config config.Upstream
	// Bundle is the gateway's identity; needed for services.
	Bundle *mtls.Bundle
	// Resolve returns the address of a service.
	Resolve func(service string) (addr string, ok bool)
	// Tokens mints internal tokens; nil where no identity is sent.
	Tokens *Tokens
	// Logger hears of targets that come and go.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Upstream forwards requests. It is safe for concurrent use.
type Upstream struct {
	config  config.Upstream
	targets []*target
	tokens  *Tokens
	logger  *slog.Logger
	now     func() time.Time
	next    atomic.Uint32

	stop context.CancelFunc
	done sync.WaitGroup
}

// New makes an upstream and starts its health checks; Close ends them.
func New(o Options) (*Upstream, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	u := &Upstream{config: o.Config, tokens: o.Tokens, logger: o.Logger, now: o.Now}
	for _, c := range o.Config.Targets {
		t := &target{config: c, timeouts: o.Config.Timeouts, maxIdle: o.Config.MaxIdleConnections}
		switch {
		case c.Service != "":
			if o.Bundle == nil || o.Resolve == nil {
				return nil, fmt.Errorf("upstream %q: %s needs the gateway's own identity", o.Config.Name, c)
			}
			t.resolve = o.Resolve
			t.tls = o.Bundle.ClientTLS(c.Service)
		case c.TLS:
			host, _, err := net.SplitHostPort(c.Address)
			if err != nil {
				return nil, fmt.Errorf("upstream %q: target %s: %w", o.Config.Name, c, err)
			}
			t.tls = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
		}
		u.targets = append(u.targets, t)
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.stop = cancel
	if o.Config.Health != nil {
		u.done.Go(func() { u.watch(ctx) })
	}
	return u, nil
}

// Name returns the upstream's name.
func (u *Upstream) Name() string { return u.config.Name }

// Service reports whether the upstream is one of Gatehouse's own services.
func (u *Upstream) Service() bool { return u.config.Service() }

// Close ends the health checks and closes idle connections. Exchanges under
// way end by themselves.
func (u *Upstream) Close() {
	u.stop()
	u.done.Wait()
	for _, t := range u.targets {
		t.close()
	}
}

// Forward sends ex.Request to a target and fills ex.Response; its body may be
// a stream, which the caller closes. timeout bounds the exchange up to the end
// of the response's body; zero is no bound.
//
// A request is sent a second time only if it went into a connection that had
// been idle and was found dead before a byte of an answer came, and then only
// if nothing of it was written or it is idempotent (RFC 9110 §9.2.2, RFC 9112
// §9.3.1) and its body can be sent again.
//
// # Errors
//
// See [ErrUnreachable] and its neighbours.
func (u *Upstream) Forward(ex *exchange.Exchange, timeout time.Duration) error {
	extra, err := u.prepare(ex)
	if err != nil {
		return err
	}
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	var lastErr error
	for attempt := range len(u.targets) {
		t := u.pick(attempt)
		err := u.try(ex, t, &extra, deadline)
		if err == nil {
			return nil
		}
		if ctxErr := ex.Context().Err(); ctxErr != nil {
			return ctxErr
		}
		if !errors.Is(err, ErrUnreachable) {
			return err
		}
		t.fail(time.Now())
		lastErr = err
	}
	return lastErr
}

// try sends the request to one target.
func (u *Upstream) try(ex *exchange.Exchange, t *target, extra *extra, deadline time.Time) error {
	t.inflight.Add(1)
	handedOn := false
	defer func() {
		if !handedOn {
			t.inflight.Add(-1)
		}
	}()
	for fresh := false; ; fresh = true {
		c, err := t.conn(ex.Context(), fresh, !idempotent(ex.Request.Method), deadline)
		if err != nil {
			return err
		}
		rt := roundTrip{ex: ex, conn: c, extra: extra, deadline: deadline, forwarded: &handedOn}
		err = rt.do()
		if err == nil {
			return nil
		}
		if !rt.retriable() || ex.Context().Err() != nil {
			return err
		}
	}
}

// idempotent lists the methods of RFC 9110 §9.2.2.
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// pick returns the target for the attempt, healthy ones first.
func (u *Upstream) pick(attempt int) *target {
	n := len(u.targets)
	if n == 1 {
		return u.targets[0]
	}
	now := time.Now()
	if attempt == 0 {
		u.next.Add(1)
	}
	start := int(u.next.Load())
	var best *target
	for i := range n {
		t := u.targets[(start+attempt+i)%n]
		if !t.healthy(now) {
			continue
		}
		if u.config.Balance != config.LeastRequest {
			return t
		}
		if best == nil || t.inflight.Load() < best.inflight.Load() {
			best = t
		}
	}
	if best != nil {
		return best
	}
	// All are thought dead: a guess is better than a refusal.
	return u.targets[(start+attempt)%n]
}
