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
	// A weak validator (W/"…") never matches: the comparison is strong.
	if ifMatch == "" || matches(ifMatch, etag(u)) {
		return nil
	}
	return problem.New(http.StatusPreconditionFailed, codePrecondition, "the user was changed since it was read; read it again")
}

// matches reports whether a list of entity tags, or *, includes tag; nothing
// includes "", which is no representation.
func matches(list, tag string) bool {
	if tag == "" {
		return false
	}
	if strings.TrimSpace(list) == "*" {
		return true
	}
	for candidate := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(candidate) == tag {
			return true
		}
	}
	return false
}

// unlessMatched turns the answer to a GET or HEAD whose ETag the client has
// already (If-None-Match, RFC 9110 §13.1.2) into 304 without a body.
type unlessMatched struct {
	http.ResponseWriter
	list    string
	matched bool
}

// conditional returns w, or around it what answers 304 for the request.
func conditional(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	list := strings.Join(r.Header.Values("If-None-Match"), ",")
	if list == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return w
	}
	// The comparison is weak: only the opaque part counts.
	return &unlessMatched{ResponseWriter: w, list: strings.ReplaceAll(list, `W/"`, `"`)}
}

// WriteHeader implements [http.ResponseWriter].
func (w *unlessMatched) WriteHeader(status int) {
	if status == http.StatusOK && matches(w.list, w.Header().Get("ETag")) {
		w.matched = true
		w.Header().Del("Content-Type")
		status = http.StatusNotModified
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *unlessMatched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write implements [http.ResponseWriter].
func (w *unlessMatched) Write(data []byte) (int, error) {
	if w.matched {
		return len(data), nil
	}
	return w.ResponseWriter.Write(data)
}
