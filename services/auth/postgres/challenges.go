package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/auth"
)

// Challenges stores mailed links.
type Challenges struct{ db *database.DB }

// NewChallenges returns the store on db.
func NewChallenges(db *database.DB) *Challenges { return &Challenges{db} }

const upsertCredential = `INSERT INTO credentials (user_id, password_hash, updated_at) VALUES (?, ?, ?)
	ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, updated_at = excluded.updated_at`

// RequestChallenge stores the credential if there is one, the challenge, and
// the event that asks for its mail, in one transaction. If the person got too
// many mails lately, the challenge and its event are left out and sent is false.
func (s *Challenges) RequestChallenge(ctx context.Context, c auth.Challenge, first *auth.Credential, limit auth.MailLimit) (sent bool, err error) {
	e, err := event.New(event.SourceAuth, event.TypeVerificationRequested, c.UserID, event.VerificationRequested{
		ChallengeID: c.ID, UserID: c.UserID, Email: c.Email, Locale: c.Locale, Purpose: string(c.Purpose), ExpiresAt: c.ExpiresAt.UTC(),
	}, c.CreatedAt)
	if err != nil {
		return false, fmt.Errorf("request challenge: %w", err)
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		sent = false
		if first != nil {
			if _, err := tx.ExecContext(ctx, upsertCredential, first.UserID, first.PasswordHash, clock(first.UpdatedAt)); err != nil {
				return err
			}
		}
		// One at a time for each person, so that the count below holds.
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('auth challenge ' || ?, 0))`, c.UserID); err != nil {
			return err
		}
		var recent, lastHour int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE created_at > ? AND purpose = ?), count(*) FROM challenges WHERE user_id = ?::uuid AND created_at > ?`,
			clock(c.CreatedAt.Add(-limit.Interval)), string(c.Purpose), c.UserID, clock(c.CreatedAt.Add(-time.Hour))).Scan(&recent, &lastHour); err != nil {
			return err
		}
		if recent > 0 || lastHour >= limit.PerHour {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO challenges (id, purpose, user_id, email, locale, password_hash, return_to, created_at, expires_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, c.ID, string(c.Purpose), c.UserID, c.Email, c.Locale, c.PasswordHash, c.ReturnTo, clock(c.CreatedAt), clock(c.ExpiresAt)); err != nil {
			return err
		}
		sent = true
		return outbox.Append(ctx, tx, e)
	})
	if err != nil {
		return false, fmt.Errorf("request challenge: %w", err)
	}
	return sent, nil
}

const challengeColumns = `id, purpose, user_id, email, locale, password_hash, return_to, created_at, expires_at, consumed_at`

type scanner interface{ Scan(dest ...any) error }

func scanChallenge(row scanner) (auth.Challenge, error) {
	var c auth.Challenge
	err := row.Scan(&c.ID, (*string)(&c.Purpose), &c.UserID, &c.Email, &c.Locale, &c.PasswordHash, &c.ReturnTo, &c.CreatedAt, &c.ExpiresAt, &c.ConsumedAt)
	return c, err
}

// Challenge returns the challenge, pending or not, or [auth.ErrNotFound].
func (s *Challenges) Challenge(ctx context.Context, id string) (auth.Challenge, error) {
	if !isUUID(id) {
		return auth.Challenge{}, fmt.Errorf("load challenge: %w", auth.ErrNotFound)
	}
	c, err := scanChallenge(s.db.Pool.QueryRow(ctx, `SELECT `+challengeColumns+` FROM challenges WHERE id = $1::uuid`, id))
	return c, notFound("load challenge", err)
}

// MeetChallenge consumes the pending challenge by one statement and with it all
// others of the person and purpose, makes its password the credential, and
// calls proven before that is durable. An error of proven, or a transaction
// that does not commit, leaves the challenge pending: proven may be called
// again then.
//
// It returns [auth.ErrNotFound], [auth.ErrConsumed], [auth.ErrExpired] or the
// error of proven.
func (s *Challenges) MeetChallenge(ctx context.Context, id string, p auth.Purpose, now time.Time, proven func(context.Context, auth.Challenge) error) (auth.Challenge, error) {
	if !isUUID(id) {
		return auth.Challenge{}, fmt.Errorf("meet challenge: %w", auth.ErrNotFound)
	}
	var met auth.Challenge
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var err error
		met, err = scanChallenge(tx.QueryRowContext(ctx, `UPDATE challenges SET consumed_at = ?
			WHERE id = ?::uuid AND purpose = ? AND consumed_at IS NULL AND expires_at > ? RETURNING `+challengeColumns, clock(now), id, string(p), clock(now)))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE challenges SET consumed_at = ? WHERE user_id = ?::uuid AND purpose = ? AND consumed_at IS NULL`,
			clock(now), met.UserID, string(p)); err != nil {
			return err
		}
		if met.PasswordHash != "" {
			if _, err := tx.ExecContext(ctx, upsertCredential, met.UserID, met.PasswordHash, clock(now)); err != nil {
				return err
			}
		}
		return proven(ctx, met)
	})
	if err == nil {
		return met, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return auth.Challenge{}, fmt.Errorf("meet challenge: %w", err)
	}
	c, err := s.Challenge(ctx, id)
	if err == nil {
		err = c.Pending(now)
	}
	if err == nil {
		err = auth.ErrNotFound // of another purpose
	}
	return auth.Challenge{}, fmt.Errorf("meet challenge: %w", err)
}
