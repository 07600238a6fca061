package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"gatehouse.example/internal/problem"
)

// The error codes of RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6,
// RFC 6750 §3.1 and RFC 8707 §2.
const (
	InvalidRequest          = "invalid_request"
	InvalidClient           = "invalid_client"
	InvalidGrant            = "invalid_grant"
	UnauthorizedClient      = "unauthorized_client"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnsupportedResponseType = "unsupported_response_type"
	InvalidScope            = "invalid_scope"
	InvalidTarget           = "invalid_target"
	AccessDenied            = "access_denied"
	ServerError             = "server_error"
	TemporarilyUnavailable  = "temporarily_unavailable"
	LoginRequired           = "login_required"
	RequestNotSupported     = "request_not_supported"
	RequestURINotSupported  = "request_uri_not_supported"
	RegistrationUnsupported = "registration_not_supported"
	InvalidToken            = "invalid_token"
	InsufficientScope       = "insufficient_scope"
	UnsupportedTokenType    = "unsupported_token_type"
)

// Error is an error that a client is told (RFC 6749 §5.2).
type Error struct {
	// Code is the "error" member.
	Code string
	// Description is the "error_description" member: for the developer of the
	// client, in ASCII without quotes or backslashes.
	Description string
	// Status is the HTTP status; zero means 400.
	Status int
	// Challenge is the WWW-Authenticate header of a 401, if there is one.
	Challenge string
}

var _ error = (*Error)(nil)

// Errorf returns an error with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// Error describes the error for a log.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// AsError returns what the client is told of err: an [*Error] as it is,
// temporarily_unavailable for what passes, and server_error for everything
// else, which is logged here because the client learns nothing of it.
func AsError(ctx context.Context, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if problem.Unavailable(err) {
		return &Error{Code: TemporarilyUnavailable, Description: "try again in a moment", Status: http.StatusServiceUnavailable}
	}
	if ctx.Err() == nil {
		slog.Default().ErrorContext(ctx, "OAuth request ended in an unexpected error", slog.Any("error", err))
	}
	return &Error{Code: ServerError, Description: "the request could not be completed", Status: http.StatusInternalServerError}
}

// WriteError answers with err in the form of RFC 6749 §5.2.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := AsError(r.Context(), err)
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if e.Challenge != "" {
		w.Header().Set("WWW-Authenticate", e.Challenge)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	WriteJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{e.Code, e.Description})
}

// WriteJSON answers with v as JSON that nobody may keep (RFC 6749 §5.1).
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// Only our own structs come here.
		slog.Default().Error("encode answer", slog.Any("error", err))
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // nobody is left to tell
}
