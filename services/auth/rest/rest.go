// Package rest owns what the auth service's REST endpoints (/v1/...) share:
// merge patches, If-Match, how secrets rotate, which page of a list is meant,
// and the one table from the domain's errors to problems.
//
// Bodies, answers and lists are internal/jsonhttp's. Who the caller is comes from
// internal/identity; what it may do is decided in each endpoint.
package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
)

// Write answers with v as JSON.
func Write(w http.ResponseWriter, r *http.Request, status int, v any) {
	if err := jsonhttp.Write(w, status, v); err != nil {
		problem.Write(w, r, err)
	}
}

// Fail answers with the problem for an error of the domain.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, auth.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "not_found", "there is no such thing, or it is not yours")
	}
	if errors.Is(err, auth.ErrConflict) {
		err = changedMeanwhile()
	}
	problem.Write(w, r, err)
}

// NotFound answers an authenticated caller on a path that does not exist.
func NotFound(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "nothing is here"))
}

// Page is which part of a list a request asks for.
type Page struct {
	// After is the id of the last item of the page before; "" for the first.
	After string
	// Limit is how many items to return.
	Limit int
}

// ReadPage reads the parameters limit and cursor. Parameters besides these and
// the others named are refused: a misspelt filter would show another list than
// the reader thinks.
func ReadPage(r *http.Request, others ...string) (Page, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Page{}, problem.New(http.StatusBadRequest, CodeParameter, "the query is not well-formed")
	}
	for name := range query {
		if name != "limit" && name != "cursor" && !slices.Contains(others, name) {
			return Page{}, BadParameter(strings.ToValidUTF8(name, "?"), "is not known here")
		}
	}
	limit, ok := jsonhttp.ParseLimit(query.Get("limit"))
	if !ok {
		return Page{}, BadParameter("limit", fmt.Sprintf("must be a number from 1 to %d", jsonhttp.MaxLimit))
	}
	after, ok := jsonhttp.ParseCursor(query.Get("cursor"))
	if !ok {
		return Page{}, BadParameter("cursor", "is not one that a list gave")
	}
	return Page{After: after, Limit: limit}, nil
}

// CodeParameter is the code of the problem of a parameter that does not fit.
const CodeParameter = "invalid_parameter"

// BadParameter returns the problem of a query parameter that does not fit.
func BadParameter(name, detail string) *problem.Problem {
	return problem.New(http.StatusBadRequest, CodeParameter, name+" "+detail).With(problem.Violation{In: "query", Name: name, Detail: detail})
}

// Lacks returns the problem of a caller that lacks a permission.
func Lacks(permission string) *problem.Problem {
	return problem.Newf(http.StatusForbidden, "forbidden", "this needs the permission %s", permission)
}
