package postgres

import (
	"context"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
)

// Records writes audit records of what changed nothing, such as a sign-in that
// failed. A change's record is written in its own transaction.
type Records struct{ db *database.DB }

// NewRecords returns the store on db.
func NewRecords(db *database.DB) *Records { return &Records{db} }

// Record writes the record by itself.
func (s *Records) Record(ctx context.Context, r audit.Record) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error { return audit.Write(ctx, tx, r) })
}
