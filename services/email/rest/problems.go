package rest

import (
	"errors"
	"net/http"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email"
)

// The codes of problems that programs compare.
const (
	codeInvalidParameter = "invalid_parameter"
	codeKeyReused        = "idempotency_key_reused"
	codeNotResendable    = "not_resendable"
	codeSuppressed       = "address_suppressed"
)

// problemOf is the one place where the domain's errors become HTTP.
func problemOf(err error) error {
	if invalid, ok := errors.AsType[*email.InvalidError](err); ok {
		var found []problem.Violation
		for _, v := range invalid.Violations {
			found = append(found, problem.Violation{Pointer: v.Pointer, Detail: v.Detail})
		}
		return jsonhttp.Invalid(found...)
	}
	switch {
	case errors.Is(err, email.ErrNotFound):
		return problem.New(http.StatusNotFound, "not_found", "there is no such thing")
	case errors.Is(err, email.ErrKeyReused):
		return problem.New(http.StatusUnprocessableEntity, codeKeyReused, "this Idempotency-Key came with another request before")
	case errors.Is(err, email.ErrNotResendable):
		return problem.New(http.StatusConflict, codeNotResendable, "only failed and suppressed messages can be sent again")
	case errors.Is(err, email.ErrSuppressed):
		return problem.New(http.StatusConflict, codeSuppressed, "the address is suppressed: remove that first")
	}
	return err
}

// invalid is the problem of a query parameter.
func invalid(name, detail string) *problem.Problem {
	return problem.Newf(http.StatusBadRequest, codeInvalidParameter, "%s: %s", name, detail).
		With(problem.Violation{In: "query", Name: name, Detail: detail})
}
