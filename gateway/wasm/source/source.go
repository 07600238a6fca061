package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/internal/outbound"
)

// The defaults of [Options].
const (
	// DefaultMaxModuleBytes bounds a module.
	DefaultMaxModuleBytes = 32 << 20
	// DefaultTimeout bounds the fetching of a module, redirects included.
	DefaultTimeout = time.Minute
	// DefaultMaxCopyBytes bounds the folder of copies.
	DefaultMaxCopyBytes = 512 << 20
)

// Options configure a [Loader]. The zero value knows no built-in filters and
// keeps no copies.
type Options struct {
	// Builtin returns the module behind "builtin:NAME"; nil knows none.
	Builtin func(name string) ([]byte, error)
	// CopyDir is the private folder where fetched modules are kept, made when
	// it is needed; empty keeps none, so that every load fetches.
	CopyDir string
	// MaxCopyBytes bounds that folder; zero means DefaultMaxCopyBytes.
	MaxCopyBytes int64
	// MaxModuleBytes bounds a module whose filter says nothing of it; zero
	// means DefaultMaxModuleBytes.
	MaxModuleBytes int64
	// Timeout bounds the fetching of one module; zero means DefaultTimeout.
	Timeout time.Duration
	// Outbound are further options of the clients that fetch: what a test's
	// server needs. Loader sets the rest.
	Outbound outbound.Options
	// Logger hears of copies that could not be used or kept; nil means
	// slog.Default.
	Logger *slog.Logger
}

// Loader reads the modules of filters. It is safe for concurrent use.
type Loader struct {
	options Options
	// named fetches from the address that the operator wrote, public from
	// those that a server redirects to.
	named, public *http.Client
}

var _ filter.Loader = (*Loader)(nil)

// New returns a loader.
func New(o Options) *Loader {
	if o.MaxModuleBytes == 0 {
		o.MaxModuleBytes = DefaultMaxModuleBytes
	}
	if o.MaxCopyBytes == 0 {
		o.MaxCopyBytes = DefaultMaxCopyBytes
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	l := &Loader{options: o}
	l.public = newClient(o, false)
	l.named = newClient(o, true)
	return l
}

// Load implements [filter.Loader]: it returns the bytes behind s.Module once
// they have passed s.SHA256 and s.Signature.
//
// # Errors
//
// An error begins with the key of the entry that it is about (module, sha256,
// signature, limits/module) and says what to do.
func (l *Loader) Load(ctx context.Context, s *filter.Spec) ([]byte, error) {
	binary, err := l.read(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := checkDigest(binary, s.SHA256); err != nil {
		return nil, err
	}
	if err := checkSignature(binary, s.Signature); err != nil {
		return nil, err
	}
	return binary, nil
}

func (l *Loader) read(ctx context.Context, s *filter.Spec) ([]byte, error) {
	limit := l.limit(s)
	scheme, rest, _ := strings.Cut(s.Module, ":")
	switch {
	case scheme == "builtin" && rest != "":
		if l.options.Builtin == nil {
			return nil, fmt.Errorf("module: %s: this binary has no built-in filters", s.Module)
		}
		binary, err := l.options.Builtin(rest)
		if err != nil {
			return nil, fmt.Errorf("module: %w", err)
		}
		return binary, checkSize(int64(len(binary)), limit)
	case scheme == "file" && rest != "":
		return ReadFile(rest, limit)
	case scheme == "https":
		return l.remote(ctx, s, limit)
	}
	return nil, fmt.Errorf("module: %q: want builtin:NAME, file:PATH or https://HOST/PATH", s.Module)
}

func (l *Loader) limit(s *filter.Spec) int64 {
	if s.Limits.ModuleBytes > 0 {
		return s.Limits.ModuleBytes
	}
	return l.options.MaxModuleBytes
}

// ReadFile reads a module of at most limit bytes; 0 means
// DefaultMaxModuleBytes.
//
// # Errors
//
// As those of [Loader.Load].
func ReadFile(path string, limit int64) ([]byte, error) {
	if limit == 0 {
		limit = DefaultMaxModuleBytes
	}
	// Opening a pipe would wait for whoever writes into it.
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("module: %s: there is no such file: build it, or correct the path", path)
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("module: %s: not a regular file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	// What is far too large is refused before it is read.
	if err := checkSize(info.Size(), limit); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	defer file.Close()
	// One byte more than allowed tells "too large" from "just fits", should the
	// file grow meanwhile.
	binary, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	return binary, checkSize(int64(len(binary)), limit)
}

func checkSize(size, limit int64) error {
	if size <= limit {
		return nil
	}
	return fmt.Errorf("limits/module: the module's %d bytes are more than the allowed %d: raise limits.module if it is meant to be so large", size, limit)
}

// checkDigest compares a module with the pin of its configuration.
func checkDigest(binary []byte, pin string) error {
	if pin == "" {
		return nil
	}
	if have := digestOf(binary); !strings.EqualFold(have, pin) {
		return fmt.Errorf("sha256: the module's is %s, the configuration wants %s: if you trust this module, pin its digest", have, strings.ToLower(pin))
	}
	return nil
}

func digestOf(binary []byte) string {
	sum := sha256.Sum256(binary)
	return hex.EncodeToString(sum[:])
}

// copyFile is where the copy of a fetched module is kept.
func (l *Loader) copyFile(digest string) string {
	return filepath.Join(l.options.CopyDir, strings.ToLower(digest)+".wasm")
}
