package filter

import (
	"errors"
	"slices"
	"strings"

	"gatehouse.example/sdk/filter/internal/host"
)

// Setup is what a filter may ask for while it is made.
//
// # Errors of policies
//
// [Setup.Limits], [Setup.Keys] and [Setup.Tokens] hand a policy to the gateway.
// Where it refuses a field, the error is one that a filter returns as it is:
// "config/", the path of the field and what it should be, as if the fields of
// the policy stood at the top of the filter's configuration by the names that
// the gateway has for them: "config/store: ...", "config/header: ...",
// "config/issuers/0/audience: ...". Windows usually stand there under another
// name, which is [LimitPolicy.Field]. What is wrong with no field begins with
// the kind of the policy: "key policy: not granted: key".
type Setup struct {
	host            host.Caller
	buffersResponse bool
}

func (s *Setup) refused(what string) error {
	buf := make([]byte, 1024)
	if n := s.host.LastError(buf); n > 0 && n <= len(buf) {
		why := string(buf[:n])
		if grant, ok := strings.CutPrefix(why, "not granted: "); ok {
			why += ": add filter.Needs(\"" + grant + "\") to the filter and grants: [" + grant + "] to its entry"
		}
		return errors.New(what + ": " + why)
	}
	return errors.New(what + ": refused")
}

// refusedPolicy is the gateway's explanation of the policy that it has refused,
// with the path in the filter's configuration where it names one of fields.
func (s *Setup) refusedPolicy(what string, fields ...string) error {
	err := s.refused(what)
	path := strings.TrimPrefix(err.Error(), what+": ")
	if end := strings.IndexAny(path, "/:"); end > 0 && slices.Contains(fields, path[:end]) {
		return errors.New("config/" + path)
	}
	return err
}

// BufferRequest keeps the request's body readable for the upstream after the
// filter has read it.
func (s *Setup) BufferRequest() { s.host.EnableFeatures(host.FeatureBufferRequest) }

// BufferResponse lets HandleResponse change status, header and body, for which
// the gateway keeps the response back until then.
func (s *Setup) BufferResponse() {
	s.buffersResponse = true
	s.host.EnableFeatures(host.FeatureBufferResponse)
}

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
