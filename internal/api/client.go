// Package api is how one service of Gatehouse calls another: the HTTP client
// that every typed client below it shares. It owns timeouts, retries, the
// service token, trace and request id propagation, and the translation of
// problem+json answers into errors.
//
// It leaves to its siblings userapi and authapi what is sent and received, to
// internal/mtls who the peer is, and to internal/identity what a token says.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/telemetry"
)

// ErrUnavailable says that the other service could not be reached or did not
// answer in time. An error that wraps it also carries a 503 [problem.Problem].
var ErrUnavailable = errors.New("service unavailable")

const (
	defaultTimeout  = 5 * time.Second
	defaultAttempts = 3
	firstPause      = 50 * time.Millisecond
	// maxAnswerBytes bounds what is read of an answer; no internal answer
	// comes near.
	maxAnswerBytes = 4 << 20
)

// Options configures [New].
type Options struct {
	// Base is the other service's address: "https://127.0.0.1:9102".
	Base string
	// HTTP sends the requests. Its transport presents this service's
	// certificate and verifies the peer's SPIFFE id. nil: http.DefaultClient,
	// for tests over plain HTTP.
	HTTP *http.Client
	// Token returns this service's token for the other one; nil sends none.
	Token func() (string, error)
	// Caller, where it is set, sets instead of Token what goes on of the
	// request that this service is answering, out of its context: the caller's
	// own credential, the language it reads.
	Caller func(ctx context.Context, h http.Header)
	// Timeout bounds one attempt. Zero: 5 s.
	Timeout time.Duration
	// Attempts bounds how often an idempotent request is sent while the
	// connection fails. Zero: 3.
	Attempts int
}

// Client sends JSON requests to one other service. It is safe for concurrent
// use.
type Client struct {
	base     string
	http     *http.Client
	token    func() (string, error)
	caller   func(ctx context.Context, h http.Header)
	timeout  time.Duration
	attempts int
}

// New returns a client for the service at o.Base.
func New(o Options) *Client {
	c := &Client{base: strings.TrimSuffix(o.Base, "/"), http: o.HTTP, token: o.Token, caller: o.Caller, timeout: o.Timeout, attempts: o.Attempts}
	if c.http == nil {
		c.http = http.DefaultClient
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.attempts <= 0 {
		c.attempts = defaultAttempts
	}
	return c
}

// Do sends one request and decodes its answer. in is marshalled as the JSON
// body unless nil; out receives the answer unless nil ([*json.RawMessage] and
// *[]byte receive it as it is). path starts with a slash and may have a query.
//
// # Errors
//
// An answer of 400 and above is a [*problem.Problem]. A service that cannot be
// reached is [ErrUnavailable]; before that, a request whose method is
// idempotent (RFC 9110 §9.2.2), or that was never sent, is tried again.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encode %s %s: %w", method, path, err)
		}
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		answer, err := c.send(ctx, method, path, body)
		if err == nil {
			return decode(method, path, answer, out)
		}
		var p *problem.Problem
		if errors.As(err, &p) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("call %s %s: %w", method, path, ctx.Err())
		}
		if attempt >= c.attempts || !repeatable(method, err) {
			return unavailable(method, path, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("call %s %s: %w", method, path, ctx.Err())
		case <-time.After(pause):
			pause *= 2
		}
	}
}

func unavailable(method, path string, cause error) error {
	p := problem.New(http.StatusServiceUnavailable, "service_unavailable", "another part of the system does not answer; try again")
	return fmt.Errorf("call %s %s: %w: %w: %w", method, path, ErrUnavailable, cause, p)
}

// repeatable reports whether sending again cannot do the work twice.
func repeatable(method string, err error) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return true
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// send makes one attempt and returns the answer's body, a problem, or why the
// connection failed.
func (c *Client) send(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, err
	}
	if len(answer) > maxAnswerBytes {
		return nil, fmt.Errorf("answer of more than %d bytes", maxAnswerBytes)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, problemOf(resp, answer)
	}
	return answer, nil
}

func (c *Client) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if id := telemetry.RequestID(ctx); id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(req.Header))
	switch {
	case c.caller != nil:
		c.caller(ctx, req.Header)
	case c.token != nil:
		token, err := c.token()
		if err != nil {
			return nil, fmt.Errorf("make the service token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// problemOf reads an error answer. One without a problem document becomes a
// problem of the same status.
func problemOf(resp *http.Response, answer []byte) *problem.Problem {
	p := problem.New(resp.StatusCode, "", "")
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != "application/problem+json" {
		return p
	}
	var read problem.Problem
	if json.Unmarshal(answer, &read) != nil {
		return p
	}
	// RFC 9457 §3.1.2: the status member is advisory, the answer's counts.
	read.Status = resp.StatusCode
	return &read
}

func decode(method, path string, answer []byte, out any) error {
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = answer
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode answer of %s %s: %w", method, path, err)
	}
	return nil
}
