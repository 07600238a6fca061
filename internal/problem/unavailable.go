package problem

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/http"
)

// Unavailable reports whether err means that something this process needs, such
// as its database, cannot be reached at the moment: the same request may
// succeed in a while and deserves a 503 rather than a 500.
func Unavailable(err error) bool {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Status == http.StatusServiceUnavailable
	}
	// What database drivers say, without knowing them: connection exceptions,
	// exhausted resources and a server that shuts down or starts (PostgreSQL
	// documentation, appendix A, classes 08, 53 and 57P).
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		s := state.SQLState()
		return len(s) == 5 && (s[:2] == "08" || s[:2] == "53" || s[:3] == "57P")
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
