package database

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes, PostgreSQL documentation appendix A.
const (
	codeUniqueViolation      = "23505"
	codeSerializationFailure = "40001"
	codeDeadlockDetected     = "40P01"
	codeLockNotAvailable     = "55P03"
	codeDuplicateObject      = "42710"
	codeInsufficient         = "42501"
)

// IsUnique reports whether err is the violation of the unique constraint or
// index of that name; "" means any.
func IsUnique(err error, constraint string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != codeUniqueViolation {
		return false
	}
	return constraint == "" || pg.ConstraintName == constraint
}

func isConflict(err error) bool {
	return hasCode(err, codeSerializationFailure, codeDeadlockDetected)
}

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, c := range codes {
		if pg.Code == c {
			return true
		}
	}
	return false
}
