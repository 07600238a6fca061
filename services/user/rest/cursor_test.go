package rest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/services/user"
)

// FuzzCursor: whatever a client sends as a cursor is refused or is a position
// that the store can go on from.
func FuzzCursor(f *testing.F) {
	at := user.Position{CreatedAt: time.UnixMicro(1_700_000_000_000_001).UTC(), EmailKey: "ä@example.com", ID: uuid.Must(uuid.NewV7())}
	for _, sort := range []string{"created_at", "-created_at", "email", "-email"} {
		f.Add(encodeCursor(at, sort), sort)
	}
	f.Add("bnVsbA", "email")
	f.Add("eyJ0IjotOTIyMzM3MjAzNjg1NDc3NTgwOH0", "created_at")
	f.Fuzz(func(t *testing.T, s, sort string) {
		p, err := position(s, sort)
		if err != nil {
			return
		}
		again, err := position(encodeCursor(*p, sort), sort)
		if err != nil {
			t.Fatalf("%+v does not come back: %v", p, err)
		}
		if sort == "email" || sort == "-email" {
			p.CreatedAt = again.CreatedAt
		} else {
			p.EmailKey = again.EmailKey
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Error(diff)
		}
	})
}
