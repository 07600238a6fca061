package capability

import (
	"slices"
	"testing"

	"gatehouse.example/internal/identity"
)

func TestKeyVerifierForgets(t *testing.T) {
	scopes := []string{"a", "b"}
	asked := 0
	authority := &answers{fn: func(string) (APIKey, error) {
		asked++
		return APIKey{ID: "k", OwnerKind: "user", OwnerID: "ada", Scopes: scopes}, nil
	}}
	v := NewKeyVerifier(KeyOptions{Authority: authority})
	use := func() []string {
		t.Helper()
		c, refusal := v.Verify(t.Context(), &KeyPolicy{}, keyText("S"))
		if refusal != nil {
			t.Fatal(refusal)
		}
		return c.Principal.Scopes
	}
	use()
	scopes = []string{"a"}
	v.Forget(identity.KindUser, "bob")
	v.Forget(identity.KindClient, "ada")
	if got := use(); len(got) != 2 || asked != 1 {
		t.Errorf("another owner's change made it ask: %v, asked %d times", got, asked)
	}
	v.Forget(identity.KindUser, "ada")
	if got := use(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("scopes %v after Forget", got)
	}
	scopes = nil
	v.Forget("", "")
	if got := use(); len(got) != 0 || asked != 3 {
		t.Errorf("scopes %v, asked %d times", got, asked)
	}
}

// TestAnswerFromBeforeIsNotRemembered lets the owner change while the
// authority is asked.
func TestAnswerFromBeforeIsNotRemembered(t *testing.T) {
	var v *KeyVerifier
	asked := 0
	v = NewKeyVerifier(KeyOptions{Authority: &answers{fn: func(string) (APIKey, error) {
		if asked++; asked == 1 {
			v.Forget(identity.KindUser, "ada")
			return APIKey{ID: "k", OwnerKind: "user", OwnerID: "ada", Scopes: []string{"old"}}, nil
		}
		return APIKey{ID: "k", OwnerKind: "user", OwnerID: "ada"}, nil
	}}})
	for range 2 {
		if _, refusal := v.Verify(t.Context(), &KeyPolicy{}, keyText("S")); refusal != nil {
			t.Fatal(refusal)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times: the answer from before the change was remembered", asked)
	}
}
