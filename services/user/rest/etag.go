package rest

import (
	"net/http"
	"strconv"
	"strings"

	"gatehouse.example/internal/problem"
	"gatehouse.example/services/user"
)

// etag is the strong validator of the user and of everything below it: one
// version counts all changes.
func etag(u user.User) string { return `"` + strconv.FormatInt(u.Version, 10) + `"` }

// precondition evaluates If-Match (RFC 9110 §13.1.1). It is called on the
// locked user, so that of two writers with one ETag the second is refused.
func precondition(ifMatch string, u user.User) error {
	if ifMatch == "" || strings.TrimSpace(ifMatch) == "*" {
		return nil
	}
	for candidate := range strings.SplitSeq(ifMatch, ",") {
		// A weak validator (W/"…") never matches: the comparison is strong.
		if strings.TrimSpace(candidate) == etag(u) {
			return nil
		}
	}
	return problem.New(http.StatusPreconditionFailed, codePrecondition, "the user was changed since it was read; read it again")
}
