package capability

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// nameIterations stretch the secret of names, once for each start.
const nameIterations = 100_000

// name is the key in the store, which tells nothing of the client's address or
// credential to who looks at it: without the secret there is no trying either.
func (r *RedisLimits) name(p *LimitPolicy, key []byte) string {
	h := hmac.New(sha256.New, r.secret)
	_, _ = h.Write(p.digest[:])
	_, _ = h.Write(key)
	var sum [sha256.Size]byte
	return r.prefix + base64.RawURLEncoding.EncodeToString(h.Sum(sum[:0])[:20])
}

// nameSecret returns what names in the store are keyed by: something that all
// gateways of an installation have in common and others have not, which is the
// store's password. It is stretched, so that the names are no quick way to
// find the password.
func nameSecret(password, namespace string) ([]byte, error) {
	secret, err := pbkdf2.Key(sha256.New, password, []byte("gatehouse limit names\x00"+namespace), nameIterations, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("store of limits: derive the secret of names: %w", err)
	}
	return secret, nil
}
