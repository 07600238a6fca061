package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"gatehouse.example/services/user"
)

// List implements [user.Reader].
func (s *Store) List(ctx context.Context, q user.Query) ([]user.User, error) {
	var rows []row
	sel := filter(selectUsers(s.db.Bun, &rows).Limit(int64(q.Limit)), q)
	if err := order(sel, q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	users := make([]user.User, 0, len(rows))
	for _, r := range rows {
		u, err := r.user()
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

func filter(sel *bun.SelectQuery, q user.Query) *bun.SelectQuery {
	switch q.Status {
	case user.StatusDeleted:
		sel = sel.Where("u.deleted_at IS NOT NULL")
	case "":
		sel = sel.Where("u.deleted_at IS NULL")
	default:
		sel = sel.Where("u.deleted_at IS NULL").Where("u.status = ?", q.Status)
	}
	if q.IDs != nil {
		ids := make([]string, len(q.IDs))
		for i, id := range q.IDs {
			ids[i] = id.String()
		}
		sel = sel.Where("u.id = ANY (?::uuid[])", textArray(ids))
	}
	if q.EmailPrefix != "" {
		sel = sel.Where(`u.email_key LIKE ? ESCAPE '\'`, likePrefix(user.EmailKey(q.EmailPrefix)))
	}
	if q.Username != "" {
		sel = sel.Where("u.username = ?", strings.ToLower(q.Username))
	}
	if q.Role != "" {
		sel = sel.Where("EXISTS (SELECT 1 FROM user_roles f WHERE f.user_id = u.id AND f.role = ?)", q.Role)
	}
	return sel
}

// order sorts by a column and the id, and goes on after the position. Addresses
// are compared by bytes: an order that depends on the database's locale could
// change with its next version, in the middle of somebody's walk.
func order(sel *bun.SelectQuery, q user.Query) *bun.SelectQuery {
	direction, beyond := "", ">"
	if q.Descending {
		direction, beyond = " DESC", "<"
	}
	column := "u.created_at"
	if q.Sort == user.SortEmail {
		column = `u.email_key COLLATE "C"`
	}
	if q.After != nil {
		var at any = q.After.CreatedAt
		if q.Sort == user.SortEmail {
			at = q.After.EmailKey
		}
		sel = sel.Where("("+column+", u.id) "+beyond+" (?, ?)", at, q.After.ID)
	}
	return sel.OrderExpr(column + direction + ", u.id" + direction)
}

func likePrefix(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s) + "%"
}
