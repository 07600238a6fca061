package database

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"
)

// MigrationSet is the migrations of one service.
type MigrationSet struct {
	// Service names the set in messages: "auth".
	Service string
	// Schema is made if it is missing; unqualified names in the files mean it.
	Schema string
	// Role is made (NOLOGIN) if it is missing and granted what a service needs
	// in Schema. "" grants nothing.
	Role string
	// FS holds the files NNNN_name.up.sql at its root.
	FS fs.FS
}

// MigrateOptions says what to migrate, and as whom.
type MigrateOptions struct {
	// URL logs in as the owner of the schemas, directly at the server: the
	// lock of a run belongs to its connection.
	URL string
	// Sets are migrated in this order.
	Sets []MigrationSet
	// Logger receives a line for each applied file; nil means slog.Default.
	Logger *slog.Logger
}

// MigrationStatus is what is known of one migration.
type MigrationStatus struct {
	Service   string     `json:"service"`
	Version   int        `json:"version"`
	Name      string     `json:"name"`
	File      string     `json:"file"`
	State     string     `json:"state"`
	AppliedAt *time.Time `json:"applied_at,omitempty"`
}

func Migrate(ctx context.Context, o MigrateOptions) (applied []string, err error) {
	return nil, errors.New("migrate: not there yet")
}

func Status(ctx context.Context, o MigrateOptions) ([]MigrationStatus, error) {
	return nil, errors.New("status: not there yet")
}
