package jose_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse.example/internal/jose"
)

// noKeys is a set that must not be asked.
type noKeys struct{ t *testing.T }

func (s noKeys) Key(context.Context, string, string) (jose.Key, error) {
	s.t.Error("a key was looked for")
	return jose.Key{}, jose.ErrUnknownKey
}

// TestUnverifiedIsRefusedBeforeKeysAreLookedFor: what no signature could save
// costs no key.
func TestUnverifiedIsRefusedBeforeKeysAreLookedFor(t *testing.T) {
	key := mustKey(t)
	expect := jose.Expect{Issuer: "https://id.example", Audience: []string{"a"}, Types: []string{"at+jwt"}, Now: func() time.Time { return now }}
	good := jose.Claims{Issuer: "https://id.example", Audience: []string{"b", "a"}, ExpiresAt: now.Add(time.Minute)}
	for name, c := range map[string]struct {
		typ    string
		change func(*jose.Claims)
		want   error
	}{
		"type":     {"JWT", func(*jose.Claims) {}, jose.ErrType},
		"no type":  {"", func(*jose.Claims) {}, jose.ErrType},
		"issuer":   {"at+jwt", func(c *jose.Claims) { c.Issuer = "https://evil.example" }, jose.ErrIssuer},
		"audience": {"at+jwt", func(c *jose.Claims) { c.Audience = []string{"c"} }, jose.ErrAudience},
		"expired":  {"at+jwt", func(c *jose.Claims) { c.ExpiresAt = now }, jose.ErrExpired},
		"no end":   {"at+jwt", func(c *jose.Claims) { c.ExpiresAt = time.Time{} }, jose.ErrExpired},
		"early":    {"at+jwt", func(c *jose.Claims) { c.NotBefore = now.Add(time.Second) }, jose.ErrNotYetValid},
	} {
		claims := good
		c.change(&claims)
		token, err := jose.Sign(key, c.typ, claims, nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := jose.Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Verify(t.Context(), noKeys{t}, expect); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// A type that is left out can be accepted by name.
	token, err := jose.Sign(key, "", good, nil)
	if err != nil {
		t.Fatal(err)
	}
	expect.Types = []string{"jwt", ""}
	u, err := jose.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := u.Verify(t.Context(), jose.StaticSet(key), expect); err != nil || got.Claims.Issuer != good.Issuer || u.Issuer() != good.Issuer {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := u.Verify(t.Context(), jose.StaticSet(mustKey(t)), expect); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("another's key: %v", err)
	}
}
