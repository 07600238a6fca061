package auth

import (
	"crypto/rand"
	"crypto/sha256"
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
	ExpiresAt *time.Time
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
