// Package jwks owns the endpoint that publishes the issuer's public keys
// (RFC 7517 §5).
//
// Which keys there are is left to services/auth/keyring.
package jwks

import (
	"encoding/json"
	"net/http"

	"gatehouse.example/internal/jose"
	"gatehouse.example/internal/problem"
)

// Keys gives the public keys.
type Keys interface {
	JWKS() jose.JWKS
}

// Handler answers GET. Verifiers may keep the answer for a minute: a new key is
// published longer than that before it signs.
func Handler(keys Keys) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := json.Marshal(keys.JWKS())
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=60")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(append(body, '\n')) // nobody is left to tell
	})
}
