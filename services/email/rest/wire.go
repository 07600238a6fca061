package rest

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse.example/internal/problem"
)

const (
	maxBodyBytes = 64 << 10
	defaultLimit = 50
	maxLimit     = 200
)

// read decodes a JSON body into v. Unknown members, wrong types, duplicate
// names and invalid UTF-8 are refused.
func read(w http.ResponseWriter, r *http.Request, v any) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return problem.Newf(http.StatusRequestEntityTooLarge, "body_too_large", "the body must not be larger than %d bytes", maxBodyBytes)
	}
	if err != nil {
		return problem.New(http.StatusBadRequest, "invalid_body", "the body could not be read")
	}
	err = json.Unmarshal(body, v, json.RejectUnknownMembers(true))
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		detail := "has the wrong type or form"
		if errors.Is(semantic.Err, json.ErrUnknownName) {
			detail = "is not known here"
		}
		return unfit(problem.Violation{Pointer: string(semantic.JSONPointer), Detail: detail})
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

func answer(w http.ResponseWriter, status int, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // nobody is left to tell
	return nil
}

// list is a page of items.
type list[T any] struct {
	Items []T `json:"items"`
	// NextCursor is nil at the end.
	NextCursor *string `json:"next_cursor"`
}

// newList returns the page of found, of which there is one more than limit if
// there is a next page. key is where that begins.
func newList[F, T any](found []F, limit int, wire func(F) T, key func(F) string) list[T] {
	l := list[T]{Items: make([]T, 0, len(found))}
	for i, f := range found {
		if i == limit {
			cursor := base64.RawURLEncoding.EncodeToString([]byte(key(found[i-1])))
			l.NextCursor = &cursor
			break
		}
		l.Items = append(l.Items, wire(f))
	}
	return l
}

// readPage reads limit and cursor.
func readPage(values url.Values) (limit int, after string, err error) {
	limit = defaultLimit
	if text := values.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLimit {
			return 0, "", invalid("limit", "want a number from 1 to "+strconv.Itoa(maxLimit))
		}
	}
	if text := values.Get("cursor"); text != "" {
		key, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || !isText(string(key)) {
			return 0, "", invalid("cursor", "want the next_cursor of a page")
		}
		after = string(key)
	}
	return limit, after, nil
}

// isText reports whether text can be stored: valid UTF-8 without controls.
func isText(text string) bool {
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return utf8.ValidString(text)
}
