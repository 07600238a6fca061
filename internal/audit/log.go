package audit

import (
	"context"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
)

// Log records what belongs to no change of the service's own, such as a refusal.
// It is safe for concurrent use.
type Log struct{ db *database.DB }

// NewLog returns the log of the service whose schema db uses.
func NewLog(db *database.DB) *Log { return &Log{db: db} }

// Record writes r as [Write] does, in a transaction of its own.
func (l *Log) Record(ctx context.Context, r Record) error {
	return l.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error { return Write(ctx, tx, r) })
}
