package filter

import (
	"errors"

	"gatehouse.example/sdk/filter/internal/host"
)

// Setup is what a filter may ask for while it is made.
type Setup struct {
	host host.Host
}

func (s *Setup) refused(what string) error {
	buf := make([]byte, 1024)
	if n := s.host.LastError(buf); n > 0 && n <= len(buf) {
		return errors.New(what + ": " + string(buf[:n]))
	}
	return errors.New(what + ": refused")
}

// BufferRequest keeps the request's body readable for the upstream after the
// filter has read it.
func (s *Setup) BufferRequest() { s.host.EnableFeatures(host.FeatureBufferRequest) }

// BufferResponse lets HandleResponse change status, header and body.
func (s *Setup) BufferResponse() { s.host.EnableFeatures(host.FeatureBufferResponse) }

// Level is the level of a log line.
type Level int32

// The levels, as the http-wasm handler ABI numbers them.
const (
	Debug Level = -1
	Info  Level = 0
	Warn  Level = 1
	Error Level = 2
)

// Log writes a line to the gateway's log. The gateway limits lines per second.
// Never log credentials.
func (s *Setup) Log(level Level, msg string) {
	if s.host.LogEnabled(int32(level)) {
		s.host.Log(int32(level), msg)
	}
}
