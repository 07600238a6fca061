package capability

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

type oneKey struct {
	key   APIKey
	asked int
}

func (o *oneKey) VerifyAPIKey(context.Context, string) (APIKey, error) {
	o.asked++
	return o.key, nil
}

func TestKeyEndsWhileItIsRemembered(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	authority := &oneKey{key: APIKey{ID: "k", OwnerKind: "client", OwnerID: "shop", ExpiresAt: now.Add(10 * time.Second)}}
	v := NewKeyVerifier(KeyOptions{Authority: authority, Now: func() time.Time { return now }})
	key := keyText("SECRETSECRETSECRET")
	verify := func() filterv1.Status {
		_, refusal := v.Verify(t.Context(), &KeyPolicy{}, key)
		if refusal == nil {
			return filterv1.StatusOK
		}
		return refusal.Status
	}
	if got := verify(); got != filterv1.StatusOK {
		t.Fatalf("a good key: %v", got)
	}
	now = now.Add(10 * time.Second)
	if got := verify(); got != filterv1.StatusExpired || authority.asked != 1 {
		t.Errorf("at its end: %v, asked %d times", got, authority.asked)
	}
	now = now.Add(time.Hour)
	if got := verify(); got != filterv1.StatusExpired || authority.asked != 2 {
		t.Errorf("an hour later: %v, asked %d times", got, authority.asked)
	}
}

func TestKeyNeedsAllScopes(t *testing.T) {
	authority := &oneKey{key: APIKey{ID: "k", OwnerKind: "client", OwnerID: "shop", Scopes: []string{"orders:read", "orders:write"}}}
	v := NewKeyVerifier(KeyOptions{Authority: authority})
	key := keyText("SECRETSECRETSECRET")
	for scopes, want := range map[string]filterv1.Status{
		"": filterv1.StatusOK, "orders:read": filterv1.StatusOK, "orders:read orders:write": filterv1.StatusOK,
		"orders:read users:read": filterv1.StatusForbidden, "orders": filterv1.StatusForbidden,
	} {
		c, refusal := v.Verify(t.Context(), &KeyPolicy{Scopes: strings.Fields(scopes)}, key)
		status := filterv1.StatusOK
		if refusal != nil {
			status = refusal.Status
		}
		if status != want || (c == nil) != (refusal != nil) {
			t.Errorf("%q: %v", scopes, status)
		}
	}
}

func TestKeyPolicy(t *testing.T) {
	v := NewKeyVerifier(KeyOptions{})
	for _, c := range []struct {
		name   string
		policy KeyPolicy
		want   string
	}{
		{"header", KeyPolicy{Header: "X-API-Key"}, ""},
		{"all places", KeyPolicy{Header: "X-Key", Cookie: "key", Query: "api key", Scopes: []string{"a:b"}}, ""},
		{"nowhere", KeyPolicy{}, "header: want a place"},
		{"no token", KeyPolicy{Header: "X Key"}, "header: "},
		{"somebody else's", KeyPolicy{Header: "authorization"}, "header: authorization has a meaning of its own"},
		{"an ordinary field", KeyPolicy{Header: "User-Agent"}, "header: User-Agent has a meaning of its own"},
		{"one that decides on access", KeyPolicy{Header: "origin"}, "header: origin has a meaning of its own"},
		{"of a family", KeyPolicy{Header: "Content-Encoding"}, "header: Content-Encoding has a meaning of its own"},
		{"the host's", KeyPolicy{Header: "X-Gatehouse-Principal"}, "header: X-Gatehouse-Principal has a meaning of its own"},
		{"no cookie", KeyPolicy{Cookie: "a;b"}, "cookie: "},
		{"no scope", KeyPolicy{Header: "X-Key", Scopes: []string{"a", "b c"}}, "scopes/1: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(map[string]any{"header": c.policy.Header, "cookie": c.policy.Cookie, "query": c.policy.Query, "scopes": c.policy.Scopes})
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Policy(text)
			if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
