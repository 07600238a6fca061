package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gatehouse.example/gateway/exchange"
)

const (
	// maxResponseHeadBytes bounds what an upstream can make the gateway keep.
	maxResponseHeadBytes = 64 << 10
	// maxInformational bounds the 1xx responses before the final one.
	maxInformational = 8
	// uploadGrace is how long a response waits for a body that is about to be
	// sent completely, before the client's connection is given up for it.
	uploadGrace = 10 * time.Millisecond
)

// head is what a response's head says about its connection and body.
type head struct {
	length  int64 // -1: not known
	chunked bool
	close   bool
}

// readHead reads the final response's head into ex.Response.
func (rt *roundTrip) readHead() (head, error) {
	for range maxInformational {
		text, err := rt.readHeadText()
		if err != nil {
			return head{}, err
		}
		resp := &rt.ex.Response
		resp.Header.Reset()
		h, err := parseHead(text, rt.ex.Request.Method, resp)
		if err != nil {
			return head{}, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		if resp.Status == 101 {
			return head{}, fmt.Errorf("%w: switched protocols unasked", ErrAnswer)
		}
		if resp.Status >= 200 {
			return h, nil
		}
	}
	return head{}, fmt.Errorf("%w: too many informational responses", ErrAnswer)
}

// readHeadText reads up to the empty line. A head that lies in the buffer as a
// whole costs one string.
func (rt *roundTrip) readHeadText() (string, error) {
	var long []byte
	for {
		line, err := rt.conn.br.ReadSlice('\n')
		if len(line) > 0 {
			rt.answered = true
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		if len(long)+len(line) > maxResponseHeadBytes {
			return "", fmt.Errorf("%w: head is larger than %d bytes", ErrAnswer, maxResponseHeadBytes)
		}
		if long == nil {
			long = rt.ex.Scratch(readBufferBytes)[:0]
		}
		long = append(long, line...)
		if err == nil && (len(line) == 2 && line[0] == '\r') {
			return string(long), nil
		}
		if err == nil && len(line) == 1 {
			return "", fmt.Errorf("%w: line does not end with CR LF", ErrAnswer)
		}
	}
}

// parseHead reads a status line and header fields, and the framing of the body
// (RFC 9112 §4, §6.3). Fields that are the connection's business are removed.
func parseHead(text, method string, resp *exchange.Response) (head, error) {
	line, rest, ok := strings.Cut(text, "\r\n")
	version, status, ok2 := strings.Cut(line, " ")
	if !ok || !ok2 || len(status) < 3 || (len(status) > 3 && status[3] != ' ') {
		return head{}, fmt.Errorf("malformed status line")
	}
	if version != "HTTP/1.1" && version != "HTTP/1.0" {
		return head{}, fmt.Errorf("unknown version")
	}
	code, err := strconv.Atoi(status[:3])
	if err != nil || code < 100 || code > 599 {
		return head{}, fmt.Errorf("malformed status")
	}
	resp.Status = code
	if err := exchange.ParseFields(rest, &resp.Header); err != nil {
		return head{}, err
	}
	h := head{length: -1, close: version == "HTTP/1.0"}
	if err := h.framing(&resp.Header); err != nil {
		return head{}, err
	}
	resp.TrailerNames = ""
	if h.chunked {
		resp.TrailerNames = exchange.AnnouncedTrailers(&resp.Header)
	}
	resp.Header.RemoveConnectionFields()
	resp.Header.Del("Content-Length")
	if method == "HEAD" || code < 200 || code == 204 || code == 304 {
		if h.chunked {
			h.length = -1
		}
		resp.Body.Length = h.length
		h.length, h.chunked = 0, false
		return h, nil
	}
	if h.chunked {
		h.length = -1
	} else if h.length < 0 {
		h.close = true // the body ends with the connection
	}
	resp.Body.Length = h.length
	return h, nil
}

func (h *head) framing(fields *exchange.Header) error {
	for i := range fields.Len() {
		f := fields.At(i)
		switch {
		case len(f.Name) == 14 && strings.EqualFold(f.Name, "Content-Length"):
			n, err := strconv.ParseUint(f.Value, 10, 63)
			if err != nil || (h.length >= 0 && h.length != int64(n)) {
				return fmt.Errorf("malformed Content-Length")
			}
			h.length = int64(n)
		case len(f.Name) == 17 && strings.EqualFold(f.Name, "Transfer-Encoding"):
			if h.chunked || !strings.EqualFold(f.Value, "chunked") {
				return fmt.Errorf("unknown Transfer-Encoding")
			}
			h.chunked = true
		case len(f.Name) == 10 && strings.EqualFold(f.Name, "Connection"):
			if hasToken(f.Value, "close") {
				h.close = true
			}
		}
	}
	if h.chunked && h.length >= 0 {
		// Two framings: whatever follows on this connection is not trusted.
		h.close = true
	}
	return nil
}

// handOn gives the response to the exchange. Where its body has arrived as a
// whole, or there is none, the connection is free again at once.
func (rt *roundTrip) handOn(h head, stop func() bool) error {
	c, resp := rt.conn, &rt.ex.Response
	reuse := !h.close
	if rt.upload != nil && !rt.upload.finishedSoon() {
		resp.Close, reuse = true, false
	} else if rt.upload != nil {
		reuse = reuse && rt.upload.fine
	}
	if !h.chunked && h.length >= 0 && h.length <= int64(c.br.Buffered()) && !resp.Close {
		if h.length > 0 {
			p := rt.ex.Scratch(int(h.length))
			if _, err := io.ReadFull(c.br, p); err != nil {
				return err
			}
			resp.Body.Bytes = p
		}
		if stop() && reuse && c.br.Buffered() == 0 {
			c.target.put(c)
		} else {
			_ = c.Close()
		}
		return nil
	}
	b := &responseBody{
		conn: c, ex: rt.ex, upload: rt.upload, stop: stop, left: h.length, deadline: rt.deadline, reuse: reuse,
	}
	if h.chunked {
		b.chunks = httputil.NewChunkedReader(c.br)
	}
	resp.Body.Stream = b
	*rt.forwarded = true
	return nil
}

func (u *upload) finishedSoon() bool {
	select {
	case <-u.done:
		return true
	default:
	}
	t := time.NewTimer(uploadGrace)
	defer t.Stop()
	select {
	case <-u.done:
		return true
	case <-t.C:
		return false
	}
}

// responseBody streams a response's body and gives the connection back at its
// end.
type responseBody struct {
	conn     *conn
	ex       *exchange.Exchange
	upload   *upload
	stop     func() bool
	chunks   io.Reader // set where chunked
	left     int64     // -1: up to the end of the connection
	deadline time.Time
	reuse    bool
	ended    bool
	closed   atomic.Bool
}

// Read reads the body; one that breaks off is [exchange.ErrResponseBroken].
func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", exchange.ErrResponseBroken, err)
	}
	return n, err
}

