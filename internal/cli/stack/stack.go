package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"gatehouse.example/internal/config"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/internal/telemetry"
)

// The parts that a process can run.
const (
	PartGateway = "gateway"
	PartAuth    = "auth"
	PartUser    = "user"
	PartEmail   = "email"
	PartGraph   = "graph"
)

// Options says what a process runs.
type Options struct {
	// Config is the effective configuration.
	Config *config.Config
	// Version is the program's.
	Version string
	// Logs takes the log.
	Logs io.Writer
	// IssuerGiven says that somebody chose Config.Issuer; otherwise "dev"
	// follows the gateway's port.
	IssuerGiven bool
}

// Stack is a running process. Its methods belong to one goroutine.
type Stack struct {
	infrastructure
	addresses Addresses
	bootstrap Bootstrap
	services  map[string]net.Listener
	apps      []named
}

type named struct {
	name  string
	ready func(ctx context.Context) error
}

// Addresses is where a process listens; "" where it does not.
type Addresses struct {
	PID   int    `json:"pid"`
	HTTP  string `json:"http,omitempty"`
	HTTPS string `json:"https,omitempty"`
	Admin string `json:"admin,omitempty"`
	Auth  string `json:"auth,omitempty"`
	User  string `json:"user,omitempty"`
	Email string `json:"email,omitempty"`
	Graph string `json:"graph,omitempty"`
}

// Addresses returns where the process listens.
func (s *Stack) Addresses() Addresses { return s.addresses }

// Logger returns the process's log.
func (s *Stack) Logger() *slog.Logger { return s.logger }

func newStack(ctx context.Context, o Options, name string) (*Stack, error) {
	cfg := o.Config
	logs, err := telemetry.Setup(ctx, telemetry.Options{
		Service: name, Version: o.Version, Level: cfg.Log.Level, Format: cfg.Log.Format, Output: o.Logs,
		OTLPEndpoint: cfg.Telemetry.OTLPEndpoint, SampleRatio: cfg.Telemetry.SampleRatio,
	})
	if err != nil {
		return nil, err
	}
	slog.SetDefault(logs.Logger)
	s := &Stack{services: map[string]net.Listener{}}
	s.infrastructure = infrastructure{
		lifecycle: newLifecycle(logs.Logger), cfg: cfg, version: o.Version, logs: logs, output: o.Logs,
		databases: map[string]string{},
	}
	s.onStop("telemetry", logs.Shutdown)
	return s, nil
}

// Alone starts one part from the same configuration that "dev" uses, on
// existing PostgreSQL and NATS servers and with issued certificates. On an
// error nothing is left running.
func Alone(ctx context.Context, o Options, part string) (_ *Stack, err error) {
	s, err := newStack(ctx, o, part)
	if err != nil {
		return nil, err
	}
	defer s.stopOnError(&err)
	if part == PartGateway {
		if err := s.startGateway(ctx, nil); err != nil {
			return nil, err
		}
		return s, nil
	}
	if err := s.bind(part); err != nil {
		return nil, err
	}
	if part == PartGraph {
		return s, s.startGraph(ctx)
	}
	if err := s.checkMigrated(ctx, part); err != nil {
		return nil, err
	}
	return s, s.startService(ctx, part)
}

func (s *Stack) stopOnError(err *error) {
	if *err != nil {
		*err = errors.Join(*err, s.stop())
	}
}

// section is a service's part of the configuration.
func (s *Stack) section(part string) config.Service {
	switch part {
	case PartAuth:
		return s.cfg.Auth.Service
	case PartUser:
		return s.cfg.User.Service
	case PartGraph:
		return config.Service{Listen: s.cfg.Graph.Listen, Address: s.cfg.Graph.Address}
	default:
		return s.cfg.Email.Service
	}
}

// bind opens the listeners of services before anything slow starts, so that a
// port in use is said at once.
func (s *Stack) bind(parts ...string) error {
	for _, part := range parts {
		ln, err := listen(s.section(part).Listen, part+".listen")
		if err != nil {
			return err
		}
		s.services[part] = ln
		s.onStop(part+" listener", func(context.Context) error { _ = ln.Close(); return nil })
		address := ln.Addr().String()
		switch part {
		case PartAuth:
			s.addresses.Auth = address
		case PartUser:
			s.addresses.User = address
		case PartEmail:
			s.addresses.Email = address
		case PartGraph:
			s.addresses.Graph = address
		}
	}
	return nil
}

// reach returns the address of a service: its listener in this process, or
// what the configuration says.
func (s *Stack) reach(part string) (string, bool) {
	if !slices.Contains([]string{PartAuth, PartUser, PartEmail, PartGraph}, part) {
		return "", false
	}
	if ln, ok := s.services[part]; ok {
		return ln.Addr().String(), true
	}
	address := s.section(part).Reach()
	return address, address != ""
}

// ready reports which part is not ready, if any.
func (s *Stack) ready(ctx context.Context) error {
	for _, a := range s.apps {
		if err := a.ready(ctx); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// AwaitReady returns when every part of the process is ready.
func (s *Stack) AwaitReady(ctx context.Context) error {
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case failed := <-s.failed:
			return failed
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Wait returns nil when ctx is done, or the error of a part that can't go on.
func (s *Stack) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// Stop stops every part, the last started first.
func (s *Stack) Stop() error { return s.stop() }

// identityOf is a service's bundle, with its telemetry.
func (s *Stack) identityOf(ctx context.Context, part string) (*mtls.Bundle, *telemetry.Telemetry, error) {
	b, err := s.bundle(part)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.part(ctx, part)
	return b, t, err
}

// base is the URL of a service's listener.
func base(address string) string {
	if strings.HasPrefix(address, ":") {
		address = "localhost" + address
	}
	return "https://" + address
}
