// Package validate owns what a route demands of a request's body before an
// upstream is touched: its size, its media type, and a JSON Schema.
//
// It leaves to exchange which heads are well formed, and to gateway/app who
// may pass and how a problem becomes an answer.
package validate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/internal/problem"
)

// Body checks the bodies of one route. It is immutable and safe for concurrent
// use.
type Body struct {
	maxBytes     int64
	contentTypes []string
	schema       *jsonschema.Schema
}

// New compiles a route's demands; a schema is read from its file. References
// in it lead to files of the same folder only.
func New(c config.Body) (*Body, error) {
	b := &Body{maxBytes: c.MaxBytes, contentTypes: c.ContentTypes}
	if c.Schema == "" {
		return b, nil
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.UseLoader(jsonschema.SchemeURLLoader{"file": jsonschema.FileLoader{}})
	schema, err := compiler.Compile(c.Schema)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	b.schema = schema
	return b, nil
}

// Check returns what is wrong with the request's body, or nil. Where there is
// a schema the body is read into memory; else a body of unknown length is
// bounded while it streams, by [exchange.ErrBodyTooLarge].
func (b *Body) Check(ex *exchange.Exchange) *problem.Problem {
	body := &ex.Request.Body
	if body.Empty() {
		if b.schema != nil {
			return problem.New(http.StatusBadRequest, "body_required", "the request has no body")
		}
		return nil
	}
	if body.Stream == nil {
		body.Length = int64(len(body.Bytes))
	}
	if body.Length > b.maxBytes {
		return b.tooLarge()
	}
	if p := b.checkContentType(&ex.Request); p != nil {
		return p
	}
	if body.Stream != nil && body.Length < 0 {
		body.Stream = &bounded{ReadCloser: body.Stream, left: b.maxBytes}
	}
	if b.schema == nil {
		return nil
	}
	return b.checkSchema(body)
}

func (b *Body) tooLarge() *problem.Problem {
	return problem.Newf(http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than %d bytes", b.maxBytes)
}

func (b *Body) checkContentType(r *exchange.Request) *problem.Problem {
	if len(b.contentTypes) == 0 {
		return nil
	}
	// A second Content-Type could be the one that the upstream believes.
	values := r.Header.Values(nil, "Content-Type")
	if len(values) == 1 {
		if mediaType, _, err := mime.ParseMediaType(values[0]); err == nil && slices.Contains(b.contentTypes, mediaType) {
			return nil
		}
	}
	return problem.Newf(http.StatusUnsupportedMediaType, "unsupported_media_type",
		"want Content-Type %s", strings.Join(b.contentTypes, " or "))
}

func (b *Body) checkSchema(body *exchange.Body) *problem.Problem {
	data := body.Bytes
	if body.Stream != nil {
		var err error
		data, err = io.ReadAll(body.Stream)
		if errors.Is(err, exchange.ErrBodyTooLarge) {
			return b.tooLarge()
		}
		if err != nil {
			return problem.New(http.StatusBadRequest, "body_incomplete", "the body could not be read to its end")
		}
		body.SetBytes(data)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return problem.New(http.StatusBadRequest, "malformed_json", "the body is not one JSON value")
	}
	err = b.schema.Validate(value)
	if err == nil {
		return nil
	}
	p := problem.New(http.StatusUnprocessableEntity, "validation_failed", "the body does not match the schema")
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return p.With(violations(nil, invalid)...)
	}
	return p
}

// maxViolations bounds the answer to a body that is wrong everywhere.
const maxViolations = 32

func violations(found []problem.Violation, e *jsonschema.ValidationError) []problem.Violation {
	for _, cause := range e.Causes {
		found = violations(found, cause)
	}
	if len(e.Causes) > 0 || len(found) >= maxViolations {
		return found
	}
	at := ""
	for _, part := range e.InstanceLocation {
		at += pointerPart(part)
	}
	// A member that is missing is named by its own pointer, as one that is
	// wrong would be.
	if required, ok := e.ErrorKind.(*kind.Required); ok {
		for _, name := range required.Missing {
			found = append(found, problem.Violation{Pointer: at + pointerPart(name), Detail: "is required"})
		}
		return found
	}
	detail := e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	return append(found, problem.Violation{Pointer: at, Detail: detail})
}

// pointerPart is one reference token with its slash (RFC 6901 §3).
func pointerPart(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// bounded is a body of unknown length that may not grow past a limit.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, exchange.ErrBodyTooLarge
	}
	// One byte more than is left tells a body that is as large as allowed from
	// one that is larger.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, exchange.ErrBodyTooLarge
	}
	return n, err
}
