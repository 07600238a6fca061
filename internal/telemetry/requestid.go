package telemetry

import (
	"context"
	"strings"

	"github.com/google/uuid"
)

// RequestIDHeader carries a request's id from process to process and back to
// the client.
const RequestIDHeader = "X-Request-Id"

// maxRequestID bounds an id that comes from outside, in bytes.
const maxRequestID = 128

type (
	requestIDKey     struct{}
	clientAddressKey struct{}
)

// WithClientAddress returns a context that belongs to a request from address.
func WithClientAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, clientAddressKey{}, address)
}

// ClientAddress returns the IP address of the client whose request ctx belongs
// to, as the gateway saw it; "" if there is none.
func ClientAddress(ctx context.Context) string {
	address, _ := ctx.Value(clientAddressKey{}).(string)
	return address
}

// WithRequestID returns a context that belongs to the request id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// validRequestID accepts what can stand in a log line and a header as it is.
func validRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID &&
		strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") == ""
}

func newRequestID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return "" // the random source is gone; the request need not be
	}
	return id.String()
}
