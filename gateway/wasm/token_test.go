package wasm_test

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"gatehouse.example/internal/jose"
)

type claims = jose.Claims

// token makes an access token of the test's issuer; what c leaves empty is
// filled in.
func (b *bench) token(t testing.TB, c claims) string {
	t.Helper()
	return b.sign(t, "at+jwt", c, nil)
}

func (b *bench) sign(t testing.TB, typ string, c claims, header map[string]any) string {
	t.Helper()
	if c.Issuer == "" {
		c.Issuer = issuer
	}
	if c.Audience == nil {
		c.Audience = []string{"gatehouse"}
	}
	if c.Subject == "" {
		c.Subject = "0197a0aa-0000-7000-8000-00000000000a"
	}
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = b.clock.Now().Add(5 * time.Minute)
	}
	token, err := jose.Sign(b.key, typ, c, header)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type rawJSON = json.RawMessage

// withChecksum completes an API key.
func withChecksum(body string) string {
	return body + fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}
