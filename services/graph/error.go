package graph

import (
	"context"
	"errors"
	"net/http"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/problem"
)

// Code is what "extensions.code" of an error says.
type Code string

// The codes of errors of a field.
const (
	CodeUnavailable     Code = "SERVICE_UNAVAILABLE"
	CodeForbidden       Code = "FORBIDDEN"
	CodeUnauthenticated Code = "UNAUTHENTICATED"
	CodeNotFound        Code = "NOT_FOUND"
	CodeBadInput        Code = "BAD_USER_INPUT"
	CodeRateLimited     Code = "RATE_LIMITED"
	CodeTimeout         Code = "TIMEOUT"
	CodeInternal        Code = "INTERNAL"
)

// The codes of errors that refuse a whole request.
const (
	CodeParseFailed      Code = "GRAPHQL_PARSE_FAILED"
	CodeValidationFailed Code = "GRAPHQL_VALIDATION_FAILED"
	CodeDepthLimit       Code = "DEPTH_LIMIT"
	CodeCostLimit        Code = "COST_LIMIT"
	CodeAliasLimit       Code = "ALIAS_LIMIT"
	CodeTokenLimit       Code = "TOKEN_LIMIT"
	CodeDirectiveLimit   Code = "DIRECTIVE_LIMIT"
	CodeNotAcceptable    Code = "NOT_ACCEPTABLE"
	CodeAnswerTooLarge   Code = "ANSWER_TOO_LARGE"
)

// Error is an error as the client sees it. Its message must hold neither a
// secret nor an address of ours.
type Error struct {
	Code    Code
	Message string
}

// NewError returns an error with the code.
func NewError(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// Error says both for a log.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// ErrorOf returns err, which the named service or this one caused, as the
// client sees it; ok is false for an error that nobody foresaw, which belongs
// in the log. ctx is the operation's: when its time is up, that is the error.
func ErrorOf(ctx context.Context, err error) (e *Error, ok bool) {
	if errors.As(err, &e) {
		return e, true
	}
	var p *problem.Problem
	if errors.As(err, &p) {
		return ofProblem(p)
	}
	if ctx.Err() != nil {
		return NewError(CodeTimeout, "there was no time left to answer this"), true
	}
	if errors.Is(err, api.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return NewError(CodeUnavailable, "the service that knows this does not answer; try again"), true
	}
	return NewError(CodeInternal, "this could not be answered"), false
}

// ofProblem is the one table from a service's answer to a code.
func ofProblem(p *problem.Problem) (e *Error, foreseen bool) {
	detail := p.Detail
	if detail == "" {
		detail = p.Title
	}
	switch p.Status {
	case http.StatusUnauthorized:
		return NewError(CodeUnauthenticated, "the credential does not count any more"), true
	case http.StatusForbidden:
		return NewError(CodeForbidden, detail), true
	case http.StatusNotFound, http.StatusGone:
		return NewError(CodeNotFound, "there is no such thing"), true
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if len(p.Errors) > 0 {
			detail += ": " + p.Errors[0].Place() + " " + p.Errors[0].Detail
		}
		return NewError(CodeBadInput, detail), true
	case http.StatusTooManyRequests:
		return NewError(CodeRateLimited, detail), true
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return NewError(CodeUnavailable, "the service that knows this does not answer; try again"), true
	case http.StatusInternalServerError:
		return NewError(CodeUnavailable, "the service that knows this failed; try again"), true
	default:
		return NewError(CodeInternal, "this could not be answered"), false
	}
}
