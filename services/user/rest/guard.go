package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
)

const (
	jsonType       = "application/json"
	mergePatchType = "application/merge-patch+json"
	// maxBodyBytes is far above any user and far below what hurts.
	maxBodyBytes = 1 << 20
)

// guard lets only well-formed requests through to mux: known path and method,
// decodable query, and for a method with a body a JSON body of bounded size in
// UTF-8, which may be absent where bodiless names the operation's pattern. What
// it refuses is a problem, where net/http and huma would answer
// plain text or 500.
func guard(mux *http.ServeMux, bodiless map[string]bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		if pattern == "" {
			jsonhttp.NoRoute(w, r, mux)
			return
		}
		if err := checkQuery(r.URL.RawQuery); err != nil {
			problem.Write(w, r, err)
			return
		}
		switch r.Method {
		case http.MethodPost, http.MethodPut, http.MethodPatch:
			if bodiless[pattern] && r.ContentLength == 0 {
				break
			}
			if err := takeBody(w, r); err != nil {
				problem.Write(w, r, err)
				return
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(conditional(w, r), r)
	})
}

func checkQuery(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return problem.New(http.StatusBadRequest, codeParameter, "the query is not well-formed")
	}
	for name, list := range values {
		for _, v := range append(list, name) {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return badParameter("query", strings.ToValidUTF8(name, "?"), "is not UTF-8 text without U+0000")
			}
		}
	}
	return nil
}

// takeBody reads and checks the body and puts it back for huma.
func takeBody(w http.ResponseWriter, r *http.Request) error {
	if err := checkType(r); err != nil {
		return err
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return problem.Newf(http.StatusRequestEntityTooLarge, "too_large", "the body has more than %d bytes", maxBodyBytes)
	case err != nil:
		return problem.New(http.StatusBadRequest, "malformed", "the body ended early")
	case !utf8.Valid(data):
		return problem.New(http.StatusBadRequest, "malformed", "the body is not UTF-8")
	}
	if err := checkJSON(data); err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	r.ContentLength = int64(len(data))
	return nil
}

func checkType(r *http.Request) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	ok := err == nil && (charset == "" || strings.EqualFold(charset, "utf-8")) &&
		(media == jsonType || media == mergePatchType && r.Method == http.MethodPatch)
	if ok && r.Header.Get("Content-Encoding") == "" {
		return nil
	}
	want := jsonType
	if r.Method == http.MethodPatch {
		// RFC 5789 §2.2.
		want = mergePatchType + " or " + jsonType
	}
	return problem.Newf(http.StatusUnsupportedMediaType, "unsupported_media_type", "send %s in UTF-8 without Content-Encoding", want)
}

// checkJSON refuses what is not one JSON object, and U+0000, which PostgreSQL's text
// cannot hold.
func checkJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	for first := true; ; first = false {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && !first {
			break
		}
		if err != nil {
			return malformed(data, err)
		}
		if s, ok := token.(string); ok && strings.ContainsRune(s, 0) {
			return problem.New(http.StatusUnprocessableEntity, codeInvalid, "a string has the character U+0000")
		}
	}
	// The token stream lets some garbage and several values pass.
	var object json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return malformed(data, err)
	}
	if trimmed := bytes.TrimSpace(data); trimmed[0] != '{' {
		return problem.New(http.StatusUnprocessableEntity, codeInvalid, "the body must be a JSON object").
			With(problem.Violation{Pointer: "", Detail: "must be an object"})
	}
	return nil
}

func malformed(data []byte, err error) error {
	detail := "the body is not JSON"
	var syntax *json.SyntaxError
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		detail = "the body is empty"
	case errors.As(err, &syntax):
		detail = fmt.Sprintf("the body is not JSON: %s at byte %d", syntax.Error(), syntax.Offset)
	}
	return problem.New(http.StatusBadRequest, "malformed", detail)
}
