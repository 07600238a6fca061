// Package opaque makes the random tokens of the auth service (cookies, codes,
// client secrets, links) and the refresh tokens, whose successor can be derived
// again from the predecessor.
//
// It stores nothing: services/auth/postgres keeps hashes only.
package opaque

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/google/uuid"
)

// New returns 256 random bits in base64url (RFC 6749 §10.10 asks for 128).
func New() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Hash returns the SHA-256 of a token: all that is ever stored of it.
func Hash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// ErrMalformed says that a text is no refresh token of ours.
var ErrMalformed = errors.New("malformed refresh token")

const (
	idSize     = 16
	secretSize = 32
	tagSize    = 16
	tokenSize  = idSize + secretSize + tagSize
)

// Refresher makes refresh tokens: family id, secret, and a tag that tells a
// token that we made from an invented one without asking the database. A
// successor's secret is an HMAC of its predecessor, so that a client that lost
// an answer gets the same successor again while nothing but hashes is stored.
// It is safe for concurrent use.
type Refresher struct{ key []byte }

// NewRefresher returns a Refresher whose key must be known to every replica.
func NewRefresher(key []byte) *Refresher { return &Refresher{key: key} }

// First returns the first token of the family.
func (r *Refresher) First(family string) (string, error) {
	id, err := uuid.Parse(family)
	if err != nil {
		return "", err
	}
	secret := make([]byte, secretSize)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	return r.seal(id, secret), nil
}

// Next returns the successor of token, the same one every time, or
// [ErrMalformed].
func (r *Refresher) Next(token string) (string, error) {
	id, err := r.parse(token)
	if err != nil {
		return "", err
	}
	return r.seal(id, r.mac("next", []byte(token))), nil
}

// Family returns the id of the family that token belongs to, or [ErrMalformed].
func (r *Refresher) Family(token string) (string, error) {
	id, err := r.parse(token)
	return id.String(), err
}

func (r *Refresher) seal(id uuid.UUID, secret []byte) string {
	raw := make([]byte, 0, tokenSize)
	raw = append(raw, id[:]...)
	raw = append(raw, secret...)
	raw = append(raw, r.mac("tag", raw)[:tagSize]...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (r *Refresher) parse(token string) (uuid.UUID, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenSize {
		return uuid.Nil, ErrMalformed
	}
	body, tag := raw[:idSize+secretSize], raw[idSize+secretSize:]
	if !hmac.Equal(tag, r.mac("tag", body)[:tagSize]) {
		return uuid.Nil, ErrMalformed
	}
	return uuid.UUID(raw[:idSize]), nil
}

func (r *Refresher) mac(label string, data []byte) []byte {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(label))
	h.Write([]byte{0})
	h.Write(data)
	return h.Sum(nil)
}
