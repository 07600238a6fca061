package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gatehouse.example/gateway/config"
)

const (
	// maxIdleTime is shorter than the idle timeout of any server that we know,
	// so that a connection is seldom closed under a request.
	maxIdleTime = 55 * time.Second
	// probeAfter is the idle time after which a connection is looked at before
	// it is used.
	probeAfter = time.Second
	// ejection is how long a target that refused a connection is avoided.
	ejection = 2 * time.Second

	readBufferBytes  = 8 << 10
	writeBufferBytes = 4 << 10
)

// target is one address and its idle connections, the last used on top.
type target struct {
	config   config.Target
	timeouts config.Timeouts
	resolve  func(string) (string, bool)
	tls      *tls.Config
	maxIdle  int
	inflight atomic.Int64
	// avoidUntil is a Unix time in nanoseconds; down is what the active check
	// found.
	avoidUntil atomic.Int64
	down       atomic.Bool

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

func (t *target) healthy(now time.Time) bool {
	return !t.down.Load() && now.UnixNano() >= t.avoidUntil.Load()
}

func (t *target) fail(now time.Time) { t.avoidUntil.Store(now.Add(ejection).UnixNano()) }

// conn is a connection to a target, owned by one exchange or idle.
type conn struct {
	net.Conn
	target    *target
	raw       syscall.RawConn
	br        *bufio.Reader
	bw        *bufio.Writer
	reused    bool
	idleSince time.Time
	// sent counts bytes of the current request that the kernel took.
	sent int64
}

// Write counts what is sent.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent += int64(n)
	return n, err
}

// conn returns an idle connection, or a new one. probe asks for a look at an
// idle one first, because the request could not be sent again.
func (t *target) conn(ctx context.Context, fresh, probe bool, deadline time.Time) (*conn, error) {
	if !fresh {
		for c := t.takeIdle(); c != nil; c = t.takeIdle() {
			age := time.Since(c.idleSince)
			if age > maxIdleTime || ((probe || age > probeAfter) && !c.quiet()) {
				_ = c.Close()
				continue
			}
			c.reused, c.sent = true, 0
			return c, nil
		}
	}
	return t.dial(ctx, deadline)
}

func (t *target) takeIdle() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) == 0 {
		return nil
	}
	last := len(t.idle) - 1
	c := t.idle[last]
	t.idle[last] = nil
	t.idle = t.idle[:last]
	return c
}

// put gives an unbroken connection back.
func (t *target) put(c *conn) {
	c.idleSince = time.Now()
	if c.SetDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	t.mu.Lock()
	var drop *conn
	switch {
	case t.closed || t.maxIdle <= 0:
		drop = c
	case len(t.idle) > 0 && (len(t.idle) >= t.maxIdle || time.Since(t.idle[0].idleSince) > maxIdleTime):
		drop = t.idle[0]
		copy(t.idle, t.idle[1:])
		t.idle[len(t.idle)-1] = c
	default:
		t.idle = append(t.idle, c)
	}
	t.mu.Unlock()
	if drop != nil {
		_ = drop.Close()
	}
}

func (t *target) close() {
	t.mu.Lock()
	idle := t.idle
	t.idle, t.closed = nil, true
	t.mu.Unlock()
	for _, c := range idle {
		_ = c.Close()
	}
}

func (t *target) dial(ctx context.Context, deadline time.Time) (*conn, error) {
	address := t.config.Address
	if t.config.Service != "" {
		var ok bool
		if address, ok = t.resolve(t.config.Service); !ok {
			return nil, fmt.Errorf("%w: service %q has no address", ErrUnreachable, t.config.Service)
		}
	}
	until := time.Now().Add(t.timeouts.Connect)
	if !deadline.IsZero() && deadline.Before(until) {
		until = deadline
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, t.unreachable(err)
	}
	c := &conn{Conn: nc, target: t}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	if t.tls != nil {
		tlsConn := tls.Client(nc, t.tls)
		if err := tlsConn.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, t.unreachable(err)
		}
		c.Conn = tlsConn
	}
	c.br = bufio.NewReaderSize(c.Conn, readBufferBytes)
	c.bw = bufio.NewWriterSize(c, writeBufferBytes)
	return c, nil
}

func (t *target) unreachable(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: connect to %s: %w", errBoth{ErrUnreachable, ErrTimeout}, t.config, err)
	}
	return fmt.Errorf("%w: connect to %s: %w", ErrUnreachable, t.config, err)
}

// errBoth is two errors with the words of the second.
type errBoth struct{ first, second error }

func (e errBoth) Error() string   { return e.second.Error() }
func (e errBoth) Unwrap() []error { return []error{e.first, e.second} }
