package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The kinds of API key owner.
const (
	OwnerUser   = "user"
	OwnerClient = "client"
)

// MaxAPIKeys is how many keys of one owner may be valid at a time.
const MaxAPIKeys = 100

// APIKey is a long-lived credential for X-API-Key, as stored.
type APIKey struct {
	ID        string
	Name      string
	OwnerKind string
	OwnerID   string
	Scopes    []string
	// Hash is the SHA-256 of the whole key.
	Hash      []byte
	CreatedAt time.Time
	// ExpiresAt is nil for a key without an end.
	ExpiresAt *time.Time
	// PreviousHash is that of the secret before the last rotation, which counts
	// until PreviousExpiresAt; both are nil where there is none.
	PreviousHash      []byte
	PreviousExpiresAt *time.Time
	// LastUsedAt is about when the key was last used, nil for never.
	LastUsedAt *time.Time
	// Version counts changes but uses.
	Version int64
}

// Accepts reports whether a text with the hash is the key, or its secret from
// before a rotation that still counts at now, and until when it is (nil: it has
// no end), in whole seconds as the tokens that are made of it. It takes the same
// time for every text.
func (k APIKey) Accepts(hash []byte, now time.Time) (until *time.Time, ok bool) {
	current := subtle.ConstantTimeCompare(k.Hash, hash) == 1
	previous := subtle.ConstantTimeCompare(k.PreviousHash, hash) == 1 && k.PreviousExpiresAt != nil
	until = k.ExpiresAt
	switch {
	case current:
	case previous:
		if until == nil || k.PreviousExpiresAt.Before(*until) {
			until = k.PreviousExpiresAt
		}
	default:
		return nil, false
	}
	if until == nil {
		return nil, true
	}
	end := until.Truncate(time.Second)
	return &end, now.Before(end)
}

// APIKeySecretID names one secret of a key on the list of revocations, without
// saying anything about the secret.
func APIKeySecretID(id string, hash []byte) string {
	sum := sha256.Sum256(hash)
	return id + "#" + hex.EncodeToString(sum[:8])
}

// KeyRotation gives an API key another secret.
type KeyRotation struct {
	ID string
	// Version is the one that the key must have; 0 takes any.
	Version int64
	// Hash is that of the new secret.
	Hash []byte
	// Overlap is how long the secret before still counts; 0: not at all.
	Overlap time.Duration
	Now     time.Time
}

const apiKeyPrefix = "gatehouse_"

// NewAPIKeyText makes the key of the given id (a UUID):
// gatehouse_<environment>_<id>_<secret><crc32>. The id is 32 hexadecimal
// digits; the secret is 52 characters (260 random bits); the checksum is the
// CRC-32 (IEEE) of everything before it in eight hexadecimal digits, so that a
// gateway or a secret scanner can tell a typo without asking.
func NewAPIKeyText(environment, id string) (string, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return "", fmt.Errorf("make API key %q: %w", id, err)
	}
	body := apiKeyPrefix + environment + "_" + hex.EncodeToString(parsed[:]) + "_" + rand.Text() + rand.Text()
	return body + checksum(body), nil
}

// ParseAPIKeyText returns the id of a key of the environment; ok is false for
// any other text. A true ok does not say that the key exists.
func ParseAPIKeyText(environment, key string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(key, apiKeyPrefix+environment+"_")
	if !ok || len(key) > 256 {
		return "", false
	}
	digits, secret, ok := strings.Cut(rest, "_")
	if !ok || len(digits) != 32 || len(secret) <= 8 || checksum(key[:len(key)-8]) != key[len(key)-8:] {
		return "", false
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return "", false
	}
	parsed, err := uuid.FromBytes(raw)
	return parsed.String(), err == nil
}

// HashAPIKey returns what is stored of a key.
func HashAPIKey(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

func checksum(body string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}
