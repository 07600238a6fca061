package capability

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestPoliciesAreReadStrictly(t *testing.T) {
	keys := func(text string) error {
		_, err := NewKeyVerifier(KeyOptions{}).Policy([]byte(text))
		return err
	}
	limits := func(text string) error {
		_, err := NewLimiter(LimiterOptions{}).Policy("f", []byte(text))
		return err
	}
	for _, c := range []struct {
		name string
		read func(string) error
		text string
		want string
	}{
		{"key", keys, `{"header":"X-API-Key","scopes":["admin"]}`, ""},
		{"key with a typo", keys, `{"header":"X-API-Key","scope":["admin"]}`, `unknown field "scope"`},
		{"two keys", keys, `{"header":"X-API-Key"}{}`, "more behind"},
		{"limit", limits, `{"windows":[{"rate":1,"per_ns":1000000000,"burst":1}]}`, ""},
		{"limit with a typo", limits, `{"windows":[{"rate":1,"per_ns":1000000000,"burst":1}],"on_unavail":"deny"}`, `unknown field "on_unavail"`},
		{"window with a typo", limits, `{"windows":[{"rate":1,"per_ns":1000000000,"burst":1,"cost":2}]}`, `unknown field "cost"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.read(c.text)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// keptContext is an authority that keeps its context beyond the call, as
// connections do that are being made.
type keptContext struct{ kept chan context.Context }

func (k keptContext) VerifyAPIKey(ctx context.Context, _ string) (APIKey, error) {
	k.kept <- ctx
	<-ctx.Done()
	return APIKey{}, ctx.Err()
}

type contextKey struct{}

// Who asks waits no longer than it may, and the authority's context has nothing
// of the call.
func TestKeyQuestionsOutliveCalls(t *testing.T) {
	authority := keptContext{make(chan context.Context, 1)}
	v := NewKeyVerifier(KeyOptions{Authority: authority, Timeout: 5 * time.Second})
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), contextKey{}, true), 20*time.Millisecond)
	defer cancel()
	_, refusal := v.Verify(ctx, &KeyPolicy{}, keyText("SECRETSECRETSECRET"))
	if refusal == nil || ctx.Err() == nil {
		t.Errorf("answered %+v", refusal)
	}
	kept := <-authority.kept
	if kept.Err() != nil || kept.Value(contextKey{}) != nil {
		t.Errorf("the question has %v of the call and has ended: %v", kept.Value(contextKey{}), kept.Err())
	}
}
