//go:build unix

package listener

import "golang.org/x/sys/unix"

// poller asks the kernel about many sockets at once.
type poller struct {
	conns []*conn
	fds   []unix.PollFd
}

func (p *poller) reset() {
	clear(p.conns)
	p.conns, p.fds = p.conns[:0], p.fds[:0]
}

func (p *poller) add(c *conn, fd uintptr) {
	p.conns = append(p.conns, c)
	p.fds = append(p.fds, unix.PollFd{Fd: int32(fd), Events: hangUpEvent})
}

// poll hangs up the connections whose client is gone.
func (p *poller) poll() {
	if len(p.fds) == 0 {
		return
	}
	if n, err := unix.Poll(p.fds, 0); err != nil || n == 0 {
		return // the next look is near
	}
	for i, fd := range p.fds {
		switch {
		case fd.Revents&(unix.POLLERR|unix.POLLNVAL) != 0:
			p.conns[i].hangUp(true)
		case fd.Revents&(unix.POLLHUP|hangUpEvent) != 0:
			p.conns[i].hangUp(false)
		}
	}
}
