package postgres

import (
	"context"
	"fmt"
	"time"

	"gatehouse.example/internal/database"
)

// Sweeper removes what has expired.
type Sweeper struct{ db *database.DB }

// NewSweeper returns the sweeper on db.
func NewSweeper(db *database.DB) *Sweeper { return &Sweeper{db} }

const day = 24 * time.Hour

// Sweep removes rows whose time is over, and returns how many. What a replay is
// recognised by stays for a while longer.
func (s *Sweeper) Sweep(ctx context.Context, now time.Time) (removed int64, err error) {
	for _, table := range []struct {
		name, column string
		keep         time.Duration
	}{
		{"issued_access_tokens", "expires_at", 0},
		{"client_access_tokens", "expires_at", 0},
		{"revocations", "expires_at", 0},
		{"authorization_codes", "expires_at", day},
		{"challenges", "expires_at", day},
		{"client_secrets", "expires_at", day},
		{"refresh_families", "expires_at", day},
		{"sessions", "expires_at", 30 * day},
		{"login_attempts", "last_at", day},
		{"social_flows", "expires_at", 0},
		{"pending_identities", "expires_at", 0},
		{"known_devices", "last_used_at", 365 * day},
	} {
		tag, err := s.db.Pool.Exec(ctx, `DELETE FROM `+table.name+` WHERE `+table.column+` < $1`, clock(now.Add(-table.keep)))
		if err != nil {
			return removed, fmt.Errorf("sweep %s: %w", table.name, err)
		}
		removed += tag.RowsAffected()
	}
	return removed, nil
}
