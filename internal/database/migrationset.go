package database

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// MigrationSet is the migrations of one service.
type MigrationSet struct {
	// Service names the set in messages: "auth".
	Service string
	// Schema is made if it is missing; unqualified names in the files mean it.
	Schema string
	// Role is made (NOLOGIN) if it is missing, and granted what a service
	// needs in Schema: to read and write tables, but only to insert where the
	// table's name starts with "audit". "" grants nothing.
	Role string
	// ReadsAudit lets the role read those tables too.
	ReadsAudit bool
	// FS holds the files NNNN_name.up.sql at its root; other files, such as a
	// README, are left alone unless they end in .sql. nil means none.
	FS fs.FS
}

type migrationFile struct {
	version  int
	name     string
	path     string // as messages name it
	sql      string
	checksum string
}

// appliedFile is a row of schema_migrations.
type appliedFile struct {
	version   int
	name      string
	checksum  string
	appliedAt time.Time
}

// files returns the files of the set by version.
func (s MigrationSet) files() ([]migrationFile, error) {
	if s.FS == nil {
		return nil, nil
	}
	form := regexp.MustCompile(`^(\d{4,9})_([a-z0-9_]+)\.up\.sql$`)
	entries, err := fs.ReadDir(s.FS, ".")
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", s.Service, err)
	}
	var files []migrationFile
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".sql" {
			continue
		}
		shown := "migrations/" + s.Service + "/" + e.Name()
		m := form.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("%s: the name must be like 0001_name.up.sql", shown)
		}
		text, err := fs.ReadFile(s.FS, e.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown, err)
		}
		version, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown, err)
		}
		sum := sha256.Sum256(text)
		files = append(files, migrationFile{
			version: version, name: m[2], path: shown, sql: string(text), checksum: hex.EncodeToString(sum[:]),
		})
	}
	slices.SortFunc(files, func(a, b migrationFile) int { return a.version - b.version })
	for i := 1; i < len(files); i++ {
		if files[i].version == files[i-1].version {
			return nil, fmt.Errorf("%s: has the same version as %s", files[i].path, files[i-1].path)
		}
	}
	return files, nil
}
