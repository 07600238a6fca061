package stack

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/telemetry"
)

// listen opens a TCP listener; setting names the flag or key to change.
func listen(address, setting string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another process: stop it or change %s", address, setting)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", address, setting, err)
	}
	return l, nil
}

// service is what serves requests of one service.
type service interface {
	Handler() http.Handler
	Run(ctx context.Context) error
	Ready(ctx context.Context) error
}

// longLived is a service some of whose answers go on as long as somebody
// listens.
type longLived interface {
	LongLived(r *http.Request) bool
}

// drainer is a service that can end such answers and begin no more. A server
// that shuts down waits for answers.
type drainer interface {
	Drain()
}

// draining is a service with such answers, which Drain ends: a server that
// stops waits for all of them.
type draining interface{ Drain() }

// serve runs svc's handler on l with mutual TLS, together with /healthz and
// /readyz, and svc's background work.
func (l *lifecycle) serve(name string, svc service, ln net.Listener, bundle *mtls.Bundle, t *telemetry.Telemetry) {
	l.keep(name, svc.Run)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeStatus(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := svc.Ready(r.Context()); err != nil {
			t.Logger.WarnContext(r.Context(), "not ready", "error", err)
			writeStatus(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		writeStatus(w, http.StatusOK, "ready")
	})
	mux.Handle("/", telemetry.Middleware(name, t)(limited(svc, svc.Handler())))
	server := &http.Server{
		Handler:           mux,
		TLSConfig:         bundle.ServerTLS(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(t.Logger.Handler(), slog.LevelDebug),
	}
	if svc, ok := svc.(drainer); ok {
		server.RegisterOnShutdown(svc.Drain)
	}
	if d, ok := svc.(draining); ok {
		server.RegisterOnShutdown(d.Drain)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(tls.NewListener(ln, server.TLSConfig)); !errors.Is(err, http.ErrServerClosed) {
			l.fail(fmt.Errorf("%s: serve %s: %w", name, ln.Addr(), err))
		}
	}()
	l.onStop(name+" server", func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		<-done
		return err
	})
}

// requestTimeout ends the work for a request whose database or neighbour does
// not answer; the caller gets a 503.
const requestTimeout = 10 * time.Second

func limited(svc service, next http.Handler) http.Handler {
	spare := func(*http.Request) bool { return false }
	if l, ok := svc.(longLived); ok {
		spare = l.LongLived
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if spare(r) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func writeStatus(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": text})
}
