package config

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	kit "gatehouse.example/internal/config"
)

// Load reads and checks a file.
//
// # Errors
//
// An error holds one line for each thing that is wrong, each starting with
// "FILE:LINE:COLUMN: ".
func Load(file string) (*Gateway, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read gateway configuration: %w", err)
	}
	return Parse(file, data)
}

// Parse checks data, the bytes of file. Relative paths in it are relative to
// the folder of file.
func Parse(file string, data []byte) (*Gateway, error) {
	var raw fileGateway
	if err := kit.DecodeStrict(file, data, &raw); err != nil {
		return nil, err
	}
	base, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("folder of %s: %w", file, err)
	}
	g := &Gateway{File: file, SHA256: sha256.Sum256(data), places: findPlaces(file, data)}
	b := builder{Gateway: g, raw: &raw, base: base, problems: problems{places: &g.places}}
	b.listeners()
	b.limits()
	b.trustedProxies()
	b.versions()
	b.filters()
	b.upstreams()
	b.routes()
	if err := b.err(); err != nil {
		return nil, err
	}
	slices.Sort(g.Files)
	g.Files = slices.Compact(g.Files)
	return g, nil
}

// builder turns the file's shape into a [Gateway].
type builder struct {
	*Gateway
	problems
	raw  *fileGateway
	base string
}

// path resolves a path of the file and records that the configuration depends
// on it.
func (b *builder) path(p string) string {
	if !filepath.IsAbs(p) {
		p = filepath.Join(b.base, p)
	}
	b.Files = append(b.Files, p)
	return p
}

// folder resolves the path of a folder, whose content is not part of the
// configuration.
func (b *builder) folder(p string) string {
	if !filepath.IsAbs(p) {
		p = filepath.Join(b.base, p)
	}
	return p
}
