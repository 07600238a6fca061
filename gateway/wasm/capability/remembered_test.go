package capability

import (
	"strings"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/jose"
)

// TestRememberedTokensAllocateNothing, of any size.
func TestRememberedTokensAllocateNothing(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"self","audience":["shop"]},{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks"}],"claims":["nonce"]}`, idp.URL)
	for name, token := range map[string]string{
		"own":     v.token(v.own, ownIssuer),
		"foreign": v.token(idp.keys[0], "urn:idp"),
		"large":   v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) { c.Nonce = strings.Repeat("x", 8<<10) }),
	} {
		v.use(p, token, filterv1.StatusOK)
		n := testing.AllocsPerRun(100, func() {
			if _, refusal := v.Verify(nil, p, token); refusal != nil { //nolint:staticcheck // a context that is touched would panic
				t.Error(refusal)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestRememberedTokensEnd(t *testing.T) {
	v := newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"self","audience":["shop"]}]}`)
	token := v.token(v.own, ownIssuer, func(c *jose.Claims) { c.ExpiresAt = v.now().Add(time.Minute) })
	v.use(p, token, filterv1.StatusOK)
	v.revoked["jti:t1"] = true
	v.use(p, token, filterv1.StatusRevoked)
	delete(v.revoked, "jti:t1")
	v.use(p, token, filterv1.StatusOK)
	v.advance(61 * time.Second)
	v.use(p, token, filterv1.StatusExpired)

	// A bad signature is remembered, a stranger's kid is not.
	bad := v.token(v.own, ownIssuer)
	bad = bad[:len(bad)-8] + "AAAAAAAA"
	v.use(p, bad, filterv1.StatusInvalid)
	if n := v.bad.len(); n != 1 {
		t.Errorf("%d bad signatures are remembered, want 1", n)
	}
	stranger := newES256(t)
	v.use(p, v.token(stranger, ownIssuer), filterv1.StatusInvalid)
	if n := v.bad.len(); n != 1 {
		t.Errorf("%d bad tokens are remembered, want 1", n)
	}
	for i := range 5000 {
		v.bad.put([32]byte{byte(i), byte(i >> 8)}, nil, 0, int64(i)+1)
	}
	if n := v.bad.len(); n > maxBad {
		t.Errorf("%d bad tokens are remembered", n)
	}
}
