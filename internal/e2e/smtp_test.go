package e2e

import (
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// smtpServer takes every mail (RFC 5321) and counts who got which.
type smtpServer struct {
	net.Listener
	mu sync.Mutex
	// mails holds the Message-IDs that an address got, in order.
	mails map[string][]string
	open  sync.WaitGroup
}

func newSMTPServer(t testing.TB) *smtpServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{Listener: ln, mails: map[string][]string{}}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.open.Go(func() { s.serve(conn) })
		}
	}()
	t.Cleanup(func() { _ = ln.Close() })
	return s
}

func (s *smtpServer) serve(conn net.Conn) {
	defer conn.Close()
	c := textproto.NewConn(conn)
	to := ""
	reply := func(text string) { _ = c.PrintfLine("%s", text) }
	reply("220 sink")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0]); {
		case verb == "EHLO" || verb == "HELO" || verb == "RSET" || verb == "NOOP" || strings.HasPrefix(verb, "MAIL"):
			reply("250 ok")
		case strings.HasPrefix(verb, "RCPT"):
			_, rest, _ := strings.Cut(line, "<")
			to, _, _ = strings.Cut(rest, ">")
			reply("250 ok")
		case verb == "DATA":
			reply("354 go on")
			lines, err := c.ReadDotLines()
			if err != nil {
				return
			}
			s.keep(to, lines)
			reply("250 kept")
		case verb == "QUIT":
			reply("221 bye")
			return
		default:
			reply("500 what?")
		}
	}
}

func (s *smtpServer) keep(to string, lines []string) {
	id := ""
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(strings.ToLower(line), "message-id:"); ok {
			id = strings.TrimSpace(rest)
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails[to] = append(s.mails[to], id)
}

// count returns how many addresses that begin with prefix got a mail, how many deliveries there were
// beyond the first of each message, and how many addresses got more than one
// message.
func (s *smtpServer) count(prefix string) (addresses, repeated, several int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for address, ids := range s.mails {
		if !strings.HasPrefix(address, prefix) {
			continue
		}
		addresses++
		distinct := map[string]bool{}
		for _, id := range ids {
			distinct[id] = true
		}
		repeated += len(ids) - len(distinct)
		if len(distinct) > 1 {
			several++
		}
	}
	return addresses, repeated, several
}
