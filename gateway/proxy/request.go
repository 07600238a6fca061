package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse.example/gateway/exchange"
)

// roundTrip is one attempt to send a request over one connection.
type roundTrip struct {
	ex       *exchange.Exchange
	conn     *conn
	extra    *extra
	deadline time.Time
	// forwarded is set once a response stream owns connection and target.
	forwarded *bool

	upload   *upload
	answered bool // a byte of an answer came
}

// retriable reports whether the failed attempt may be made again, see
// [Upstream.Forward].
func (rt *roundTrip) retriable() bool {
	if !rt.conn.reused || rt.answered {
		return false
	}
	if rt.upload != nil {
		return false // part of the body may have been read
	}
	return rt.conn.sent == 0 || idempotent(rt.ex.Request.Method)
}

// do sends the request and reads the response's head. On an error the
// connection is closed.
func (rt *roundTrip) do() error {
	c, ctx := rt.conn, rt.ex.Context()
	// Closing is final, unlike a deadline that a later one would undo.
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	err := rt.exchange(stop)
	if err == nil {
		return nil
	}
	stop()
	_ = c.Close()
	if uploadErr := rt.upload.abort(rt.ex); uploadErr != nil {
		return uploadErr
	}
	return rt.explain(err)
}

func (rt *roundTrip) exchange(stop func() bool) error {
	c, ex := rt.conn, rt.ex
	if err := rt.setDeadline(c.target.timeouts.Header); err != nil {
		return err
	}
	if err := rt.writeHead(); err != nil {
		return err
	}
	body := &ex.Request.Body
	if body.Stream != nil {
		if err := c.SetReadDeadline(rt.deadline); err != nil {
			return err
		}
		rt.upload = startUpload(c, &ex.Request, rt.deadline)
	} else {
		if err := rt.writeBytes(); err != nil {
			return err
		}
		if err := c.bw.Flush(); err != nil {
			return err
		}
	}
	head, err := rt.readHead()
	if err != nil {
		return err
	}
	return rt.handOn(head, stop)
}

func (rt *roundTrip) setDeadline(step time.Duration) error {
	until := rt.deadline
	if step > 0 {
		if t := time.Now().Add(step); until.IsZero() || t.Before(until) {
			until = t
		}
	}
	return rt.conn.SetDeadline(until)
}

// explain gives an error of reading or writing its meaning.
func (rt *roundTrip) explain(err error) error {
	if ctxErr := rt.ex.Context().Err(); ctxErr != nil {
		return ctxErr
	}
	if errors.Is(err, ErrRequest) || errors.Is(err, ErrAnswer) {
		return fmt.Errorf("%s: %w", rt.conn.target.config, err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s: %w", rt.conn.target.config, ErrTimeout)
	}
	return fmt.Errorf("%s: %w: %w", rt.conn.target.config, ErrAnswer, err)
}

// writeHead writes the request line and header fields into the buffer. Names
// and values that filters made are checked, for a line break in one would make
// two requests of one.
func (rt *roundTrip) writeHead() error {
	bw, r := rt.conn.bw, &rt.ex.Request
	bw.Reset(rt.conn)
	if !exchange.ValidFieldName(r.Method) {
		return fmt.Errorf("%w: method is not a token", ErrRequest)
	}
	if r.Method == "CONNECT" {
		// What follows its answer is a tunnel, no next response (RFC 9112 §6.3).
		return fmt.Errorf("%w: CONNECT is for tunnels", ErrRequest)
	}
	host := rt.conn.target.config.Host
	if rt.conn.target.config.Service != "" {
		host = r.Host
	}
	// bufio keeps the first error; Flush returns it.
	_, _ = bw.WriteString(r.Method)
	_ = bw.WriteByte(' ')
	_, _ = bw.WriteString(r.RawPath)
	if r.Query != "" {
		_ = bw.WriteByte('?')
		_, _ = bw.WriteString(r.Query)
	}
	_, _ = bw.WriteString(" HTTP/1.1\r\n")
	rt.field("Host", host)
	for i := range r.Header.Len() {
		f := r.Header.At(i)
		if !exchange.ValidFieldName(f.Name) || !exchange.ValidFieldValue(f.Value) {
			return fmt.Errorf("%w: header field %q is malformed", ErrRequest, f.Name)
		}
		rt.field(f.Name, f.Value)
	}
	for _, f := range rt.extra.fields[:rt.extra.n] {
		rt.field(f.Name, f.Value)
	}
	switch body := &r.Body; {
	case body.Stream != nil && body.Length < 0:
		rt.field("Transfer-Encoding", "chunked")
		if r.TrailerNames != "" {
			rt.field("Trailer", r.TrailerNames)
		}
	case body.Stream == nil && r.Trailer.Len() > 0:
		// Only chunks can be followed by trailers.
		rt.field("Transfer-Encoding", "chunked")
		rt.field("Trailer", r.Trailer.Names())
	case body.Stream != nil:
		rt.field("Content-Length", strconv.FormatInt(body.Length, 10))
	case len(body.Bytes) > 0 || (r.Method != "GET" && r.Method != "HEAD" && r.Method != "OPTIONS" && r.Method != "DELETE"):
		rt.field("Content-Length", strconv.Itoa(len(body.Bytes)))
	}
	_, err := bw.WriteString("\r\n")
	return err
}

func (rt *roundTrip) field(name, value string) {
	bw := rt.conn.bw
	_, _ = bw.WriteString(name)
	_, _ = bw.WriteString(": ")
	_, _ = bw.WriteString(value)
	_, _ = bw.WriteString("\r\n")
}

// upload sends a streaming body in a goroutine of its own, so that an upstream
// that answers before it has read everything is heard.
type upload struct {
	done chan struct{}
	// failed is set before the connection is closed because of err.
	failed atomic.Bool
	err    error // of the client's side: reading the body
	fine   bool  // the whole body was written
}

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func startUpload(c *conn, r *exchange.Request, deadline time.Time) *upload {
	u := &upload{done: make(chan struct{})}
	stream, length := r.Body.Stream, r.Body.Length
	w := bodyWriter{conn: c, chunked: length < 0, left: length, deadline: deadline, trailer: &r.Trailer}
	go func() {
		defer close(u.done)
		u.run(&w, stream)
	}()
	return u
}

func (u *upload) run(w *bodyWriter, stream io.Reader) {
	c := w.conn
	buffer := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buffer)
	for {
		n, readErr := stream.Read(buffer[:])
		if n > 0 && !w.write(buffer[:n]) {
			u.giveUp(c)
			return
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			u.fail(c, readErr)
			return
		}
	}
	if w.left > 0 {
		u.fail(c, fmt.Errorf("%w: body is shorter than declared", ErrRequest))
		return
	}
	u.fine = w.end()
}

