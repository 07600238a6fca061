package user

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"time"

	"github.com/google/uuid"
)

const (
	// MaxNamespaces is how many namespaces of preferences a person has at most.
	MaxNamespaces = 64
	// maxPreferenceBytes bounds the preferences of one namespace.
	maxPreferenceBytes = 32 << 10
)

// The errors of preferences.
var (
	// ErrPreferenceNotFound: the person has no preferences in the namespace.
	ErrPreferenceNotFound = errors.New("no preferences in this namespace")
	// ErrTooManyNamespaces: the person has [MaxNamespaces] already.
	ErrTooManyNamespaces = errors.New("there are " + strconv.Itoa(MaxNamespaces) + " namespaces already")
)

var namespacePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// ValidNamespace reports whether s can name a namespace of preferences.
func ValidNamespace(s string) bool { return namespacePattern.MatchString(s) }

// Preference is what applications keep for a person in one namespace.
type Preference struct {
	// Namespace satisfies [ValidNamespace].
	Namespace string
	// Value is never nil.
	Value Document
	// Version counts the changes since CreatedAt, from 1.
	Version int64
	// CreatedAt and UpdatedAt are UTC in microseconds.
	CreatedAt time.Time
	UpdatedAt time.Time
}

// PreferenceStore keeps preferences. They end with their user's row.
type PreferenceStore interface {
	// ListPreferences returns the user and its preferences, sorted by
	// namespace, or [ErrNotFound].
	ListPreferences(ctx context.Context, id uuid.UUID) (User, []Preference, error)
	// ChangePreference locks the user, calls change with it and the preference
	// of the namespace (nil if it is unset), and stores the outcome: nil
	// removes, and the one that it was called with leaves it. Errors: those of
	// change, [ErrNotFound], [ErrTooManyNamespaces].
	ChangePreference(ctx context.Context, id uuid.UUID, namespace string,
		change func(u User, current *Preference) (*Preference, error)) error
}

// Preferences are the use cases on preferences. It is safe for concurrent use.
type Preferences struct {
	store   PreferenceStore
	schemas map[string]*Schema
	now     func() time.Time
}

// NewPreferences returns the use cases on store. A namespace that has no schema
// takes any object. now may be nil for time.Now.
func NewPreferences(store PreferenceStore, schemas map[string]*Schema, now func() time.Time) *Preferences {
	if now == nil {
		now = time.Now
	}
	return &Preferences{store: store, schemas: schemas, now: now}
}

// List returns all preferences of the user, sorted by namespace. check, if not
// nil, may refuse on seeing the user. Errors: [ErrNotFound].
func (p *Preferences) List(ctx context.Context, id uuid.UUID, check func(User) error) ([]Preference, error) {
	u, list, err := p.store.ListPreferences(ctx, id)
	if err == nil && check != nil {
		err = check(u)
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Get returns the preferences of one namespace. Errors: [ErrNotFound],
// [ErrPreferenceNotFound].
func (p *Preferences) Get(ctx context.Context, id uuid.UUID, namespace string, check func(User) error) (Preference, error) {
	list, err := p.List(ctx, id, check)
	if err != nil {
		return Preference{}, err
	}
	for _, one := range list {
		if one.Namespace == namespace {
			return one, nil
		}
	}
	return Preference{}, ErrPreferenceNotFound
}

// Change lets edit make the preferences of one namespace out of what is there,
// nil where nothing is, checks and stores them. An error of edit changes nothing
// and is returned as it is. Errors: [Invalid], [ErrNotFound],
// [ErrTooManyNamespaces].
func (p *Preferences) Change(ctx context.Context, id uuid.UUID, namespace string,
	edit func(u User, current *Preference) (Document, error),
) (Preference, error) {
	var stored Preference
	err := p.store.ChangePreference(ctx, id, namespace, func(u User, current *Preference) (*Preference, error) {
		value, err := edit(u, current)
		if err != nil {
			return nil, err
		}
		if value == nil {
			value = Document{}
		}
		if current != nil && current.Value.equal(value) {
			stored = *current
			return current, nil
		}
		if err := p.check(namespace, value); err != nil {
			return nil, err
		}
		now := p.now().UTC().Truncate(time.Microsecond)
		stored = Preference{Namespace: namespace, Value: value, Version: 1, CreatedAt: now, UpdatedAt: now}
		if current != nil {
			stored.Version, stored.CreatedAt = current.Version+1, current.CreatedAt
		}
		return &stored, nil
	})
	if err != nil {
		return Preference{}, err
	}
	return stored, nil
}

func (p *Preferences) check(namespace string, value Document) error {
	var bad Invalid
	if !ValidNamespace(namespace) {
		return ErrPreferenceNotFound
	}
	value.check("", maxPreferenceBytes, &bad)
	if schema := p.schemas[namespace]; schema != nil && len(bad.Violations) == 0 {
		schema.check("", value, &bad)
	}
	return bad.err()
}

// Remove removes the preferences of one namespace. check, if not nil, may
// refuse. Errors: [ErrNotFound], [ErrPreferenceNotFound].
func (p *Preferences) Remove(ctx context.Context, id uuid.UUID, namespace string, check func(User, Preference) error) error {
	return p.store.ChangePreference(ctx, id, namespace, func(u User, current *Preference) (*Preference, error) {
		if current == nil {
			return nil, ErrPreferenceNotFound
		}
		if check != nil {
			return nil, check(u, *current)
		}
		return nil, nil
	})
}
