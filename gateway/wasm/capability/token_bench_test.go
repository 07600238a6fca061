package capability

import (
	"fmt"
	"testing"
	"time"

	"gatehouse.example/internal/jose"
)

// BenchmarkTokenFirst measures the first verification of a token without a
// guest, and BenchmarkTokenAgain those that follow.
func BenchmarkTokenFirst(b *testing.B) {
	v, p, tokens := benchTokens(b, 16)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, refusal := v.Verify(b.Context(), p, tokens[i%len(tokens)]); refusal != nil {
			b.Fatal(refusal)
		}
		i++
	}
}

// BenchmarkTokenAgain: see BenchmarkTokenFirst.
func BenchmarkTokenAgain(b *testing.B) {
	v, p, tokens := benchTokens(b, 10_000)
	for _, token := range tokens {
		if _, refusal := v.Verify(b.Context(), p, token); refusal != nil {
			b.Fatal(refusal)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, refusal := v.Verify(b.Context(), p, tokens[i%len(tokens)]); refusal != nil {
			b.Fatal(refusal)
		}
		i++
	}
}

// BenchmarkTokenGarbage measures tokens that no key could save.
func BenchmarkTokenGarbage(b *testing.B) {
	v, p, _ := benchTokens(b, 16)
	token, err := jose.Sign(newES256(b), "at+jwt", jose.Claims{Issuer: "https://elsewhere.example", ExpiresAt: time.Now().Add(time.Hour)}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, refusal := v.Verify(b.Context(), p, token); refusal == nil {
			b.Fatal("accepted")
		}
	}
}

func benchTokens(b *testing.B, size int) (*TokenVerifier, *TokenPolicy, []string) {
	key := newES256(b)
	v := NewTokenVerifier(TokenOptions{Issuer: ownIssuer, Keys: jose.StaticSet(key), CacheSize: size})
	b.Cleanup(v.Close)
	p, err := v.Policy([]byte(`{"issuers":[{"issuer":"self","audience":["gatehouse"]}]}`), nil)
	if err != nil {
		b.Fatal(err)
	}
	tokens := make([]string, 1024)
	for i := range tokens {
		tokens[i], err = jose.Sign(key, "at+jwt", jose.Claims{
			Issuer: ownIssuer, Audience: []string{"gatehouse"}, Subject: "0197a0aa-0000-7000-8000-00000000000a", ClientID: "app",
			Scope: "users:read users:write", SessionID: "s1", ID: fmt.Sprint(i), IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
	return v, p, tokens
}
