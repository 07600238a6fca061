package postgres

import (
	"context"
	"fmt"
	"time"

	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// SocialFlows stores social sign-ins that are under way.
type SocialFlows struct{ db *database.DB }

// NewSocialFlows returns the store on db.
func NewSocialFlows(db *database.DB) *SocialFlows { return &SocialFlows{db} }

const flowColumns = `state_hash, browser_hash, kind, provider, user_id, session_id, return_to, issuer, subject, email, created_at, expires_at`

// BeginFlow stores the flow.
func (s *SocialFlows) BeginFlow(ctx context.Context, f auth.SocialFlow) error {
	_, err := s.db.Pool.Exec(ctx, `INSERT INTO social_flows (`+flowColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		f.StateHash, f.BrowserHash, string(f.Kind), f.Provider, f.UserID, f.SessionID, f.ReturnTo, f.Issuer, f.Subject, f.Email, clock(f.CreatedAt), clock(f.ExpiresAt))
	if err != nil {
		return fmt.Errorf("begin social sign-in: %w", err)
	}
	return nil
}

func scanFlow(row scanner) (auth.SocialFlow, error) {
	var f auth.SocialFlow
	err := row.Scan(&f.StateHash, &f.BrowserHash, (*string)(&f.Kind), &f.Provider, &f.UserID, &f.SessionID, &f.ReturnTo, &f.Issuer, &f.Subject, &f.Email, &f.CreatedAt, &f.ExpiresAt)
	return f, err
}

// Flow returns the browser's flow without using it up, or [auth.ErrNotFound].
func (s *SocialFlows) Flow(ctx context.Context, stateHash, browserHash []byte, now time.Time) (auth.SocialFlow, error) {
	f, err := scanFlow(s.db.Pool.QueryRow(ctx, `SELECT `+flowColumns+` FROM social_flows WHERE state_hash = $1 AND browser_hash = $2 AND expires_at > $3`,
		stateHash, browserHash, clock(now)))
	return f, notFound("load social sign-in", err)
}

// TakeFlow removes the browser's flow and returns it, once, or returns
// [auth.ErrNotFound]. Another browser can't use it up.
func (s *SocialFlows) TakeFlow(ctx context.Context, stateHash, browserHash []byte, now time.Time) (auth.SocialFlow, error) {
	f, err := scanFlow(s.db.Pool.QueryRow(ctx, `DELETE FROM social_flows WHERE state_hash = $1 AND browser_hash = $2 AND expires_at > $3 RETURNING `+flowColumns,
		stateHash, browserHash, clock(now)))
	return f, notFound("take social sign-in", err)
}
