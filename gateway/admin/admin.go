// Package admin owns the gateway's admin API: reading on a TCP address,
// changing on a Unix socket that only its owner may open.
//
// It decides nothing; what it shows and does is handed to it by gateway/app.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse.example/internal/problem"
)

// Options configure a [Server].
type Options struct {
	// Listen is host:port for reading; "" serves none.
	Listen string
	// Socket is the path of a Unix socket for reading and changing; "" serves
	// none.
	Socket string
	// Gatherer is what /metrics shows.
	Gatherer prometheus.Gatherer
	// Ready says why the gateway is not ready.
	Ready func(context.Context) error
	// Reload loads the configuration.
	Reload func(context.Context) error
	// Routes describes the routes.
	Routes func() []Route
	// Logger hears of broken connections.
	Logger *slog.Logger
}

// Server serves the admin API.
type Server struct {
	read, write     *http.Server
	readLn, writeLn net.Listener
	socket          string
	closeOnce       sync.Once
}

// Open binds address and socket.
func Open(o Options) (*Server, error) {
	s := &Server{}
	reading := http.NewServeMux()
	reading.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	reading.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]string{"status": "ok"}) })
	reading.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := o.Ready(r.Context()); err != nil {
			problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "not_ready", err.Error()))
			return
		}
		writeJSON(w, map[string]string{"status": "ready"})
	})
	reading.HandleFunc("GET /routes", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"items": o.Routes(), "next_cursor": nil})
	})
	changing := http.NewServeMux()
	changing.Handle("GET /", reading)
	changing.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		if err := o.Reload(r.Context()); err != nil {
			// The socket's owner may read the file; it may read what is wrong
			// with it too.
			problem.Write(w, r, problem.New(http.StatusUnprocessableEntity, "configuration_refused", err.Error()))
			return
		}
		writeJSON(w, map[string]string{"status": "reloaded"})
	})
	var err error
	if o.Listen != "" {
		if s.readLn, err = net.Listen("tcp", o.Listen); err != nil {
			return nil, fmt.Errorf("admin API: %w", err)
		}
		s.read = server(reading, o.Logger)
	}
	if o.Socket != "" {
		if s.writeLn, err = listenPrivate(o.Socket); err != nil {
			s.Close()
			return nil, fmt.Errorf("admin socket: %w", err)
		}
		s.socket = o.Socket
		s.write = server(changing, o.Logger)
	}
	return s, nil
}

func server(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// Addr returns the bound TCP address, or nil.
func (s *Server) Addr() net.Addr {
	if s == nil || s.readLn == nil {
		return nil
	}
	return s.readLn.Addr()
}

// Run serves until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	var group sync.WaitGroup
	errs := make(chan error, 2)
	serve := func(srv *http.Server, ln net.Listener) {
		if srv == nil {
			return
		}
		group.Go(func() {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				errs <- fmt.Errorf("admin API: %w", err)
			}
		})
	}
	serve(s.read, s.readLn)
	serve(s.write, s.writeLn)
	var err error
	select {
	case <-ctx.Done():
	case err = <-errs:
	}
	s.Close()
	group.Wait()
	return err
}

// Close closes address and socket; a second call does nothing.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		for _, srv := range []*http.Server{s.read, s.write} {
			if srv == nil {
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			if srv.Shutdown(ctx) != nil {
				_ = srv.Close()
			}
			cancel()
		}
		for _, ln := range []net.Listener{s.readLn, s.writeLn} {
			if ln != nil {
				_ = ln.Close()
			}
		}
		if s.socket != "" {
			_ = os.Remove(s.socket)
		}
	})
}

// listenPrivate makes a socket that was never open to others: it is made in a
// folder of its own and moved to its place with its final mode.
func listenPrivate(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s") // mode 0700
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	temporary := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", temporary)
	if err != nil {
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	if err = os.Chmod(temporary, 0o600); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// removeStale removes a socket that a killed process left.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket; remove it", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return fmt.Errorf("%s is served by another process", path)
	}
	return os.Remove(path)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the reader has gone; nobody is left to tell
}
