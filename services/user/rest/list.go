package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

type listInput struct {
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor   string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before"`
	Status   string `query:"status" enum:"pending,active,suspended"`
	Email    string `query:"email" maxLength:"254" doc:"Start of the address, case ignored"`
	Username string `query:"username" maxLength:"64" doc:"The whole username, case ignored"`
	Role     string `query:"role" maxLength:"64" doc:"An assigned role"`
	Sort     string `query:"sort" enum:"created_at,-created_at" default:"created_at" doc:"- puts the newest first"`
}

type page struct {
	Items []User `json:"items" nullable:"false"`
	// NextCursor is always present; null at the end.
	NextCursor *string `json:"next_cursor" nullable:"true"`
}

type listOutput struct{ Body page }

func (a *api) list(ctx context.Context, in *listInput) (*listOutput, error) {
	if err := require(ctx, rbac.UsersRead); err != nil {
		return nil, err
	}
	q := user.Query{
		Status: user.Status(in.Status), EmailPrefix: in.Email, Username: in.Username, Role: in.Role,
		Descending: in.Sort == "-created_at", Limit: in.Limit,
	}
	if in.Cursor != "" {
		var err error
		if q.After, err = position(in.Cursor, q.Descending); err != nil {
			return nil, err
		}
	}
	users, next, err := a.accounts.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &listOutput{Body: page{Items: make([]User, 0, len(users))}}
	for _, u := range users {
		out.Body.Items = append(out.Body.Items, represent(u))
	}
	if next != nil {
		c := encodeCursor(*next, q.Descending)
		out.Body.NextCursor = &c
	}
	return out, nil
}

// cursor is what an opaque cursor holds. Nothing in it is secret or trusted
// beyond its form.
type cursor struct {
	Micros     int64     `json:"t"`
	ID         uuid.UUID `json:"i"`
	Descending bool      `json:"d,omitempty"`
}

func encodeCursor(p user.Position, descending bool) string {
	data, _ := json.Marshal(cursor{Micros: p.CreatedAt.UnixMicro(), ID: p.ID, Descending: descending})
	return base64.RawURLEncoding.EncodeToString(data)
}

// maxCursorMicros is the year 9999, well inside what PostgreSQL can hold.
const maxCursorMicros = 253_402_300_799_000_000

func position(s string, descending bool) (*user.Position, error) {
	var c cursor
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || c.Descending != descending || c.Micros < 0 || c.Micros > maxCursorMicros {
		return nil, problem.New(http.StatusBadRequest, codeCursor, "the cursor is not one that this list returned").
			With(problem.Violation{In: "query", Name: "cursor", Detail: "is not a next_cursor of this list"})
	}
	return &user.Position{CreatedAt: time.UnixMicro(c.Micros).UTC(), ID: c.ID}, nil
}
