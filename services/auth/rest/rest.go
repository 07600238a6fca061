// Package rest owns what the auth service's REST endpoints (/v1/...) share:
// strict JSON bodies with a pointer to what is wrong, pages of lists, and the
// one table from the domain's errors to problems.
//
// Who the caller is comes from internal/identity; what it may do is decided in
// each endpoint.
package rest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
)

const (
	maxBodyBytes = 64 << 10
	jsonType     = "application/json"
)

// Read decodes a JSON body into v. Unknown members, wrong types, duplicate
// names and invalid UTF-8 are refused.
//
// # Errors
//
// A problem: 415 for another content type, 413 for a body over 64 KiB, 400 for
// what is no JSON, 422 with a JSON pointer for what does not fit.
func Read(w http.ResponseWriter, r *http.Request, v any) error { return read(w, r, v, jsonType) }

func read(w http.ResponseWriter, r *http.Request, v any, types ...string) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(types, media) {
		return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be "+strings.Join(types, " or "))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return problem.Newf(http.StatusRequestEntityTooLarge, "body_too_large", "the body must not be larger than %d bytes", maxBodyBytes)
	}
	if err != nil {
		return problem.New(http.StatusBadRequest, "invalid_body", "the body could not be read")
	}
	return decode(body, v)
}

func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v, json.RejectUnknownMembers(true))
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return Invalid(problem.Violation{Pointer: string(semantic.JSONPointer), Detail: why(semantic)})
	}
	if err != nil {
		p := problem.New(http.StatusBadRequest, "invalid_json", "the body is not valid JSON")
		if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			p = p.With(problem.Violation{Pointer: string(syntactic.JSONPointer), Detail: "is not valid JSON"})
		}
		return p
	}
	return nil
}

func why(e *json.SemanticError) string {
	if errors.Is(e.Err, json.ErrUnknownName) {
		return "is not known here"
	}
	if e.JSONKind != 0 && e.GoType != nil {
		return "has the wrong type: " + e.JSONKind.String()
	}
	return "has the wrong type or form"
}

// Invalid returns the 422 problem that lists the violations.
func Invalid(v ...problem.Violation) *problem.Problem {
	return problem.New(http.StatusUnprocessableEntity, "invalid_request", "the request does not fit").With(v...)
}

// Write answers with v as JSON.
func Write(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // nobody is left to tell
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

const (
	defaultLimit = 50
	maxLimit     = 200
)

// ReadPage reads the parameters limit and cursor.
func ReadPage(r *http.Request) (Page, error) {
	p := Page{Limit: defaultLimit}
	query := r.URL.Query()
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return p, problem.Newf(http.StatusBadRequest, "invalid_limit", "limit must be a number from 1 to %d", maxLimit)
		}
		p.Limit = n
	}
	if text := query.Get("cursor"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || !utf8.Valid(raw) || len(raw) == 0 || bytes.IndexByte(raw, 0) >= 0 {
			return p, problem.New(http.StatusBadRequest, "invalid_cursor", "cursor is not one that a list gave")
		}
		p.After = string(raw)
	}
	return p, nil
}

// List is a page of items as it is answered.
type List[T any] struct {
	Items []T `json:"items"`
	// NextCursor is nil at the end.
	NextCursor *string `json:"next_cursor"`
}

// NewList returns the page of items, of which the caller asked the store for
// one more than p.Limit to see whether there is another page.
func NewList[T any](items []T, p Page, id func(T) string) List[T] {
	l := List[T]{Items: items}
	if len(items) > p.Limit {
		l.Items = items[:p.Limit]
		next := base64.RawURLEncoding.EncodeToString([]byte(id(l.Items[p.Limit-1])))
		l.NextCursor = &next
	}
	if l.Items == nil {
		l.Items = []T{}
	}
	return l
}
