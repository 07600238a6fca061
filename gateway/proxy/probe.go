package proxy

import "syscall"

// quiet reports whether nothing has arrived on an idle connection: neither its
// end nor bytes that nobody asked for.
func (c *conn) quiet() bool {
	if c.br.Buffered() > 0 || c.raw == nil {
		return c.raw == nil
	}
	quiet := false
	err := c.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = n <= 0 && (err == syscall.EAGAIN || err == syscall.EWOULDBLOCK)
		return true // never wait for more
	})
	return err == nil && quiet
}
