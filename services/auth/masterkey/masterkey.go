// Package masterkey owns the one secret that is in a file and not in the
// database: it seals the signing keys and gives the other keys of the auth
// service by derivation.
//
// What is sealed and derived is decided by its callers. Key rotation and other
// homes for the key (a KMS) are not here yet.
package masterkey

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const size = 32

// ErrSealed says that a sealed value was not sealed by this key, or was changed.
var ErrSealed = errors.New("sealed under another key or altered")

// Key is the master key. It is safe for concurrent use and never printed.
type Key struct{ raw []byte }

// New returns a key of the given 32 bytes.
func New(raw []byte) (*Key, error) {
	if len(raw) != size {
		return nil, fmt.Errorf("master key has %d bytes, want %d", len(raw), size)
	}
	return &Key{raw: append([]byte(nil), raw...)}, nil
}

// String hides the key from logs.
func (k *Key) String() string { return "[redacted]" }

// GoString hides the key from logs.
func (k *Key) GoString() string { return k.String() }

// LoadOrCreate reads the key from the file and makes both at the first start.
// Processes that start at once end up with the same key. mayCreate is asked
// before a key is made and keeps from it by an error; nothing is written then.
//
// # Errors
//
// The file cannot be read or written, can be read by others than its owner, or
// does not hold a key. An existing file is never replaced. A missing one is an
// error of mayCreate, if it returns one.
func LoadOrCreate(file string, mayCreate func() error) (*Key, error) {
	key, err := load(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if refused := mayCreate(); refused != nil {
		// What it saw may be the work of a process that made the file meanwhile.
		key, err := load(file)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("master key %s is missing: %w", file, refused)
		}
		return key, err
	}
	if err := create(file); err != nil {
		return nil, fmt.Errorf("create master key %s: %w", file, err)
	}
	return load(file)
}

func load(file string) (*Key, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("master key %s is open to others (mode %04o): chmod 600 it, and make new keys if others may have read it", file, info.Mode().Perm())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != size {
		return nil, fmt.Errorf("master key %s is damaged: want %d bytes in base64; restore it from a backup", file, size)
	}
	return New(raw)
}

// create writes a complete file beside the wanted one and links it into place,
// which fails if another process was first: that one's key is then ours too.
func create(file string) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	raw := make([]byte, size)
	_, _ = rand.Read(raw)                       // never fails (crypto/rand)
	temp, err := os.CreateTemp(dir, ".master-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Link(temp.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Derive returns a 32-byte key for one purpose (RFC 5869).
func (k *Key) Derive(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, k.raw, nil, "gatehouse auth "+purpose, size)
	if err != nil {
		return nil, fmt.Errorf("derive key for %s: %w", purpose, err)
	}
	return key, nil
}

// Seal encrypts plain with AES-256-GCM under a key derived for purpose. Open
// needs the same purpose.
func (k *Key) Seal(purpose string, plain []byte) ([]byte, error) {
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, []byte(purpose)), nil
}

// Open decrypts what [Key.Seal] made, or returns [ErrSealed].
func (k *Key) Open(purpose string, sealed []byte) ([]byte, error) {
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose, ErrSealed)
	}
	return plain, nil
}

func (k *Key) aead(purpose string) (cipher.AEAD, error) {
	derived, err := k.Derive("seal " + purpose)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("prepare cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
