// Package problem owns the shape in which an HTTP API of Gatehouse says that
// something is wrong: application/problem+json (RFC 9457).
//
// It knows no cause: which error becomes which problem is decided by the
// service that answers, in one table of its own. The OAuth endpoints answer
// with the errors of RFC 6749 §5.2 instead and do not use it.
package problem
