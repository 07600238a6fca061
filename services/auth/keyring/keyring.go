// Package keyring owns the keys that sign tokens: it makes the first one,
// keeps the current set in memory, and follows changes that other replicas
// make in the database.
//
// Private keys leave this process only sealed under the master key. Rotation
// (next, active, retiring, retired) has its states in the table already; who
// moves a key from one to the other comes later.
package keyring

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gatehouse.example/internal/jose"
	"gatehouse.example/services/auth/masterkey"
)

// State is a key's place in its life.
type State string

// The states of a signing key. All but retired keys are published.
const (
	StateNext     State = "next"
	StateActive   State = "active"
	StateRetiring State = "retiring"
	StateRetired  State = "retired"
)

// StoredKey is a signing key as stored.
type StoredKey struct {
	KID       string
	Algorithm string
	State     State
	// Sealed is the PKCS #8 private key, encrypted under the master key.
	Sealed    []byte
	CreatedAt time.Time
}

// Store keeps the keys.
type Store interface {
	// SigningKeys returns all keys that are not retired, the oldest first.
	SigningKeys(ctx context.Context) ([]StoredKey, error)
	// AddActiveKey stores the key unless its algorithm has an active one.
	AddActiveKey(ctx context.Context, key StoredKey) error
}

// Options configures [Open].
type Options struct {
	Store  Store
	Master *masterkey.Key
	// MasterKeyFile is named in the error when the master key does not fit.
	MasterKeyFile string
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Ring is the set of signing keys. It is safe for concurrent use.
type Ring struct {
	options Options
	keys    atomic.Pointer[ringKeys]
}

type ringKeys struct {
	active jose.Key
	set    jose.Set
	jwks   jose.JWKS
}

// Open loads the keys and makes the first one where there is none.
func Open(ctx context.Context, o Options) (*Ring, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Ring{options: o}
	stored, err := o.Store.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	if !hasActive(stored) {
		if err := r.generate(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Unused returns an error if there are signing keys already: they were sealed
// under a master key, and no new one opens them.
func Unused(ctx context.Context, s Store) error {
	stored, err := s.SigningKeys(ctx)
	if err != nil {
		return err
	}
	if len(stored) > 0 {
		return errors.New("the database holds signing keys that were sealed under it; restore the file from a backup")
	}
	return nil
}

func hasActive(keys []StoredKey) bool {
	for _, k := range keys {
		if k.State == StateActive && k.Algorithm == jose.ES256 {
			return true
		}
	}
	return false
}

func (r *Ring) generate(ctx context.Context) error {
	key, err := jose.GenerateES256()
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Private)
	if err != nil {
		return fmt.Errorf("encode signing key: %w", err)
	}
	sealed, err := r.options.Master.Seal(purpose(key.KID), der)
	if err != nil {
		return fmt.Errorf("seal signing key: %w", err)
	}
	return r.options.Store.AddActiveKey(ctx, StoredKey{
		KID: key.KID, Algorithm: key.Algorithm, State: StateActive, Sealed: sealed, CreatedAt: r.options.Now(),
	})
}

// Reload reads the keys again. On an error the ring keeps what it has.
func (r *Ring) Reload(ctx context.Context) error {
	stored, err := r.options.Store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	next := &ringKeys{}
	var all []jose.Key
	for _, s := range stored {
		key, err := r.open(s)
		if err != nil {
			return err
		}
		if s.State == StateActive && s.Algorithm == jose.ES256 {
			next.active = key
		}
		all = append(all, key)
		next.jwks.Keys = append(next.jwks.Keys, publicJWK(key))
	}
	if next.active.Private == nil {
		return fmt.Errorf("no active %s signing key", jose.ES256)
	}
	next.set = jose.StaticSet(all...)
	r.keys.Store(next)
	return nil
}

func publicJWK(key jose.Key) jose.JWK {
	jwk := key.JWK()
	jwk.Use = "sig" // RFC 7517 §4.2
	return jwk
}

func (r *Ring) open(s StoredKey) (jose.Key, error) {
	der, err := r.options.Master.Open(purpose(s.KID), s.Sealed)
	if err != nil {
		return jose.Key{}, fmt.Errorf("signing key %s does not open with master key %s: %w; restore the file that this database was made with", s.KID, r.options.MasterKeyFile, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return jose.Key{}, fmt.Errorf("decode signing key %s: %w", s.KID, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return jose.Key{}, fmt.Errorf("decode signing key %s: %T does not sign", s.KID, parsed)
	}
	return jose.NewKey(s.KID, s.Algorithm, signer)
}

func purpose(kid string) string { return "signing key " + kid }

// Active returns the key that signs.
func (r *Ring) Active() jose.Key { return r.keys.Load().active }

// Set returns the keys whose signatures count.
func (r *Ring) Set() jose.Set { return r.keys.Load().set }

// JWKS returns the public keys (RFC 7517 §5).
func (r *Ring) JWKS() jose.JWKS { return r.keys.Load().jwks }
