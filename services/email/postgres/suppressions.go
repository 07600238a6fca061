package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/services/email"
)

var _ email.SuppressionList = (*Store)(nil)

// Suppression implements [email.Suppressions].
func (s *Store) Suppression(ctx context.Context, address string) (email.Suppression, error) {
	return suppressionOf(ctx, s.db.Bun, address)
}

func suppressionOf(ctx context.Context, db bun.IDB, address string) (email.Suppression, error) {
	var row suppressionRow
	err := db.NewSelect().Model(&row).Where("s.address_key = ?", email.AddressKey(address)).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return email.Suppression{}, email.ErrNotFound
	}
	if err != nil {
		return email.Suppression{}, fmt.Errorf("load suppression: %w", err)
	}
	return row.suppression(), nil
}

// Suppressions implements [email.SuppressionList].
func (s *Store) Suppressions(ctx context.Context, after string, limit int) ([]email.Suppression, error) {
	var rows []suppressionRow
	err := s.db.Bun.NewSelect().Model(&rows).Where("s.address_key > ?", after).
		OrderExpr("s.address_key").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list suppressions: %w", err)
	}
	list := make([]email.Suppression, len(rows))
	for i, row := range rows {
		list[i] = row.suppression()
	}
	return list, nil
}

// Suppress implements [email.SuppressionList].
func (s *Store) Suppress(ctx context.Context, entry email.Suppression) (stored email.Suppression, created bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if created, err = suppress(ctx, tx, entry); err != nil || created {
			stored = entry
			return err
		}
		stored, err = suppressionOf(ctx, tx, entry.Address)
		return err
	})
	if err != nil {
		return email.Suppression{}, false, fmt.Errorf("suppress an address: %w", err)
	}
	return stored, created, nil
}

func suppress(ctx context.Context, tx bun.Tx, entry email.Suppression) (created bool, err error) {
	result, err := tx.NewInsert().Model(&suppressionRow{
		AddressKey: email.AddressKey(entry.Address), ID: entry.ID, Address: entry.Address,
		Reason: entry.Reason, CreatedAt: entry.CreatedAt, CreatedBy: entry.CreatedBy,
	}).On("CONFLICT (address_key) DO NOTHING").Exec(ctx)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	return true, audit.Write(ctx, tx, entry.Audit)
}

// Unsuppress implements [email.SuppressionList].
func (s *Store) Unsuppress(ctx context.Context, address string, record func(email.Suppression) (audit.Record, error)) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var row suppressionRow
		err := tx.NewDelete().Model(&row).Where("s.address_key = ?", email.AddressKey(address)).Returning("?TableColumns").Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return email.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("delete suppression: %w", err)
		}
		r, err := record(row.suppression())
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, r)
	})
}
