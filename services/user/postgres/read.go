package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"gatehouse.example/services/user"
)

// row is a line of the table users, with the roles that selectUsers adds.
type row struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID            uuid.UUID       `bun:"id,pk,type:uuid"`
	Email         string          `bun:"email"`
	EmailKey      string          `bun:"email_key"`
	EmailVerified bool            `bun:"email_verified"`
	Username      string          `bun:"username,nullzero"`
	Status        user.Status     `bun:"status"`
	Origin        user.Origin     `bun:"origin"`
	Profile       json.RawMessage `bun:"profile,type:jsonb"`
	Version       int64           `bun:"version"`
	CreatedAt     time.Time       `bun:"created_at"`
	UpdatedAt     time.Time       `bun:"updated_at"`
	DeletedAt     time.Time       `bun:"deleted_at,nullzero"`
	StatusReason  string          `bun:"status_reason,nullzero"`
	StatusBefore  user.Status     `bun:"status_before,nullzero"`
	Roles         []string        `bun:"roles,array,scanonly"`
}

func rowOf(u user.User) (row, error) {
	profile, err := json.Marshal(u.Profile)
	if err != nil {
		return row{}, fmt.Errorf("encode profile: %w", err)
	}
	return row{
		ID: u.ID, Email: u.Email, EmailKey: user.EmailKey(u.Email), EmailVerified: u.EmailVerified,
		Username: u.Username, Status: u.Status, Origin: u.Origin, Profile: profile, Version: u.Version,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, DeletedAt: u.DeletedAt,
		StatusReason: u.StatusReason, StatusBefore: u.StatusBefore,
	}, nil
}

func (r row) user() (user.User, error) {
	u := user.User{
		ID: r.ID, Email: r.Email, EmailVerified: r.EmailVerified, Username: r.Username, Status: r.Status,
		Roles: r.Roles, Origin: r.Origin, Version: r.Version, StatusReason: r.StatusReason, StatusBefore: r.StatusBefore,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if u.Roles == nil {
		u.Roles = []string{}
	}
	if !r.DeletedAt.IsZero() {
		u.DeletedAt = r.DeletedAt.UTC()
	}
	if err := json.Unmarshal(r.Profile, &u.Profile); err != nil {
		return user.User{}, fmt.Errorf("profile of user %s: %w", r.ID, err)
	}
	return u, nil
}

func selectUsers(db bun.IDB, model any) *bun.SelectQuery {
	return db.NewSelect().Model(model).
		Column("u.id", "u.email", "u.email_key", "u.email_verified", "u.username", "u.status", "u.origin",
			"u.profile", "u.version", "u.created_at", "u.updated_at", "u.deleted_at", "u.status_reason", "u.status_before").
		ColumnExpr(`(SELECT coalesce(array_agg(r.role ORDER BY r.role), '{}') FROM user_roles r WHERE r.user_id = u.id) AS roles`)
}

func byID(db bun.IDB, id uuid.UUID) *bun.SelectQuery {
	return selectUsers(db, new(row)).Where("u.id = ?", id).Where("u.deleted_at IS NULL")
}

func deletedByID(db bun.IDB, id uuid.UUID) *bun.SelectQuery {
	return selectUsers(db, new(row)).Where("u.id = ?", id).Where("u.deleted_at IS NOT NULL")
}

// one runs a query of selectUsers for a single user.
func one(ctx context.Context, q *bun.SelectQuery) (user.User, error) {
	var r row
	if err := q.Model(&r).Scan(ctx); err != nil {
		return user.User{}, err
	}
	return r.user()
}

// ByID implements [user.Reader].
func (s *Store) ByID(ctx context.Context, id uuid.UUID) (user.User, error) {
	u, err := one(ctx, byID(s.db.Bun, id))
	if err != nil {
		return user.User{}, translate("load user", err)
	}
	return u, nil
}

// ByLogin implements [user.Reader].
func (s *Store) ByLogin(ctx context.Context, login string) (user.User, error) {
	q := selectUsers(s.db.Bun, new(row)).Where("u.deleted_at IS NULL")
	if strings.Contains(login, "@") {
		email, err := user.ParseEmail(login)
		if err != nil {
			return user.User{}, user.ErrNotFound
		}
		q = q.Where("u.email_key = ?", user.EmailKey(email))
	} else {
		name, err := user.ParseUsername(login)
		if err != nil {
			return user.User{}, user.ErrNotFound
		}
		q = q.Where("u.username = ?", name)
	}
	u, err := one(ctx, q)
	if err != nil {
		return user.User{}, translate("look up login", err)
	}
	return u, nil
}

func textArray(s []string) any { return pgdialect.Array(s) }
