package endpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"gatehouse.example/internal/problem"
)

// maxBodyBytes bounds a request.
const maxBodyBytes = 64 << 10

// request is the parameters of a GraphQL request (GraphQL over HTTP §5.1).
type request struct {
	query, operationName string
	variables            map[string]any
}

// read returns the request and the media type to answer in, or a problem.
func read(w http.ResponseWriter, r *http.Request) (in request, media string, err error) {
	if r.Method != http.MethodPost {
		return in, "", problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "GraphQL is asked by POST")
	}
	if err := checkContentType(r.Header); err != nil {
		return in, "", err
	}
	if media = negotiate(r.Header.Values("Accept")); media == "" {
		return in, "", problem.Newf(http.StatusNotAcceptable, "not_acceptable", "the answer is %s, %s or %s", mediaGraphQL, mediaJSON, mediaEvents)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return in, "", problem.Newf(http.StatusRequestEntityTooLarge, "body_too_large", "the body is at most %d KiB", maxBodyBytes>>10)
		}
		return in, "", problem.New(http.StatusBadRequest, "body_unreadable", "the body did not arrive")
	}
	in, err = decode(body)
	return in, media, err
}

func checkContentType(h http.Header) error {
	media, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") || h.Get("Content-Encoding") != "" {
		return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body is application/json in UTF-8")
	}
	return nil
}

// decode reads the parameters. Members that GraphQL does not know are refused:
// their sender expects them to do something.
func decode(body []byte) (in request, err error) {
	if !utf8.Valid(body) {
		return in, invalid("", "is not UTF-8")
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		return in, invalid("", "must be one request; lists of them are not answered")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return in, invalid("", "must be a JSON object")
	}
	for name, value := range members {
		switch name {
		case "query":
			err = member(value, name, "a string", &in.query)
		case "operationName":
			err = member(value, name, "a string", &in.operationName)
		case "variables":
			err = member(value, name, "an object", &in.variables)
		case "extensions":
			err = member(value, name, "an object", &map[string]any{})
		default:
			err = invalid("/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), "is unknown; there are query, operationName, variables and extensions")
		}
		if err != nil {
			return in, err
		}
	}
	if strings.TrimSpace(in.query) == "" {
		return in, invalid("/query", "is required")
	}
	return in, nil
}

func member(value json.RawMessage, name, kind string, into any) error {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return invalid("/"+name, "must be "+kind)
	}
	return nil
}

func invalid(pointer, detail string) error {
	return problem.New(http.StatusBadRequest, "invalid_request", "the body is no GraphQL request").
		With(problem.Violation{Pointer: pointer, Detail: detail})
}
