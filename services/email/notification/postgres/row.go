package postgres

import (
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/services/email/notification"
)

type row struct {
	bun.BaseModel `bun:"table:notifications,alias:n"`

	ID        string            `bun:"id,pk,type:uuid"`
	UserID    string            `bun:"user_id,type:uuid"`
	Category  string            `bun:"category"`
	Type      string            `bun:"type"`
	Title     string            `bun:"title"`
	Body      string            `bun:"body"`
	Link      string            `bun:"link"`
	Data      map[string]string `bun:"data,type:jsonb"`
	Cause     *string           `bun:"cause"`
	CreatedAt time.Time         `bun:"created_at"`
	ReadAt    *time.Time        `bun:"read_at"`
}

func rowOf(n notification.Notification) row {
	r := row{
		ID: n.ID, UserID: n.UserID, Category: n.Category, Type: n.Type,
		Title: n.Title, Body: n.Body, Link: n.Link, Data: n.Data, CreatedAt: n.CreatedAt,
	}
	if r.Data == nil {
		r.Data = map[string]string{}
	}
	if n.Cause != "" {
		r.Cause = &n.Cause
	}
	return r
}

func (r row) notification() notification.Notification {
	n := notification.Notification{
		ID: r.ID, UserID: r.UserID, Category: r.Category, Type: r.Type,
		Title: r.Title, Body: r.Body, Link: r.Link, Data: r.Data, CreatedAt: r.CreatedAt.UTC(),
	}
	if r.Cause != nil {
		n.Cause = *r.Cause
	}
	if r.ReadAt != nil {
		n.ReadAt = r.ReadAt.UTC()
	}
	return n
}

func notifications(rows []row) []notification.Notification {
	all := make([]notification.Notification, 0, len(rows))
	for _, r := range rows {
		all = append(all, r.notification())
	}
	return all
}
