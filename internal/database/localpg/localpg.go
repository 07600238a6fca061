// Package localpg supervises a local PostgreSQL.
package localpg

import (
	"context"
	"errors"
	"log/slog"
)

// Options says where the server lives.
type Options struct {
	Dir    string
	Logger *slog.Logger
	Fsync  bool
}

// Server is a running PostgreSQL.
type Server struct{}

func Start(ctx context.Context, o Options) (*Server, error)                    { return nil, errors.New("not there yet") }
func (s *Server) URL(user, db string) string                                   { return "" }
func (s *Server) AdminURL() string                                             { return "" }
func (s *Server) Stop(ctx context.Context) error                               { return nil }
func (s *Server) EnsureLogin(ctx context.Context, role, password string) error { return nil }
