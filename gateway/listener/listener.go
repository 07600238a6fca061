// Package listener owns the sockets that clients connect to: it turns bytes
// into an exchange and back, notices clients that hang up, and drains.
//
// It is the only package that knows fasthttp's server. What becomes of an
// exchange is its [Handler]'s business; nothing of fasthttp leaves the package,
// so that an HTTP/2 listener can stand beside it.
package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/internal/problem"
)

// Handler answers exchanges.
type Handler interface {
	// Serve fills ex.Response.
	Serve(ex *exchange.Exchange)
	// Done is called once for each Serve, when the response was handed to the
	// connection or was given up; sentBytes counts its body. ex is used for
	// another request after it.
	Done(ex *exchange.Exchange, sentBytes int64)
}

// Options configure a [Listener].
type Options struct {
	// Address is host:port; port 0 takes a free one.
	Address string
	// TLS serves HTTPS where it is set.
	TLS *tls.Config
	// Limits bound what a client may use.
	Limits config.Limits
	// Handler answers.
	Handler Handler
	// Rejected hears of each head that was refused before an exchange was
	// made of it; reason is one of a few words. It may be nil.
	Rejected func(reason string)
	// DropTrailer says which trailers of a request are removed, beyond those
	// that are no trailers at all: what the handler removes from its header. It
	// may be nil.
	DropTrailer func(name string) bool
	// Logger hears of broken connections.
	Logger *slog.Logger
}

// Listener serves one address.
type Listener struct {
	options  Options
	socket   net.Listener
	server   *fasthttp.Server
	watcher  *watcher
	sessions sync.Pool
}

// Open binds the address; connections wait until [Listener.Serve].
func Open(o Options) (*Listener, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Rejected == nil {
		o.Rejected = func(string) {}
	}
	if o.DropTrailer == nil {
		o.DropTrailer = func(string) bool { return false }
	}
	socket, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l := &Listener{options: o, socket: socket, watcher: newWatcher()}
	l.sessions.New = func() any { return &session{listener: l} }
	l.server = &fasthttp.Server{
		Handler:                      l.handle,
		ErrorHandler:                 l.refuse,
		HeaderReceived:               l.bodyTimeout,
		Logger:                       quietLogger{o.Logger},
		Concurrency:                  o.Limits.MaxConnections,
		ReadBufferSize:               o.Limits.MaxHeadBytes,
		ReadTimeout:                  o.Limits.HeadTimeout,
		IdleTimeout:                  o.Limits.IdleTimeout,
		MaxRequestBodySize:           prefetchBytes,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
		LazyRequestTime:              true,
	}
	return l, nil
}

// Addr returns the bound address.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// Serve serves until [Listener.Shutdown].
func (l *Listener) Serve() error {
	stopWatching := l.watcher.start()
	defer stopWatching()
	var socket net.Listener = &trackingSocket{Listener: l.socket, watcher: l.watcher, stall: l.options.Limits.BodyTimeout}
	if l.options.TLS != nil {
		socket = tls.NewListener(socket, l.options.TLS)
	}
	if err := l.server.Serve(socket); err != nil {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown stops accepting and waits for exchanges under way; event streams,
// which have no end of their own, are ended. When ctx is done first, all
// connections are closed.
func (l *Listener) Shutdown(ctx context.Context) error {
	l.watcher.endStreams()
	err := l.server.ShutdownWithContext(ctx)
	if err == nil {
		_ = l.socket.Close() // where Serve was never called
		return nil
	}
	l.watcher.closeAll()
	return fmt.Errorf("drain %s: %w", l.Addr(), err)
}

// bodyTimeout gives a body the time that its pauses may take; the reader of a
// streaming body renews it.
func (l *Listener) bodyTimeout(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.ContentLength() > 0 || h.ContentLength() == -1 {
		return fasthttp.RequestConfig{ReadTimeout: l.options.Limits.BodyTimeout}
	}
	return fasthttp.RequestConfig{}
}

func (l *Listener) handle(fc *fasthttp.RequestCtx) {
	s := l.sessions.Get().(*session)
	s.serve(fc)
}

// refuse answers what fasthttp could not read.
func (l *Listener) refuse(fc *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var netErr net.Error
	p, reason := problem.New(http.StatusBadRequest, "malformed_request", "the request is not well-formed HTTP/1.1"), "malformed"
	switch {
	case errors.As(err, &small):
		p, reason = problem.New(http.StatusRequestHeaderFieldsTooLarge, "head_too_large", "the request's head is too large"), "head_too_large"
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		p, reason = problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "the body is too large"), "body_too_large"
	case errors.As(err, &netErr) && netErr.Timeout():
		p, reason = problem.New(http.StatusRequestTimeout, "timeout", "the request did not arrive in time"), "timeout"
	}
	l.options.Rejected(reason)
	writeProblem(fc, p)
}

func writeProblem(fc *fasthttp.RequestCtx, p *problem.Problem) {
	fc.Response.Reset()
	fc.SetStatusCode(p.Status)
	fc.Response.Header.SetContentType(problem.ContentType)
	fc.Response.Header.Set("Cache-Control", "no-store")
	fc.SetBody(problem.JSON(p))
	fc.SetConnectionClose()
	if c := connOf(fc.Conn()); c != nil {
		c.linger.Store(true)
	}
}

// quietLogger takes fasthttp's remarks on connections that broke: of interest
// to nobody but a debugger.
type quietLogger struct{ logger *slog.Logger }

func (q quietLogger) Printf(format string, args ...any) {
	if q.logger.Enabled(context.Background(), slog.LevelDebug) {
		q.logger.Debug("connection", slog.String("error", fmt.Sprintf(format, args...)))
	}
}

// trackingSocket makes each connection known to the watcher.
type trackingSocket struct {
	net.Listener
	watcher *watcher
	stall   time.Duration
}

func (t *trackingSocket) Accept() (net.Conn, error) {
	nc, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return t.watcher.add(nc, t.stall), nil
}
