package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse.example/internal/problem"
)

const maxBodyBytes = 64 << 10

// read returns the body: one JSON object without duplicate names and invalid
// UTF-8, in one of the media types.
//
// # Errors
//
// A problem: 415 for another content type, 413 for a body over 64 KiB, 400 for
// what is no JSON, 422 for JSON that is no object.
func read(w http.ResponseWriter, r *http.Request, media ...string) (jsontext.Value, error) {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(media, got) {
		return nil, problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be "+strings.Join(media, " or "))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return nil, problem.Newf(http.StatusRequestEntityTooLarge, "body_too_large", "the body must not be larger than %d bytes", maxBodyBytes)
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
	if value.Kind() != '{' {
		return nil, invalid(problem.Violation{Detail: "must be an object"})
	}
	return value, nil
}

// decode fills v, which names all members that there may be, of a body. at is
// the JSON pointer of value.
func decode(value jsontext.Value, at string, v any) error {
	err := json.Unmarshal(value, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	violation := problem.Violation{Pointer: at, Detail: "has the wrong type or form"}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		violation.Pointer += string(semantic.JSONPointer)
		switch {
		case errors.Is(semantic.Err, json.ErrUnknownName):
			violation.Detail = "is not known here"
		case semantic.JSONKind != 0 && semantic.GoType != nil:
			violation.Detail = "has the wrong type: " + semantic.JSONKind.String()
		}
	}
	return invalid(violation)
}

func invalid(v ...problem.Violation) *problem.Problem {
	return problem.New(http.StatusUnprocessableEntity, "invalid_request", "the request does not fit").With(v...)
}

// pointer is a JSON pointer (RFC 6901 §3) of names.
func pointer(names ...string) string {
	var p strings.Builder
	for _, name := range names {
		p.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return p.String()
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // nobody is left to tell
	return nil
}
