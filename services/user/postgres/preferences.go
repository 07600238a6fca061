package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gatehouse.example/services/user"
)

var _ user.PreferenceStore = (*Store)(nil)

type preferenceRow struct {
	bun.BaseModel `bun:"table:preferences"`

	UserID    uuid.UUID       `bun:"user_id,pk,type:uuid"`
	Namespace string          `bun:"namespace,pk"`
	Value     json.RawMessage `bun:"value,type:jsonb"`
	Version   int64           `bun:"version"`
	CreatedAt time.Time       `bun:"created_at"`
	UpdatedAt time.Time       `bun:"updated_at"`
}

func (r preferenceRow) preference() (user.Preference, error) {
	p := user.Preference{Namespace: r.Namespace, Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC()}
	if err := json.Unmarshal(r.Value, &p.Value); err != nil {
		return user.Preference{}, fmt.Errorf("preferences %q of user %s: %w", r.Namespace, r.UserID, err)
	}
	return p, nil
}

// ListPreferences implements [user.PreferenceStore].
func (s *Store) ListPreferences(ctx context.Context, id uuid.UUID) (user.User, []user.Preference, error) {
	u, err := s.ByID(ctx, id)
	if err != nil {
		return user.User{}, nil, err
	}
	var rows []preferenceRow
	// Erasure removes them with the user: none are read of one that is gone.
	err = s.db.Bun.NewSelect().Model(&rows).Where("user_id = ?", id).OrderExpr(`namespace COLLATE "C"`).Scan(ctx)
	if err != nil {
		return user.User{}, nil, fmt.Errorf("list preferences: %w", err)
	}
	list := make([]user.Preference, 0, len(rows))
	for _, r := range rows {
		p, err := r.preference()
		if err != nil {
			return user.User{}, nil, err
		}
		list = append(list, p)
	}
	return u, list, nil
}

// ChangePreference implements [user.PreferenceStore].
func (s *Store) ChangePreference(ctx context.Context, id uuid.UUID, namespace string,
	change func(user.User, *user.Preference) (*user.Preference, error),
) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		// The lock on the user serialises its preferences, so that the count
		// below holds.
		if _, err := tx.NewRaw("SELECT 1 FROM users WHERE id = ? FOR NO KEY UPDATE", id).Exec(ctx); err != nil {
			return err
		}
		u, err := one(ctx, byID(tx, id))
		if err != nil {
			return err
		}
		current, err := preference(ctx, tx, id, namespace)
		if err != nil {
			return err
		}
		next, err := change(u, current)
		switch {
		case err != nil:
			return err
		case next == nil:
			return removePreference(ctx, tx, id, namespace)
		case next == current:
			return nil
		}
		return keepPreference(ctx, tx, id, *next, current == nil)
	})
	if err != nil {
		return translate("change preferences", err)
	}
	return nil
}

// preference returns nil if the namespace is unset.
func preference(ctx context.Context, tx bun.Tx, id uuid.UUID, namespace string) (*user.Preference, error) {
	var r preferenceRow
	err := tx.NewSelect().Model(&r).Where("user_id = ? AND namespace = ?", id, namespace).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read preferences: %w", err)
	}
	p, err := r.preference()
	return &p, err
}

func removePreference(ctx context.Context, tx bun.Tx, id uuid.UUID, namespace string) error {
	_, err := tx.NewRaw("DELETE FROM preferences WHERE user_id = ? AND namespace = ?", id, namespace).Exec(ctx)
	if err != nil {
		return fmt.Errorf("remove preferences: %w", err)
	}
	return nil
}

func keepPreference(ctx context.Context, tx bun.Tx, id uuid.UUID, p user.Preference, fresh bool) error {
	if fresh {
		var n int
		if err := tx.NewRaw("SELECT count(*) FROM preferences WHERE user_id = ?", id).Scan(ctx, &n); err != nil {
			return fmt.Errorf("count preferences: %w", err)
		}
		if n >= user.MaxNamespaces {
			return user.ErrTooManyNamespaces
		}
	}
	value, err := json.Marshal(p.Value)
	if err != nil {
		return fmt.Errorf("encode preferences: %w", err)
	}
	r := preferenceRow{UserID: id, Namespace: p.Namespace, Value: value, Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
	_, err = tx.NewInsert().Model(&r).On("CONFLICT (user_id, namespace) DO UPDATE").
		Set("value = EXCLUDED.value, version = EXCLUDED.version, updated_at = EXCLUDED.updated_at").Exec(ctx)
	if err != nil {
		return fmt.Errorf("store preferences: %w", err)
	}
	return nil
}
