package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/email/notification"
)

// Allowed implements [notification.Preferences].
func (s *Store) Allowed(ctx context.Context, userID, category, channel string) (bool, error) {
	return allowed(ctx, s.db.Bun, userID, category, channel)
}

func allowed(ctx context.Context, db bun.IDB, userID, category, channel string) (bool, error) {
	switch {
	case !slices.Contains(notification.Channels(), channel):
		return false, fmt.Errorf("preferences: there is no channel %q", channel)
	case notification.Locked(category) || userID == "":
		return true, nil
	case !database.IsUUID(userID):
		return false, fmt.Errorf("preferences: user id %q is not a UUID", userID)
	}
	var off int
	err := db.NewRaw(`SELECT count(*) FROM notification_preferences
		WHERE user_id = ? AND category = ? AND channel = ? AND NOT enabled`, userID, category, channel).Scan(ctx, &off)
	if err != nil {
		return false, fmt.Errorf("read preferences of %s: %w", userID, err)
	}
	return off == 0, nil
}

// Settings implements [notification.Choices].
func (s *Store) Settings(ctx context.Context, userID string) (notification.Settings, []string, error) {
	return settings(ctx, s.db.Bun, userID)
}

func settings(ctx context.Context, db bun.IDB, userID string) (notification.Settings, []string, error) {
	var rows []struct {
		Category, Channel string
		Enabled           bool
	}
	err := db.NewRaw("SELECT category, channel, enabled FROM notification_preferences WHERE user_id = ?", userID).Scan(ctx, &rows)
	if err != nil {
		return nil, nil, fmt.Errorf("read preferences: %w", err)
	}
	chosen := notification.Settings{}
	for _, r := range rows {
		if chosen[r.Category] == nil {
			chosen[r.Category] = map[string]bool{}
		}
		chosen[r.Category][r.Channel] = r.Enabled
	}
	var used []string
	if err := db.NewRaw("SELECT DISTINCT category FROM notifications WHERE user_id = ?", userID).Scan(ctx, &used); err != nil {
		return nil, nil, fmt.Errorf("read categories: %w", err)
	}
	return chosen, used, nil
}

// Choose implements [notification.Choices].
func (s *Store) Choose(ctx context.Context, userID string, now time.Time, change func(notification.Settings, []string) (notification.Settings, error)) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		b, err := lock(ctx, tx, userID)
		if err != nil {
			return err
		}
		if b.ErasedAt != nil {
			return notification.ErrErased
		}
		before, used, err := settings(ctx, tx, userID)
		if err != nil {
			return err
		}
		after, err := change(before, used)
		if err != nil {
			return err
		}
		if _, err := tx.NewRaw("DELETE FROM notification_preferences WHERE user_id = ?", userID).Exec(ctx); err != nil {
			return err
		}
		for category, channels := range after {
			for channel, enabled := range channels {
				_, err := tx.NewRaw(`INSERT INTO notification_preferences (user_id, category, channel, enabled, updated_at)
					VALUES (?, ?, ?, ?, ?)`, userID, category, channel, enabled, now).Exec(ctx)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change preferences: %w", err)
	}
	return nil
}