// fail ends an upload whose body cannot be read, and wakes who waits for a
// response that cannot come.
func (u *upload) fail(c *conn, err error) {
	u.err = err
	u.failed.Store(true)
	_ = c.Close()
}

// lastWords is how long an upstream that stopped reading may take to say why.
const lastWords = time.Second

// giveUp ends an upload that the upstream does not take. It may have answered
// already (413, say), so the response is still waited for, but not for long.
func (u *upload) giveUp(c *conn) { _ = c.SetReadDeadline(time.Now().Add(lastWords)) }

// bodyWriter frames a body.
type bodyWriter struct {
	conn     *conn
	chunked  bool
	left     int64
	deadline time.Time
	// trailer is complete once the body is read to its end, by whom reads it.
	trailer *exchange.Header
}

func (w *bodyWriter) write(p []byte) bool {
	until := time.Now().Add(w.conn.target.timeouts.Idle)
	if !w.deadline.IsZero() && w.deadline.Before(until) {
		until = w.deadline
	}
	if w.conn.SetWriteDeadline(until) != nil {
		return false
	}
	bw := w.conn.bw
	if !w.chunked {
		if int64(len(p)) > w.left {
			return false // longer than declared would be the next request
		}
		w.left -= int64(len(p))
		_, _ = bw.Write(p)
		return bw.Flush() == nil
	}
	writeChunk(bw, p)
	return bw.Flush() == nil
}

// end finishes the body and starts the wait for the response's head.
func (w *bodyWriter) end() bool {
	if w.chunked {
		writeLastChunk(w.conn.bw, w.trailer)
	}
	if w.conn.bw.Flush() != nil {
		return false
	}
	until := w.deadline
	if h := w.conn.target.timeouts.Header; h > 0 {
		if t := time.Now().Add(h); until.IsZero() || t.Before(until) {
			until = t
		}
	}
	return w.conn.SetReadDeadline(until) == nil
}

// abort ends the upload and returns the error of the client's side, if that is
// what ended it.
func (u *upload) abort(ex *exchange.Exchange) error {
	if u == nil {
		return nil
	}
	own := u.failed.Load() // else a Read fails because it is ended here
	ex.Request.Body.Close()
	<-u.done
	if !own {
		return nil
	}
	if errors.Is(u.err, exchange.ErrBodyTooLarge) {
		return exchange.ErrBodyTooLarge
	}
	return fmt.Errorf("%w: %w", ErrRequest, u.err)
}
