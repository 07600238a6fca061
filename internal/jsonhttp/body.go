// Package jsonhttp owns JSON over net/http as the REST APIs of the services
// have it in common: strict bodies with a pointer to what is wrong, answers that
// nobody caches, pages of lists, and problems for paths that do not exist.
//
// Which error of a service is which problem is left to the service. The user
// service, whose API an OpenAPI document describes, has its bodies checked
// against that instead.
package jsonhttp

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse.example/internal/problem"
)

// The media types of bodies.
const (
	TypeJSON       = "application/json"
	TypeMergePatch = "application/merge-patch+json"
)

// MaxBodyBytes bounds a body.
const MaxBodyBytes = 64 << 10

// Read decodes a body of the type application/json into v, which names every
// member that there may be; null leaves v as it is.
//
// # Errors
//
// Those of [ReadObject], but for what is no object those of [Decode].
func Read(w http.ResponseWriter, r *http.Request, v any) error {
	value, err := read(w, r, TypeJSON)
	if err != nil {
		return err
	}
	return Decode(value, "", v)
}

// ReadObject returns the body: one JSON object without duplicate names and
// invalid UTF-8, in one of the media types.
//
// # Errors
//
// A problem: 415 for another content type, 413 for a body over [MaxBodyBytes],
// 400 for what is no JSON, 422 for JSON that is no object.
func ReadObject(w http.ResponseWriter, r *http.Request, media ...string) (jsontext.Value, error) {
	value, err := read(w, r, media...)
	if err == nil && value.Kind() != '{' {
		err = Invalid(problem.Violation{Detail: "must be an object"})
	}
	return value, err
}

func read(w http.ResponseWriter, r *http.Request, media ...string) (jsontext.Value, error) {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(media, got) {
		return nil, problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be "+strings.Join(media, " or "))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBodyBytes))
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return nil, problem.Newf(http.StatusRequestEntityTooLarge, "body_too_large", "the body must not be larger than %d bytes", MaxBodyBytes)
	}
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, "invalid_body", "the body could not be read")
	}
	var value jsontext.Value
	if err := json.Unmarshal(body, &value); err != nil {
		p := problem.New(http.StatusBadRequest, "invalid_json", "the body is not valid JSON")
		if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			p = p.With(problem.Violation{Pointer: string(syntactic.JSONPointer), Detail: "is not valid JSON"})
		}
		return nil, p
	}
	return value, nil
}

// Decode fills v, which names every member that there may be, from a part of a
// body that [ReadObject] returned; at is the part's JSON pointer, "" for the
// whole body.
//
// # Errors
//
// A 422 problem with a JSON pointer for each member that does not fit.
func Decode(part jsontext.Value, at string, v any) error {
	err := json.Unmarshal(part, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	// The decoder stops at the first: the members are tried one by one.
	var all []problem.Violation
	for name, value := range members(part) {
		single := append(append(append([]byte{'{'}, name...), ':'), append(value, '}')...)
		into := reflect.New(reflect.TypeOf(v).Elem())
		if err := json.Unmarshal(single, into.Interface(), json.RejectUnknownMembers(true)); err != nil && len(all) < maxViolations {
			all = append(all, violation(at, err))
		}
	}
	if len(all) == 0 {
		all = append(all, violation(at, err))
	}
	return Invalid(all...)
}

// maxViolations bounds the answer to a body that is wrong everywhere.
const maxViolations = 32

// members yields the members of an object as they are written; of anything else
// none.
func members(part jsontext.Value) iter.Seq2[jsontext.Value, jsontext.Value] {
	return func(yield func(name, value jsontext.Value) bool) {
		d := jsontext.NewDecoder(bytes.NewReader(part))
		if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
			return
		}
		for d.PeekKind() == '"' {
			name, err := d.ReadValue()
			if err != nil {
				return
			}
			name = name.Clone()
			value, err := d.ReadValue()
			if err != nil || !yield(name, value.Clone()) {
				return
			}
		}
	}
}

func violation(at string, err error) problem.Violation {
	v := problem.Violation{Pointer: at, Detail: "has the wrong type or form"}
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return v
	}
	v.Pointer += string(semantic.JSONPointer)
	switch {
	case errors.Is(semantic.Err, json.ErrUnknownName):
		v.Detail = "is not known here"
	case semantic.GoType != nil:
		v.Detail = "must be " + inWords(semantic.GoType)
	}
	return v
}

// inWords says what a member of a Go type is in JSON.
func inWords(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a time such as 2026-01-02T15:04:05Z"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "a whole number"
	case t.Kind() == reflect.Slice:
		return "an array"
	}
	return "an object"
}

// ReadOptional is [Read] for what needs no body: without one v stays as it is.
func ReadOptional(w http.ResponseWriter, r *http.Request, v any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return Read(w, r, v)
}

// Pointer is a JSON pointer (RFC 6901 §3) of names.
func Pointer(names ...string) string {
	var p strings.Builder
	for _, name := range names {
		p.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return p.String()
}

// Invalid returns the 422 problem that lists what is wrong with a body that is
// JSON.
func Invalid(v ...problem.Violation) *problem.Problem {
	return problem.New(http.StatusUnprocessableEntity, "invalid_request", "the request does not fit").With(v...)
}

// Write answers with v as JSON. An error says that v has no JSON, and that
// nothing was answered.
func Write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", TypeJSON)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // nobody is left to tell
	return nil
}
