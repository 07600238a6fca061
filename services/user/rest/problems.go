package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse.example/internal/problem"
	"gatehouse.example/services/user"
)

// The codes of this API's problems.
const (
	codeNotFound     = "user_not_found"
	codeEmailTaken   = "email_taken"
	codeNameTaken    = "username_taken"
	codeInvalid      = "invalid"
	codeForbidden    = "forbidden"
	codeTransition   = "illegal_transition"
	codePrecondition = "precondition_failed"
	codeKeyReused    = "idempotency_key_reused"
	codeParameter    = "invalid_parameter"
	codeAddressFlow  = "email_flow"
	codeUnset        = "preferences_not_found"
	codeTooMany      = "too_many_namespaces"
	codeNotAUser     = "not_a_user"
	codeNotDeleted   = "not_deleted"
)

// problemOf is the one table of this API: which error becomes which problem.
func problemOf(err error) *problem.Problem {
	var invalid *user.Invalid
	var transition *user.IllegalTransition
	var p *problem.Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &invalid):
		p = problem.New(http.StatusUnprocessableEntity, codeInvalid, "some values are not acceptable")
		for _, v := range invalid.Violations {
			p = p.With(problem.Violation{Pointer: v.Pointer, Detail: v.Detail})
		}
		return p
	case errors.As(err, &transition):
		return problem.New(http.StatusConflict, codeTransition, transition.Error()).
			With(problem.Violation{Pointer: "/status", Detail: transition.Error()})
	case errors.Is(err, user.ErrNotFound):
		return problem.New(http.StatusNotFound, codeNotFound, "there is no such user")
	case errors.Is(err, user.ErrNotDeleted):
		return problem.New(http.StatusConflict, codeNotDeleted, user.ErrNotDeleted.Error())
	case errors.Is(err, user.ErrEmailTaken):
		return problem.New(http.StatusConflict, codeEmailTaken, "another user has this e-mail address").
			With(problem.Violation{Pointer: "/email", Detail: "is taken"})
	case errors.Is(err, user.ErrUsernameTaken):
		return problem.New(http.StatusConflict, codeNameTaken, "another user has this username").
			With(problem.Violation{Pointer: "/username", Detail: "is taken"})
	case errors.Is(err, user.ErrPreferenceNotFound):
		return problem.New(http.StatusNotFound, codeUnset, "there are no preferences in this namespace")
	case errors.Is(err, user.ErrTooManyNamespaces):
		return problem.Newf(http.StatusConflict, codeTooMany, "a user has preferences in at most %d namespaces", user.MaxNamespaces)
	case errors.Is(err, user.ErrKeyReused):
		return problem.New(http.StatusUnprocessableEntity, codeKeyReused, "this Idempotency-Key came with another request before")
	}
	return roleProblem(err)
}

// failure is a problem as huma writes it.
type failure struct{ *problem.Problem }

var (
	_ huma.StatusError       = failure{}
	_ huma.ContentTypeFilter = failure{}
)

// GetStatus implements [huma.StatusError].
func (f failure) GetStatus() int { return f.Status }

// ContentType implements [huma.ContentTypeFilter].
func (f failure) ContentType(string) string { return problem.ContentType }

// failure turns any error into an answer. An unexpected one is logged and its
// text stays inside.
func (a *api) failure(ctx context.Context, err error) error {
	if p := problemOf(err); p != nil {
		return failure{p}
	}
	if ctx.Err() != nil {
		return failure{problem.New(http.StatusServiceUnavailable, "canceled", "the request was given up")}
	}
	a.logger.ErrorContext(ctx, "request failed", "error", err)
	if problem.Unavailable(err) {
		return failure{problem.New(http.StatusServiceUnavailable, "unavailable", "try again in a moment")}
	}
	return failure{problem.New(http.StatusInternalServerError, "", "")}
}

// problems turns huma's own errors (parameters against the schema) into our
// shape: 400 for a query parameter or header. A transformer, because huma's alternative is to replace a
// global function.
func problems(ctx huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	if e.Status >= http.StatusInternalServerError {
		return problem.New(e.Status, "", ""), nil
	}
	p := problem.New(e.Status, codeInvalid, e.Detail)
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		v := violation(d)
		if v.In == "query" || v.In == "header" {
			p.Status, p.Title, p.Code = http.StatusBadRequest, http.StatusText(http.StatusBadRequest), codeParameter
		}
		p = p.With(v)
	}
	if c, ok := ctx.(*statusContext); ok {
		c.status = p.Status
	}
	return p, nil
}

// humaContext embeds under a name that is not its method Context.
type humaContext = huma.Context

// statusContext answers with the status that [problems] found: huma has 422 for
// parameters too, and asks its transformers about the body alone.
type statusContext struct {
	humaContext
	// status is 0 unless a problem decides.
	status int
}

// SetStatus implements [huma.Context].
func (c *statusContext) SetStatus(status int) {
	if c.status != 0 {
		status = c.status
	}
	c.humaContext.SetStatus(status)
}

// badParameter is the problem of a query parameter or header.
func badParameter(in, name, detail string) *problem.Problem {
	return problem.Newf(http.StatusBadRequest, codeParameter, "%s: %s", name, detail).
		With(problem.Violation{In: in, Name: name, Detail: detail})
}

// violation turns huma's dotted location into a JSON pointer for the body, and
// into a parameter's place and name for the rest, which no pointer can name.
func violation(d *huma.ErrorDetail) problem.Violation {
	place, rest, _ := strings.Cut(d.Location, ".")
	switch place {
	case "query", "path", "header", "cookie":
		return problem.Violation{In: place, Name: rest, Detail: d.Message}
	case "body":
		// What is missing is named by its own pointer, as what is wrong would be.
		if name, ok := strings.CutSuffix(strings.TrimPrefix(d.Message, "expected required property "), " to be present"); ok && name != d.Message {
			return problem.Violation{Pointer: pointer(rest) + "/" + escapes.Replace(name), Detail: "is required"}
		}
		return problem.Violation{Pointer: pointer(rest), Detail: d.Message}
	}
	return problem.Violation{Pointer: pointer(d.Location), Detail: d.Message}
}

var (
	dots    = strings.NewReplacer("[", ".", "]", "")
	escapes = strings.NewReplacer("~", "~0", "/", "~1")
)

// pointer turns "profile.address" and "roles[0]" into a JSON pointer
// (RFC 6901 §3).
func pointer(location string) string {
	if location == "" {
		return ""
	}
	parts := strings.Split(dots.Replace(location), ".")
	for i, p := range parts {
		parts[i] = escapes.Replace(p)
	}
	return "/" + strings.Join(parts, "/")
}
