package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/user"
)

type listInput struct {
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor   string `query:"cursor" maxLength:"1024" doc:"next_cursor of the page before, with the same sort"`
	Status   string `query:"status" enum:"pending,active,suspended,deleted" doc:"Without it all but the deleted"`
	Email    string `query:"email" maxLength:"254" doc:"Start of the address, case ignored"`
	Username string `query:"username" maxLength:"64" doc:"The whole username, case ignored"`
	Role     string `query:"role" maxLength:"64" doc:"An assigned role"`
	IDs      string `query:"ids" maxLength:"4096" doc:"At most 100 ids, separated by commas; those that are not there are left out. They come in pages too: ask for a limit of as many" example:"01890a5d-ac96-774b-bcce-b302099a8057"`
	Sort     string `query:"sort" enum:"created_at,-created_at,email,-email" default:"created_at" doc:"- puts the newest, or the last of the alphabet, first"`
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
		Sort: user.Sort(strings.TrimPrefix(in.Sort, "-")), Descending: strings.HasPrefix(in.Sort, "-"), Limit: in.Limit,
	}
	var err error
	if q.IDs, err = idList(in.IDs); err != nil {
		return nil, err
	}
	if in.Cursor != "" {
		if q.After, err = position(in.Cursor, in.Sort); err != nil {
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
		c := encodeCursor(*next, in.Sort)
		out.Body.NextCursor = &c
	}
	return out, nil
}

// maxIDs is how many users one request may name.
const maxIDs = 100

// idList returns nil for "".
func idList(s string) ([]uuid.UUID, error) {
	if s == "" {
		return nil, nil
	}
	names := strings.Split(s, ",")
	refusal := badParameter("query", "ids", "must be at most "+strconv.Itoa(maxIDs)+" ids, separated by commas")
	if len(names) > maxIDs {
		return nil, refusal
	}
	ids := make([]uuid.UUID, len(names))
	for i, name := range names {
		var err error
		if ids[i], err = uuid.Parse(name); err != nil || ids[i].String() != name {
			return nil, refusal
		}
	}
	return ids, nil
}

// cursor is what an opaque cursor holds. Nothing in it is secret or trusted
// beyond its form: who sends it may read every user.
type cursor struct {
	Sort   string    `json:"s"`
	Micros int64     `json:"t,omitempty"`
	Email  string    `json:"e,omitempty"`
	ID     uuid.UUID `json:"i"`
}

func encodeCursor(p user.Position, sort string) string {
	c := cursor{Sort: sort, ID: p.ID}
	if strings.TrimPrefix(sort, "-") == string(user.SortEmail) {
		c.Email = p.EmailKey
	} else {
		c.Micros = p.CreatedAt.UnixMicro()
	}
	data, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(data)
}

// maxCursorMicros is the year 9999, well inside what PostgreSQL can hold.
const maxCursorMicros = 253_402_300_799_000_000

func position(s, sort string) (*user.Position, error) {
	var c cursor
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	// U+0000 is what PostgreSQL's text cannot hold.
	if err != nil || c.Sort != sort || c.Micros < 0 || c.Micros > maxCursorMicros || strings.ContainsRune(c.Email, 0) {
		return nil, badParameter("query", "cursor", "is not a next_cursor of this list")
	}
	return &user.Position{CreatedAt: time.UnixMicro(c.Micros).UTC(), EmailKey: c.Email, ID: c.ID}, nil
}
