package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/email/notification"
)

// List implements [notification.Inbox].
func (s *Store) List(ctx context.Context, q notification.Query) ([]notification.Notification, error) {
	var rows []row
	query := s.db.Bun.NewSelect().Model(&rows).Where("n.user_id = ?", q.UserID).OrderExpr("n.id DESC").Limit(int64(q.Limit))
	if q.Unread {
		query = query.Where("n.read_at IS NULL")
	}
	if q.Category != "" {
		query = query.Where("n.category = ?", q.Category)
	}
	if q.Before != "" {
		query = query.Where("n.id < ?", q.Before)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list notifications: %w", err)
	}
	return notifications(rows), nil
}

// Unread implements [notification.Inbox] and [notification.Feed].
func (s *Store) Unread(ctx context.Context, userID string) (int, error) {
	var n int
	err := s.db.Bun.NewRaw("SELECT count(*) FROM notifications WHERE user_id = ? AND read_at IS NULL", userID).Scan(ctx, &n)
	if err != nil {
		return 0, fmt.Errorf("count unread notifications: %w", err)
	}
	return n, nil
}

// MarkRead implements [notification.Inbox].
func (s *Store) MarkRead(ctx context.Context, userID, id string, now time.Time) (notification.Notification, error) {
	if !database.IsUUID(id) {
		return notification.Notification{}, notification.ErrNotFound
	}
	var r row
	err := s.db.Bun.NewRaw(`UPDATE notifications SET read_at = coalesce(read_at, ?) WHERE id = ? AND user_id = ? RETURNING *`,
		now, id, userID).Scan(ctx, &r)
	if errors.Is(err, sql.ErrNoRows) {
		return notification.Notification{}, notification.ErrNotFound
	}
	if err != nil {
		return notification.Notification{}, fmt.Errorf("mark notification %s as read: %w", id, err)
	}
	return r.notification(), nil
}

// MarkAllRead implements [notification.Inbox].
func (s *Store) MarkAllRead(ctx context.Context, userID string, ids []string, now time.Time) (int, error) {
	query := s.db.Bun.NewUpdate().Table("notifications").Set("read_at = ?", now).Where("user_id = ?", userID).Where("read_at IS NULL")
	if ids != nil {
		if len(ids) == 0 {
			return 0, nil
		}
		query = query.Where("id IN (?)", bun.List(ids))
	}
	res, err := query.Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("mark notifications as read: %w", err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// Delete implements [notification.Inbox].
func (s *Store) Delete(ctx context.Context, userID, id string) error {
	if !database.IsUUID(id) {
		return notification.ErrNotFound
	}
	res, err := s.db.Bun.NewRaw("DELETE FROM notifications WHERE id = ? AND user_id = ?", id, userID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("delete notification %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, notification.ErrNotFound)
	}
	return nil
}

// Newest implements [notification.Feed].
func (s *Store) Newest(ctx context.Context, userID string) (string, error) {
	last := uuid.Nil.String()
	err := s.db.Bun.NewRaw("SELECT last_id FROM notification_inboxes WHERE user_id = ?", userID).Scan(ctx, &last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the newest notification's id: %w", err)
	}
	return last, nil
}

// Since implements [notification.Feed].
func (s *Store) Since(ctx context.Context, userID, id string, limit int) ([]notification.Notification, error) {
	var rows []row
	err := s.db.Bun.NewSelect().Model(&rows).Where("n.user_id = ?", userID).Where("n.id > ?", id).
		OrderExpr("n.id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read new notifications: %w", err)
	}
	return notifications(rows), nil
}
