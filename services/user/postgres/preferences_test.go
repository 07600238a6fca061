package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/services/user"
)

func TestPreferencesKeepWhatIsSet(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{Email: "ada@example.com"})
	p := user.NewPreferences(f.store, nil, nil)
	const text = `{"big":12345678901234567890,"exact":0.1000,"list":[1,null,{"a":null}],"text":"ü\u0001\ud83d\ude00","tree":{"":{}}}`
	if _, err := p.Change(t.Context(), u.ID, "ui", set(text)); err != nil {
		t.Fatal(err)
	}
	got, err := p.Get(t.Context(), u.ID, "ui", nil)
	if err != nil {
		t.Fatal(err)
	}
	var want user.Document
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Value); diff != "" {
		t.Errorf("value (-set +read):\n%s", diff)
	}
	again, err := p.Change(t.Context(), u.ID, "ui", set(text))
	if err != nil || again.Version != 1 {
		t.Errorf("set again: version %d, %v", again.Version, err)
	}
	if next, err := p.Change(t.Context(), u.ID, "ui", set(`{}`)); err != nil || next.Version != 2 || !next.CreatedAt.Equal(got.CreatedAt) {
		t.Errorf("changed: %+v, %v", next, err)
	}
	if err := p.Remove(t.Context(), u.ID, "ui", nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(t.Context(), u.ID, "ui", nil); !errors.Is(err, user.ErrPreferenceNotFound) {
		t.Errorf("remove again: %v", err)
	}
	if _, err := p.Get(t.Context(), uuid.New(), "ui", nil); !errors.Is(err, user.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	if err := f.accounts.Delete(t.Context(), u.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Change(t.Context(), u.ID, "ui", set(`{}`)); !errors.Is(err, user.ErrNotFound) {
		t.Errorf("of a deleted user: %v", err)
	}
}

func TestPreferencesUnderConcurrency(t *testing.T) {
	f := setUp(t)
	u := f.create(t, user.New{Email: "ada@example.com"})
	p := user.NewPreferences(f.store, nil, nil)
	made := race(user.MaxNamespaces+16, func(i int) error {
		_, err := p.Change(context.Background(), u.ID, fmt.Sprintf("n%02d", i), set(`{"a":1}`))
		if err != nil && !errors.Is(err, user.ErrTooManyNamespaces) {
			t.Errorf("namespace %d: %v", i, err)
		}
		return err
	})
	list, err := p.List(t.Context(), u.ID, nil)
	if err != nil || made != user.MaxNamespaces || len(list) != user.MaxNamespaces {
		t.Errorf("%d made, %d there, %v; want %d", made, len(list), err, user.MaxNamespaces)
	}
	// Every one of concurrent merges counts.
	first := list[0].Namespace
	race(20, func(i int) error {
		_, err := p.Change(context.Background(), u.ID, first, func(_ user.User, current *user.Preference) (user.Document, error) {
			return current.Value.Patch(user.Document{fmt.Sprintf("k%d", i): true}), nil
		})
		if err != nil {
			t.Error(err)
		}
		return err
	})
	if got, err := p.Get(t.Context(), u.ID, first, nil); err != nil || len(got.Value) != 21 || got.Version != 21 {
		t.Errorf("%d members, version %d, %v; want 21", len(got.Value), got.Version, err)
	}
}
