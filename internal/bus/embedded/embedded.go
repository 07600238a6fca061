// Package embedded owns a NATS server with JetStream in the process, for
// development and tests: on loopback, with a token, its data in a folder.
//
// It leaves using it to internal/bus, which sees the real broker here as in
// production. Handling signals and the wish to stop are the caller's.
package embedded

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	startTimeout = 10 * time.Second
	maxMemory    = 16 << 20 // streams in memory; ours are in files
	maxStore     = 4 << 30
)

// Options says where the server keeps its data and where it listens.
type Options struct {
	// Dir is the folder of streams and token, made (0700) if it is missing.
	// One server at a time may use it.
	Dir string
	// SyncAlways makes an acknowledged message survive a power failure, at
	// the price of a sync for each.
	SyncAlways bool
	// Listen is a loopback "host:port"; "" or port 0 takes a free port of
	// 127.0.0.1.
	Listen string
	// Logger receives warnings and errors of the server, and at debug level
	// its notices; nil means slog.Default.
	Logger *slog.Logger
}

// Server is a running NATS server.
type Server struct {
	nats  *server.Server
	token string
	once  sync.Once
}

// Start starts the server and waits until it takes connections. Stop ends it.
// The token stays the same for a folder, so that clients reconnect after a
// restart.
func Start(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	host, port, err := listenAddress(o.Listen)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	token, err := ensureToken(filepath.Join(o.Dir, "token"))
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	ns, err := server.NewServer(&server.Options{
		ServerName:             "gatehouse",
		Host:                   host,
		Port:                   port,
		Authorization:          token,
		NoSigs:                 true,
		DisableJetStreamBanner: true,
		JetStream:              true,
		JetStreamMaxMemory:     maxMemory,
		JetStreamMaxStore:      maxStore,
		StoreDir:               o.Dir,
		SyncAlways:             o.SyncAlways,
		MaxControlLine:         4096,
	})
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	log := &logger{slog: o.Logger}
	ns.SetLoggerV2(log, false, false, false)
	ns.Start()
	s := &Server{nats: ns, token: token}
	if !log.awaitReady(ns) {
		s.Stop()
		return nil, fmt.Errorf("embedded NATS in %s does not start: %w", o.Dir, log.cause())
	}
	return s, nil
}

func listenAddress(listen string) (host string, port int, err error) {
	if listen == "" {
		return "127.0.0.1", server.RANDOM_PORT, nil
	}
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("embedded NATS: listen: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", 0, fmt.Errorf("embedded NATS: listen %q: only loopback addresses, for there is no TLS", listen)
	}
	if port, err = strconv.Atoi(text); err != nil || port < -1 || port > 65535 {
		return "", 0, fmt.Errorf("embedded NATS: listen %q: no such port", listen)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

func ensureToken(file string) (string, error) {
	text, err := os.ReadFile(file)
	if token := strings.TrimSpace(string(text)); err == nil && token != "" {
		return token, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	token := rand.Text()
	return token, os.WriteFile(file, []byte(token+"\n"), 0o600)
}

// URL returns the nats:// URL of the server with its token.
func (s *Server) URL() string {
	u := url.URL{Scheme: "nats", User: url.User(s.token), Host: s.Addr()}
	return u.String()
}

// Addr returns the "host:port" that the server listens on.
func (s *Server) Addr() string {
	if a := s.nats.Addr(); a != nil {
		return a.String()
	}
	return ""
}

// InProcessConn returns a connection that does not use the network.
func (s *Server) InProcessConn() (net.Conn, error) { return s.nats.InProcessConn() }

// Stop ends the server and waits until its data is written. Further calls
// wait for the first.
func (s *Server) Stop() {
	s.once.Do(func() {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	})
}
