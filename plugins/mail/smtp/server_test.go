package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a small mail server (RFC 5321) with STARTTLS or implicit TLS and
// AUTH PLAIN. It keeps what it gets by the local part of the Message-ID.
type server struct {
	listener net.Listener
	tls      *tls.Config
	implicit bool
	// password is what AUTH expects for user "gatehouse"; empty offers none.
	password string
	// greeting replaces "220 ready".
	greeting string
	// mute makes it accept connections and say nothing.
	mute bool

	sessions sync.WaitGroup
	mu       sync.Mutex
	mails    map[string][]byte
	secured  int
	signedIn int
}

// newServer starts a server; change sets it up first. caFile trusts it.
func newServer(t *testing.T, change func(*server)) (s *server, caFile string) {
	t.Helper()
	certificate, caFile := newCertificate(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = &server{
		listener: listener, mails: map[string][]byte{}, greeting: "220 ready",
		tls: &tls.Config{Certificates: []tls.Certificate{certificate}},
	}
	if change != nil {
		change(s)
	}
	done := make(chan struct{})
	go s.accept(done)
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		s.sessions.Wait()
	})
	return s, caFile
}

func (s *server) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *server) mail(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, ok := s.mails[key]
	return raw, ok
}

func (s *server) accept(done chan struct{}) {
	defer close(done)
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.sessions.Go(func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if s.mute {
				_, _ = io.Copy(io.Discard, conn)
				return
			}
			if s.implicit {
				conn = tls.Server(conn, s.tls)
			}
			session := &session{server: s, conn: conn, secure: s.implicit}
			session.serve()
		})
	}
}

type session struct {
	server *server
	conn   net.Conn
	reader *textproto.Reader
	secure bool
	authed bool
}

func (c *session) reply(lines ...string) {
	_, _ = io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n")
}

func (c *session) serve() {
	c.reader = textproto.NewReader(bufio.NewReader(c.conn))
	c.reply(c.server.greeting)
	for {
		line, err := c.reader.ReadLine()
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			c.hello()
		case "STARTTLS":
			c.reply("220 go ahead")
			c.conn, c.secure = tls.Server(c.conn, c.server.tls), true
			c.reader = textproto.NewReader(bufio.NewReader(c.conn))
		case "AUTH":
			c.auth(argument)
		case "MAIL":
			c.from()
		case "RCPT":
			c.to(argument)
		case "DATA":
			c.data()
		case "QUIT":
			c.reply("221 bye")
			return
		default:
			c.reply("250 fine")
		}
	}
}

func (c *session) hello() {
	lines := []string{"250-test", "250-8BITMIME"}
	if c.server.tls != nil && !c.secure {
		lines = append(lines, "250-STARTTLS")
	}
	if c.server.password != "" {
		lines = append(lines, "250-AUTH PLAIN")
	}
	c.reply(append(lines, "250 SIZE 1000000")...)
}

func (c *session) auth(argument string) {
	_, encoded, _ := strings.Cut(argument, " ")
	plain, _ := base64.StdEncoding.DecodeString(encoded)
	if string(plain) != "\x00gatehouse\x00"+c.server.password {
		c.reply("535 5.7.8 wrong password")
		return
	}
	c.authed = true
	c.reply("235 welcome")
}

func (c *session) from() {
	if c.server.password != "" && !c.authed {
		c.reply("530 5.7.0 authentication required")
		return
	}
	c.reply("250 fine")
}

func (c *session) to(argument string) {
	switch {
	case strings.Contains(argument, "nobody@"):
		c.reply("550 5.1.1 no such user")
	case strings.Contains(argument, "rejected@"):
		c.reply("550 5.7.1 we do not like you, 5.1.1 or not")
	case strings.Contains(argument, "busy@"):
		c.reply("450 4.2.1 mailbox is busy")
	default:
		c.reply("250 fine")
	}
}

func (c *session) data() {
	c.reply("354 go on")
	raw, err := io.ReadAll(c.reader.DotReader())
	if err != nil {
		return
	}
	// DotReader gives bare line feeds.
	raw = []byte(strings.ReplaceAll(string(raw), "\n", "\r\n"))
	_, rest, _ := strings.Cut(string(raw), "Message-ID: <")
	key, _, _ := strings.Cut(rest, "@")
	c.server.mu.Lock()
	c.server.mails[key] = raw
	if c.secure {
		c.server.secured++
	}
	if c.authed {
		c.server.signedIn++
	}
	c.server.mu.Unlock()
	c.reply("250 2.0.0 queued as 4711")
}

func newCertificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(fmt.Errorf("write certificate: %w", err))
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
