package listener

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/internal/problem"
)

// prefetchBytes is how much of a body fasthttp reads before the handler runs:
// a body that is no larger is handed on as bytes.
const prefetchBytes = 8 << 10

// session is one exchange and what ties it to fasthttp. Sessions are pooled.
type session struct {
	ex       exchange.Exchange
	listener *Listener
	conn     *conn
	cancel   context.CancelFunc
	// method is the request's as received: it tells whether the response has a
	// body, whatever filters have made of the request (RFC 9112 §6.3).
	method string
	body   []byte
	upload *requestBody
}

func (s *session) serve(fc *fasthttp.RequestCtx) {
	s.conn = connOf(fc.Conn())
	if reason, err := s.read(fc); err != nil {
		status := http.StatusBadRequest
		switch {
		case errors.Is(err, errVersion):
			status = http.StatusHTTPVersionNotSupported
		case errors.Is(err, exchange.ErrTooManyFields):
			status, reason = http.StatusRequestHeaderFieldsTooLarge, "head_too_large"
		}
		s.listener.options.Rejected(reason)
		writeProblem(fc, problem.New(status, reason, err.Error()))
		s.release()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.ex.SetContext(ctx)
	s.conn.begin(cancel, s.upload)
	s.handle()
	s.write(fc)
}

// handle calls the handler; fasthttp would let a panic end the process.
func (s *session) handle() {
	defer func() {
		if r := recover(); r != nil {
			s.listener.options.Logger.Error("handler panicked",
				slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
			s.ex.Response.Body.Close()
			s.ex.Response = exchange.Response{Status: http.StatusInternalServerError, Close: true}
			s.ex.Response.Header.Add("Content-Type", problem.ContentType)
			s.ex.Response.Body.SetBytes(problem.JSON(problem.New(http.StatusInternalServerError, "internal", "")))
		}
	}()
	s.listener.options.Handler.Serve(&s.ex)
}

// read fills the exchange's request. reason is the word that a refusal is
// counted under.
func (s *session) read(fc *fasthttp.RequestCtx) (reason string, err error) {
	h, r := &fc.Request.Header, &s.ex.Request
	r.Received = time.Now()
	s.method = method(h.Method())
	r.Method = s.method
	switch string(h.Protocol()) {
	case "HTTP/1.1":
		r.Proto = "HTTP/1.1"
	case "HTTP/1.0":
		r.Proto = "HTTP/1.0"
	default:
		return "http_version", errVersion
	}
	r.Scheme = "http"
	if s.listener.options.TLS != nil {
		r.Scheme = "https"
	}
	// fasthttp has parsed the fields too, but forgets their spelling, merges
	// some and repairs others; one string holds them all.
	if err := exchange.ParseFields(string(h.RawHeaders()), &r.Header); err != nil {
		return "malformed_header", err
	}
	if reason, err := checkFraming(&r.Header); err != nil {
		return reason, err
	}
	if err := setTarget(r, string(h.RequestURI()), string(h.Host())); err != nil {
		return "ambiguous_target", err
	}
	r.Source = source(fc.RemoteAddr())
	s.ex.RequestID = requestID(r.Header.Get("X-Request-Id"))
	s.readBody(fc)
	return "", nil
}

var (
	errFraming = errors.New("more than one way to tell where the body ends")
	errVersion = errors.New("this port speaks HTTP/1.1 and HTTP/1.0")
)

// checkFraming refuses what request smuggling is made of (RFC 9112 §6.1, §6.3,
// §11.2), and removes Host, which the request holds by itself.
func checkFraming(h *exchange.Header) (reason string, err error) {
	lengths, encodings, hosts := 0, 0, 0
	for i := range h.Len() {
		f := h.At(i)
		switch len(f.Name) {
		case 4:
			if strings.EqualFold(f.Name, "Host") {
				hosts++
			}
		case 14:
			if strings.EqualFold(f.Name, "Content-Length") {
				lengths++
			}
		case 17:
			if strings.EqualFold(f.Name, "Transfer-Encoding") {
				encodings++
				if !strings.EqualFold(f.Value, "chunked") {
					return "transfer_encoding", errors.New("unknown Transfer-Encoding")
				}
			}
		}
	}
	if lengths+encodings > 1 {
		return "framing", errFraming
	}
	if hosts > 1 {
		return "host", errors.New("more than one Host")
	}
	if hosts == 1 {
		h.Del("Host")
	}
	return "", nil
}

// setTarget takes a target in origin form, or in absolute form where it agrees
// with Host (RFC 9112 §3.2).
func setTarget(r *exchange.Request, uri, host string) error {
	if !strings.HasPrefix(uri, "/") {
		_, rest, ok := strings.Cut(uri, "://")
		if !ok {
			return errors.New("request target has neither origin form nor absolute form")
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if !strings.EqualFold(rest[:end], host) {
			return errors.New("request target and Host name different hosts")
		}
		if uri = rest[end:]; !strings.HasPrefix(uri, "/") {
			uri = "/" + uri
		}
	}
	if err := r.SetHost(host); err != nil {
		return err
	}
	return r.SetURI(uri)
}

func (s *session) readBody(fc *fasthttp.RequestCtx) {
	length := fc.Request.Header.ContentLength()
	stream := fc.RequestBodyStream()
	if stream == nil || length == 0 || length < -1 {
		return
	}
	body := &s.ex.Request.Body
	if length > 0 && length <= prefetchBytes {
		if cap(s.body) < length {
			s.body = make([]byte, prefetchBytes)
		}
		// The bytes are there; nothing waits here.
		if n, err := io.ReadFull(stream, s.body[:length]); err == nil {
			body.Bytes, body.Length = s.body[:n], int64(n)
			return
		}
	}
	s.upload = &requestBody{stream: stream, conn: fc.Conn(), stall: s.listener.options.Limits.BodyTimeout}
	if length < 0 {
		r := &s.ex.Request
		r.TrailerNames = exchange.AnnouncedTrailers(&r.Header)
		s.upload.trailers = func() error { return s.readTrailers(&fc.Request.Header) }
	}
	body.Stream, body.Length = s.upload, int64(length)
}

// write hands the response to fasthttp.
func (s *session) write(fc *fasthttp.RequestCtx) {
	out, resp := &fc.Response, &s.ex.Response
	out.Header.DisableNormalizing()
	out.SetStatusCode(resp.Status)
	for i := range resp.Header.Len() {
		f := resp.Header.At(i)
		if exchange.ValidFieldName(f.Name) && exchange.ValidFieldValue(f.Value) && !exchange.ConnectionField(f.Name) {
			out.Header.Add(f.Name, f.Value)
		}
	}
	if resp.Close || (s.upload != nil && !s.upload.ended.Load()) {
		s.conn.linger.Store(true)
	}
	if resp.Close {
		// Said before fasthttp looks at the request's stream, which somebody
		// may still be reading.
		out.Header.SetConnectionClose()
	}
	if resp.Body.Stream != nil {
		s.stream(fc)
		return
	}
	if len(resp.Body.Bytes) > 0 {
		out.SetBody(resp.Body.Bytes)
		s.announceTrailers(out, resp.Trailer.Names())
		s.addTrailers(out)
	} else if resp.Body.Length > 0 && (s.method == "HEAD" || resp.Status == http.StatusNotModified) {
		out.SkipBody = true
		out.Header.SetContentLength(int(resp.Body.Length))
	}
	s.finish(int64(len(resp.Body.Bytes)))
}

func (s *session) stream(fc *fasthttp.RequestCtx) {
	out, resp := &fc.Response, &s.ex.Response
	length := -1
	if resp.Body.Length >= 0 {
		length = int(resp.Body.Length)
	} else if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		out.ImmediateHeaderFlush = true
		s.conn.endless.Store(true)
	}
	body := &responseStream{session: s, body: resp.Body.Stream}
	if length >= 0 && resp.Trailer.Len() > 0 && s.ex.Request.Proto == "HTTP/1.1" {
		length = -1 // trailers need chunks
	}
	if length < 0 {
		names := resp.TrailerNames
		if resp.Trailer.Len() > 0 {
			names += "," + resp.Trailer.Names()
		}
		s.announceTrailers(out, names)
		body.out = out
	}
	if length < 0 && s.ex.Request.Proto == "HTTP/1.0" && s.method != "HEAD" {
		streamUntilClose(fc, body)
		return
	}
	out.SetBodyStream(body, length)
}

// streamUntilClose sends a body of unknown length to a client that knows no
// chunks: the connection's end is the body's (RFC 9112 §6.1, §6.3). fasthttp
// would send chunks, so the connection is taken from it.
func streamUntilClose(fc *fasthttp.RequestCtx, body *responseStream) {
	h := &fc.Response.Header
	h.SetContentLength(-2) // until the connection ends
	h.SetConnectionClose()
	head := bytes.Clone(h.Header())
	fc.HijackSetNoResponse(true)
	fc.Hijack(func(c net.Conn) {
		if _, err := c.Write(head); err == nil {
			_, _ = io.Copy(c, body)
		}
		_ = body.Close()
	})
}

// finish ends the exchange; sentBytes counts the response's body.
func (s *session) finish(sentBytes int64) {
	s.listener.options.Handler.Done(&s.ex, sentBytes)
	s.release()
}

// release makes the session ready for another exchange.
func (s *session) release() {
	if s.cancel != nil {
		s.conn.end()
		s.cancel()
	}
	s.ex.Request.Body.Close()
	s.ex.Response.Body.Close()
	s.ex.Reset()
	s.conn, s.cancel, s.upload = nil, nil, nil
	s.listener.sessions.Put(s)
}

// responseStream is the body that fasthttp reads; its end is the exchange's.
type responseStream struct {
	session *session
	body    io.Reader
	sent    int64
	// out is the response that trailers are added to at the body's end; nil
	// where it cannot have any.
	out *fasthttp.Response
}

func (r *responseStream) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.sent += int64(n)
	if err == io.EOF && r.out != nil {
		r.session.addTrailers(r.out)
		r.out = nil
	}
	return n, err
}

// Close ends the exchange; a second call does nothing.
func (r *responseStream) Close() error {
	if s := r.session; s != nil {
		r.session = nil
		s.ex.Response.Body.Close()
		s.finish(r.sent)
	}
	return nil
}

// requestBody is the client's body while it streams. Close may be called while
// a Read waits, and ends it; the connection is then good for nothing else.
type requestBody struct {
	stream io.Reader
	conn   net.Conn
	stall  time.Duration
	// trailers is called at the end of a chunked body; nil else.
	trailers func() error
	reading  atomic.Bool
	closed   atomic.Bool
	ended    atomic.Bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.reading.Store(true)
	defer b.reading.Store(false)
	if err := b.conn.SetReadDeadline(time.Now().Add(b.stall)); err != nil {
		return 0, err
	}
	if b.closed.Load() {
		return 0, net.ErrClosed
	}
	n, err := b.stream.Read(p)
	if err == io.EOF && !b.ended.Swap(true) && b.trailers != nil {
		if trailerErr := b.trailers(); trailerErr != nil {
			return n, trailerErr
		}
	}
	return n, err
}

func (b *requestBody) Close() error {
	b.closed.Store(true)
	if b.reading.Load() {
		return b.conn.SetReadDeadline(time.Unix(1, 0))
	}
	return nil
}

// method returns the usual methods without an allocation.
func method(b []byte) string {
	switch string(b) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "PATCH":
		return "PATCH"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	}
	return string(b)
}

// requestID takes a client's id where it is fit for logs and headers.
func requestID(given string) string {
	if len(given) > 0 && len(given) <= 128 {
		ok := true
		for i := range len(given) {
			c := given[i]
			ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
		}
		if ok {
			return given
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.UUID{} // the system has no randomness: an id is the least problem
	}
	return id.String()
}

func source(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
