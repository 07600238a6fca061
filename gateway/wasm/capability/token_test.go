package capability

import (
	"testing"
	"time"

	"gatehouse.example/internal/jose"
	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

type revokedSet map[string]bool

func (r revokedSet) Revoked(kind, id string) bool { return r[kind+":"+id] }

// TestTokenIsRevoked: what the token names ends it, on the next use.
func TestTokenIsRevoked(t *testing.T) {
	key, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(key, "at+jwt", jose.Claims{
		Issuer: "https://id.example", Audience: []string{"gatehouse"}, Subject: "client-1", ClientID: "client-1",
		SessionID: "session-1", ID: "token-1", ExpiresAt: time.Now().Add(time.Minute),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := revokedSet{"key:token-1": true, "client:other": true, "client:session-1": true}
	v := NewTokenVerifier(TokenOptions{Issuer: "https://id.example", Keys: jose.StaticSet(key), Revocations: list})
	policy, err := v.Policy([]byte(`{"issuers":[{"issuer":"self","audience":["gatehouse"]}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, refusal := v.Verify(t.Context(), policy, token); refusal != nil {
		t.Fatalf("good token: %s (%v)", refusal.Status, refusal.Reason)
	}
	for _, what := range []string{"jti:token-1", "session:session-1", "client:client-1"} {
		list[what] = true
		if _, refusal := v.Verify(t.Context(), policy, token); refusal == nil || refusal.Status != filterv1.StatusRevoked {
			t.Errorf("%s: refusal %v", what, refusal)
		}
		delete(list, what)
	}
}
