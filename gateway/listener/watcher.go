package listener

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// watchInterval is how often connections are looked at, and watchAfter the
	// age of a request from which on it is worth a look.
	watchInterval = 50 * time.Millisecond
	watchAfter    = 50 * time.Millisecond
	// lingerTime and lingerBytes bound how long a client that is still sending
	// is listened to, so that it reads the answer before it sees a reset.
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 1 << 20
)

// watcher knows the open connections and cancels requests whose client has
// hung up. fasthttp reads nothing while a handler runs, so it does not notice,
// and its RequestCtx.Done is the server's end only. The watcher asks the
// kernel about the sockets of all requests that take longer, with one poll(2);
// it reads no byte, so it works below TLS too. The price for a request is two
// atomic stores.
type watcher struct {
	mu    sync.Mutex
	conns map[*conn]struct{}
}

func newWatcher() *watcher { return &watcher{conns: map[*conn]struct{}{}} }

// conn is a client's connection below TLS.
type conn struct {
	net.Conn
	raw     syscall.RawConn
	watcher *watcher
	stall   time.Duration

	// since is when the current request came, in Unix nanoseconds; 0 is none.
	since   atomic.Int64
	endless atomic.Bool // the response is an event stream
	linger  atomic.Bool // the client may still be sending
	closed  atomic.Bool
	// writeUntil is the write deadline in Unix nanoseconds.
	writeUntil atomic.Int64

	mu     sync.Mutex
	cancel context.CancelFunc
	upload *requestBody
}

func (w *watcher) add(nc net.Conn, stall time.Duration) *conn {
	c := &conn{Conn: nc, watcher: w, stall: stall}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	w.mu.Lock()
	w.conns[c] = struct{}{}
	w.mu.Unlock()
	return c
}

// connOf finds the connection below nc, which may be TLS.
func connOf(nc net.Conn) *conn {
	if c, ok := nc.(*conn); ok {
		return c
	}
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		c, _ := t.NetConn().(*conn)
		return c
	}
	return nil
}

// begin marks the start of a request.
func (c *conn) begin(cancel context.CancelFunc, upload *requestBody) {
	c.mu.Lock()
	c.cancel, c.upload = cancel, upload
	c.mu.Unlock()
	c.linger.Store(false)
	c.since.Store(time.Now().UnixNano())
}

// end marks the end of a request.
func (c *conn) end() {
	c.since.Store(0)
	c.endless.Store(false)
	c.mu.Lock()
	c.cancel, c.upload = nil, nil
	c.mu.Unlock()
}

// hangUp cancels the current request, unless its body has not been read to its
// end: then the client may have closed its half only, and reading tells.
func (c *conn) hangUp(broken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil && (broken || c.upload == nil || c.upload.ended.Load()) {
		c.cancel()
	}
}

// Write bounds the time that a client which does not read can hold a response.
func (c *conn) Write(p []byte) (int, error) {
	now := time.Now()
	until := now.Add(c.stall)
	// Setting a deadline for each small write would cost more than the write.
	if until.UnixNano()-c.writeUntil.Load() > int64(c.stall/8) {
		if err := c.SetWriteDeadline(until); err != nil {
			return 0, err
		}
		c.writeUntil.Store(until.UnixNano())
	}
	return c.Conn.Write(p)
}

// Close closes the connection; a client that is still sending is listened to
// for a moment.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	if c.linger.Load() {
		c.drain()
	}
	c.watcher.mu.Lock()
	delete(c.watcher.conns, c)
	c.watcher.mu.Unlock()
	return c.Conn.Close()
}

func (c *conn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	until := time.Now().Add(lingerTime)
	_ = c.SetReadDeadline(until)
	var buffer [4 << 10]byte
	for left := lingerBytes; left > 0; {
		n, err := c.Read(buffer[:])
		if err != nil {
			return
		}
		left -= n
	}
	// It sends and does not look: with full buffers it has to.
	time.Sleep(time.Until(until))
}

// start runs the watcher until the returned function is called, which waits.
func (w *watcher) start() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		var p poller
		for {
			select {
			case <-quit:
				return
			case now := <-ticker.C:
				w.look(&p, now)
			}
		}
	}()
	return func() { close(quit); <-done }
}

// look asks about all requests that are old enough. The lock keeps their
// sockets open meanwhile, so that no descriptor can become another's.
func (w *watcher) look(p *poller, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.reset()
	before := now.Add(-watchAfter).UnixNano()
	for c := range w.conns {
		if since := c.since.Load(); since != 0 && since < before && c.raw != nil {
			_ = c.raw.Control(func(fd uintptr) { p.add(c, fd) })
		}
	}
	p.poll()
}

// endStreams cancels the requests whose response is an event stream.
func (w *watcher) endStreams() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		if c.endless.Load() {
			c.hangUp(true)
		}
	}
}

// closeAll closes all connections.
func (w *watcher) closeAll() {
	w.mu.Lock()
	conns := make([]*conn, 0, len(w.conns))
	for c := range w.conns {
		conns = append(conns, c)
	}
	w.mu.Unlock()
	for _, c := range conns {
		c.hangUp(true)
		c.linger.Store(false)
		_ = c.Close()
	}
}
