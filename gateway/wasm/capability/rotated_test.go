package capability

import (
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// TestRotatedSecretIsRevokedAlone ends one secret of a key while its successor,
// which has the same key id, goes on.
func TestRotatedSecretIsRevokedAlone(t *testing.T) {
	list := revokedSet{}
	v := NewKeyVerifier(KeyOptions{Revocations: list, Authority: &answers{fn: func(key string) (APIKey, error) {
		return APIKey{ID: "k", RevocationID: "k#" + key[len(key)-8:], OwnerKind: "user", OwnerID: "ada"}, nil
	}}})
	before, after := keyText("OLD"), keyText("NEW")
	use := func(key string) filterv1.Status {
		_, refusal := v.Verify(t.Context(), &KeyPolicy{}, key)
		if refusal == nil {
			return filterv1.StatusOK
		}
		return refusal.Status
	}
	if a, b := use(before), use(after); a != filterv1.StatusOK || b != filterv1.StatusOK {
		t.Fatalf("before the rotation: %s, %s", a, b)
	}
	list["key:k#"+before[len(before)-8:]] = true
	if got := use(before); got != filterv1.StatusRevoked {
		t.Errorf("the old secret: %s", got)
	}
	if got := use(after); got != filterv1.StatusOK {
		t.Errorf("the new secret: %s", got)
	}
	list["key:k"] = true
	if got := use(after); got != filterv1.StatusRevoked {
		t.Errorf("the new secret of a revoked key: %s", got)
	}
}
