package opaque_test

import (
	"errors"
	"testing"

	"gatehouse.example/services/auth/opaque"
)

const family = "01890a5d-ac96-774b-bcce-b302099a8057"

func TestRefresher(t *testing.T) {
	r := opaque.NewRefresher([]byte("key of every replica"))
	first, err := r.First(family)
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Next(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := opaque.NewRefresher([]byte("key of every replica")).Next(first)
	if err != nil || again != second {
		t.Errorf("another replica derives another successor: %v", err)
	}
	third, err := r.Next(second)
	if err != nil || third == second || second == first {
		t.Errorf("successors repeat: %v", err)
	}
	for _, token := range []string{first, second, third} {
		if id, err := r.Family(token); err != nil || id != family {
			t.Errorf("family %q, %v", id, err)
		}
	}
	if other, err := r.First(family); err != nil || other == first {
		t.Error("two first tokens are the same")
	}
	if _, err := opaque.NewRefresher([]byte("another key")).Next(first); !errors.Is(err, opaque.ErrMalformed) {
		t.Errorf("a token made under another key: %v", err)
	}
}

// FuzzFamily holds that nothing is taken for a token that was not made here.
func FuzzFamily(f *testing.F) {
	r := opaque.NewRefresher([]byte("key"))
	token, err := r.First(family)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token[1:])
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := r.Family(text); err == nil && text != token {
			t.Fatalf("%q is taken for a token", text)
		}
	})
}
