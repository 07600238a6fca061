package jose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Set finds the key that a token names.
type Set interface {
	// Key returns the key with the id kid that is pinned to alg. An empty kid
	// means the only key for alg. The error is or wraps [ErrUnknownKey] if
	// there is no such key. It may be called concurrently.
	Key(ctx context.Context, kid, alg string) (Key, error)
}

type staticSet []Key

var (
	_ Set = staticSet(nil)
	_ Set = (*RemoteSet)(nil)
)

// StaticSet returns a set of keys that does not change.
func StaticSet(keys ...Key) Set { return staticSet(append([]Key(nil), keys...)) }

func (s staticSet) Key(_ context.Context, kid, alg string) (Key, error) {
	found := -1
	for i, k := range s {
		if k.Algorithm != alg || (kid != "" && k.KID != kid) {
			continue
		}
		if found >= 0 {
			return Key{}, fmt.Errorf("%w: several keys for %s match %q", ErrUnknownKey, alg, kid)
		}
		found = i
	}
	if found < 0 {
		return Key{}, fmt.Errorf("%w: no %s key %q", ErrUnknownKey, alg, kid)
	}
	return s[found], nil
}

// maxKeys bounds what a stranger's key set can make us parse.
const maxKeys = 256

// ParseJWKS reads a key set (RFC 7517 §5). Keys that cannot verify signatures
// here are left out, as that section asks for: other types, curves and
// algorithms, encryption keys, values out of range. So is a key that is
// published with its private part: everyone could sign with it. The error is
// about a document that is not a key set at all.
func ParseJWKS(data []byte) (Set, error) {
	keys, err := parseKeys(data)
	if err != nil {
		return nil, err
	}
	return staticSet(keys), nil
}

func parseKeys(data []byte) ([]Key, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("parse key set: %w", err)
	}
	if document.Keys == nil {
		return nil, errors.New(`parse key set: there is no "keys" array`)
	}
	if len(document.Keys) > maxKeys {
		return nil, fmt.Errorf("parse key set: %d keys are more than %d", len(document.Keys), maxKeys)
	}
	keys := make([]Key, 0, len(document.Keys))
	for _, raw := range document.Keys {
		var j struct {
			JWK
			D json.RawMessage `json:"d"`
		}
		if json.Unmarshal(raw, &j) != nil || j.D != nil {
			continue
		}
		if k, err := j.Key(); err == nil {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// PublicSet returns the public parts of keys as a key set document.
func PublicSet(keys ...Key) JWKS {
	set := JWKS{Keys: make([]JWK, 0, len(keys))}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.JWK())
	}
	return set
}
