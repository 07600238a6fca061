// Package embedded runs a NATS server in the process.
package embedded

import (
	"errors"
	"log/slog"
	"net"
)

type Options struct {
	Dir        string
	SyncAlways bool
	Listen     string
	Logger     *slog.Logger
}

type Server struct{}

func Start(o Options) (*Server, error)             { return nil, errors.New("not there yet") }
func (s *Server) URL() string                      { return "" }
func (s *Server) Stop()                            {}
func (s *Server) InProcessConn() (net.Conn, error) { return nil, nil }