func (b *responseBody) read(p []byte) (int, error) {
	if b.ended || (b.chunks == nil && b.left == 0) {
		b.ended = true
		return 0, io.EOF
	}
	if err := b.extend(); err != nil {
		return 0, err
	}
	if b.chunks != nil {
		return b.readChunked(p)
	}
	if b.left > 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.conn.br.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
		b.ended = b.left == 0
		if err == io.EOF && b.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	} else if err == io.EOF {
		b.ended = true
	}
	return n, err
}

func (b *responseBody) readChunked(p []byte) (int, error) {
	n, err := b.chunks.Read(p)
	if err != io.EOF {
		return n, err
	}
	if err := b.readTrailers(); err != nil {
		return n, err
	}
	b.ended = true
	return n, io.EOF
}

// extend sets the deadline of the next read.
func (b *responseBody) extend() error {
	until := b.deadline
	if idle := b.conn.target.timeouts.Idle; idle > 0 {
		if t := time.Now().Add(idle); until.IsZero() || t.Before(until) {
			until = t
		}
	}
	return b.conn.SetReadDeadline(until)
}

// Close frees the connection, and ends an upload that is still under way.
func (b *responseBody) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	free := b.stop() && b.ended && b.reuse && b.conn.br.Buffered() == 0
	if !free {
		_ = b.conn.Close()
	}
	_ = b.upload.abort(b.ex)
	if free {
		b.conn.target.put(b.conn)
	}
	b.conn.target.inflight.Add(-1)
	return nil
}
