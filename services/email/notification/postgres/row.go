package postgres

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/services/email/notification"
)

type row struct {
	bun.BaseModel `bun:"table:notifications,alias:n"`

	ID        string     `bun:"id,pk,type:uuid"`
	UserID    string     `bun:"user_id,type:uuid"`
	Category  string     `bun:"category"`
	Type      string     `bun:"type"`
	Title     string     `bun:"title"`
	Body      string     `bun:"body"`
	Link      string     `bun:"link"`
	Data      string     `bun:"data,type:jsonb"`
	Cause     *string    `bun:"cause"`
	CreatedAt time.Time  `bun:"created_at"`
	ReadAt    *time.Time `bun:"read_at"`
}

func rowOf(n notification.Notification) (row, error) {
	data := []byte("{}")
	if len(n.Data) > 0 {
		var err error
		if data, err = json.Marshal(n.Data); err != nil {
			return row{}, fmt.Errorf("encode data of a notification: %w", err)
		}
	}
	r := row{
		ID: n.ID, UserID: n.UserID, Category: n.Category, Type: n.Type,
		Title: n.Title, Body: n.Body, Link: n.Link, Data: string(data), CreatedAt: n.CreatedAt,
	}
	if n.Cause != "" {
		r.Cause = &n.Cause
	}
	return r, nil
}

func (r row) notification() (notification.Notification, error) {
	n := notification.Notification{
		ID: r.ID, UserID: r.UserID, Category: r.Category, Type: r.Type,
		Title: r.Title, Body: r.Body, Link: r.Link, CreatedAt: r.CreatedAt.UTC(),
	}
	if err := json.Unmarshal([]byte(r.Data), &n.Data); err != nil {
		return n, fmt.Errorf("decode data of notification %s: %w", r.ID, err)
	}
	if r.Cause != nil {
		n.Cause = *r.Cause
	}
	if r.ReadAt != nil {
		n.ReadAt = r.ReadAt.UTC()
	}
	return n, nil
}

func notifications(rows []row) ([]notification.Notification, error) {
	all := make([]notification.Notification, 0, len(rows))
	for _, r := range rows {
		n, err := r.notification()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}
