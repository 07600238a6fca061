package database

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// unreachable turns what the driver says of a failed connection, a paragraph
// with a line for each attempt, into one line without the password: who could
// not connect where, and why.
func unreachable(cfg *pgx.ConnConfig, err error) error {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return err
	}
	cause := ""
	for line := range strings.SplitSeq(failed.Error(), "\n") {
		cause = strings.TrimSpace(line) // the last attempt's
	}
	if _, after, ok := strings.Cut(cause, "): "); ok {
		cause = after
	}
	return &connectError{
		text:  fmt.Sprintf("PostgreSQL at %s:%d as %q, database %q: %s", cfg.Host, cfg.Port, cfg.User, cfg.Database, cause),
		cause: err,
	}
}

type connectError struct {
	text  string
	cause error
}

func (e *connectError) Error() string { return e.text }
func (e *connectError) Unwrap() error { return e.cause }
