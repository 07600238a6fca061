// Package password owns what is done with a password: the policy for a new
// one, hashing with argon2id, and the bound on how many hashes run at once.
//
// Whose password it is and how often it may be guessed is left to
// services/auth/login.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// ErrBusy says that too many hashes wait already. The caller answers 503 and
// lets the client try again.
var ErrBusy = errors.New("too many password checks at once")

// Parameters are those of argon2id (RFC 9106 §3.1).
type Parameters struct {
	MemoryKiB, Passes uint32
	Lanes             uint8
}

// DefaultParameters returns OWASP's 19 MiB, 2 passes, 1 lane.
func DefaultParameters() Parameters {
	return Parameters{MemoryKiB: 19 * 1024, Passes: 2, Lanes: 1}
}

const (
	saltBytes = 16
	hashBytes = 32
	// What a stored hash may ask for, whoever wrote it: a hash must not be
	// able to exhaust memory.
	maxMemoryKiB = 256 * 1024
	maxPasses    = 16
	maxLanes     = 8
)

// Options configures [NewHasher].
type Options struct {
	// MaxConcurrent bounds how many hashes run at once. Zero: 2.
	MaxConcurrent int
	// MaxWaiting bounds how many more may wait. Zero: 96 for each that runs,
	// which is about five seconds of work.
	MaxWaiting int
	// Parameters are for new hashes. Zero: [DefaultParameters].
	Parameters Parameters
}

// Hasher hashes passwords, a bounded number at once so that a flood of
// sign-ins cannot exhaust memory. It is safe for concurrent use.
type Hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
	limit   int64
	params  Parameters
	decoy   string
}

// NewHasher returns a hasher.
func NewHasher(o Options) *Hasher {
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 2
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 96 * o.MaxConcurrent
	}
	if o.Parameters == (Parameters{}) {
		o.Parameters = DefaultParameters()
	}
	h := &Hasher{slots: make(chan struct{}, o.MaxConcurrent), limit: int64(o.MaxWaiting), params: o.Parameters}
	h.decoy = encode(o.Parameters, make([]byte, saltBytes), make([]byte, hashBytes))
	return h
}

// Hash returns the PHC string of the password under a new salt.
//
// # Errors
//
// [ErrBusy], or ctx's error.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	var phc string
	err := h.run(ctx, func() { phc = encode(h.params, salt, derive(h.params, password, salt, hashBytes)) })
	return phc, err
}

// Verify reports whether password is the one behind phc. An empty phc matches
// nothing, after the same time.
//
// # Errors
//
// [ErrBusy], ctx's error, or that phc is no argon2id hash.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (bool, error) {
	known := phc != ""
	if !known {
		phc = h.decoy
	}
	params, salt, want, err := decode(phc)
	if err != nil {
		return false, err
	}
	var got []byte
	if err := h.run(ctx, func() { got = derive(params, password, salt, uint32(len(want))) }); err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// Stale reports whether phc was made with other parameters than new hashes are.
func (h *Hasher) Stale(phc string) bool {
	params, _, _, err := decode(phc)
	return err != nil || params != h.params
}

// Waiting returns how many checks wait for their turn.
func (h *Hasher) Waiting() int { return int(h.waiting.Load()) }

func (h *Hasher) run(ctx context.Context, work func()) error {
	select {
	case h.slots <- struct{}{}:
	default:
		if h.waiting.Add(1) > h.limit {
			h.waiting.Add(-1)
			return ErrBusy
		}
		defer h.waiting.Add(-1)
		select {
		case h.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("wait for password check: %w", ctx.Err())
		}
	}
	defer func() { <-h.slots }()
	work()
	return nil
}

func derive(p Parameters, password string, salt []byte, size uint32) []byte {
	return argon2.IDKey([]byte(password), salt, p.Passes, p.MemoryKiB, p.Lanes, size)
}

func encode(p Parameters, salt, hash []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.MemoryKiB, p.Passes, p.Lanes, b64.EncodeToString(salt), b64.EncodeToString(hash))
}

var errFormat = errors.New("stored password hash is not argon2id in PHC format")

func decode(phc string) (p Parameters, salt, hash []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errFormat
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Passes, &p.Lanes); err != nil {
		return p, nil, nil, errFormat
	}
	if p.MemoryKiB > maxMemoryKiB || p.Passes == 0 || p.Passes > maxPasses || p.Lanes == 0 || p.Lanes > maxLanes {
		return p, nil, nil, errFormat
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return p, nil, nil, errFormat
	}
	if hash, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(hash) < 16 || len(hash) > 64 {
		return p, nil, nil, errFormat
	}
	return p, salt, hash, nil
}
