// Package postgres stores what the auth service owns in PostgreSQL: one small
// type for each thing, in a file of its name, which satisfies the interfaces of
// the packages that use it.
//
// Rules are left to services/auth; here is only what has to be atomic. The
// tables are those of migrations/auth.
package postgres

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun/dialect/pgdialect"

	"gatehouse.example/services/auth"
)

// notFound turns "no rows" into [auth.ErrNotFound] and wraps the rest.
func notFound(what string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%s: %w", what, auth.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// isUUID reports whether an id that came from outside can be one of ours, so
// that PostgreSQL is not asked to parse anything else.
func isUUID(id string) bool {
	_, err := uuid.Parse(id)
	return err == nil && len(id) == 36
}

// isText reports whether a text that came from outside can be stored at all.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// list keeps NOT NULL arrays from becoming NULL.
func list[S ~string](in []S) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

func isNotFound(err error) bool { return errors.Is(err, auth.ErrNotFound) }

// clock is the time as PostgreSQL keeps it.
func clock(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// clockOf is clock of a time that may be missing.
func clockOf(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := clock(*t)
	return &at
}

// array is a parameter of type text[] for bun; pgx takes list as it is.
func array[S ~string](in []S) any { return pgdialect.Array(list(in)) }
