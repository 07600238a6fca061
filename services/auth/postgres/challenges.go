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
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if first != nil {
			if _, err := tx.ExecContext(ctx, upsertCredential, first.UserID, first.PasswordHash, clock(first.UpdatedAt)); err != nil {
				return err
			}
		}
		if sent, err = request(ctx, tx, c, limit); err != nil || first == nil {
			return err
		}
		return record(ctx, tx, recorded{action: "user.registered", subjectKind: "user", subjectID: c.UserID, by: c.UserID}, c.CreatedAt)
	})
	if err != nil {
		return false, fmt.Errorf("request challenge: %w", err)
	}
	return sent, nil
}

// RequestReset is RequestChallenge for a new password. Links for one that were
// mailed before are worth nothing from then on.
func (s *Challenges) RequestReset(ctx context.Context, c auth.Challenge, limit auth.MailLimit) (sent bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if sent, err = request(ctx, tx, c, limit); err != nil || !sent {
			return err
		}
		if err := voidOlder(ctx, tx, c); err != nil {
			return err
		}
		return record(ctx, tx, recorded{action: "password.reset_requested", subjectKind: "user", subjectID: c.UserID}, c.CreatedAt)
	})
	if err != nil {
		return false, fmt.Errorf("request password reset: %w", err)
	}
	return sent, nil
}

// RequestEmailChange is RequestChallenge for another address. The old address is
// told of it; links to others that were mailed before are worth nothing from
// then on. A challenge that is consumed already only counts: its address belongs
// to somebody else, which who asks must not learn from what happens.
func (s *Challenges) RequestEmailChange(ctx context.Context, c auth.Challenge, address string, limit auth.MailLimit) (sent bool, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		sent = false
		// However many accounts somebody has: one address is not flooded.
		var lastHour int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM challenges WHERE lower(email) = lower(?) AND purpose = ? AND created_at > ?`,
			c.Email, string(c.Purpose), clock(c.CreatedAt.Add(-time.Hour))).Scan(&lastHour); err != nil || lastHour >= limit.PerHour {
			return err
		}
		if sent, err = request(ctx, tx, c, limit); err != nil || !sent {
			return err
		}
		if err := voidOlder(ctx, tx, c); err != nil {
			return err
		}
		if err := record(ctx, tx, recorded{action: "email.change_requested", subjectKind: "user", subjectID: c.UserID, by: c.UserID}, c.CreatedAt); err != nil {
			return err
		}
		return appendEvent(ctx, tx, event.TypeEmailChangeRequested, c.UserID, event.EmailChangeRequested{
			UserID: c.UserID, OldEmail: c.OldEmail, Email: c.Email, Address: address,
		}, c.CreatedAt)
	})
	if err != nil {
		return false, fmt.Errorf("request change of address: %w", err)
	}
	return sent, nil
}

// request stores the challenge and the event that asks for its mail, unless the
// person got too many mails lately.
func request(ctx context.Context, tx bun.Tx, c auth.Challenge, limit auth.MailLimit) (sent bool, err error) {
	// One at a time for each person, so that the count below holds.
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('auth challenge ' || ?, 0))`, c.UserID); err != nil {
		return false, err
	}
	var recent, lastHour int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE created_at > ? AND purpose = ?), count(*) FROM challenges WHERE user_id = ?::uuid AND created_at > ?`,
		clock(c.CreatedAt.Add(-limit.Interval)), string(c.Purpose), c.UserID, clock(c.CreatedAt.Add(-time.Hour))).Scan(&recent, &lastHour); err != nil {
		return false, err
	}
	if recent > 0 || lastHour >= limit.PerHour {
		return false, nil
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO challenges (id, purpose, user_id, email, old_email, locale, password_hash, return_to, created_at, expires_at, consumed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, c.ID, string(c.Purpose), c.UserID, c.Email, c.OldEmail, c.Locale, c.PasswordHash, c.ReturnTo,
		clock(c.CreatedAt), clock(c.ExpiresAt), c.ConsumedAt); err != nil || c.ConsumedAt != nil {
		return err == nil, err
	}
	return true, appendEvent(ctx, tx, event.TypeVerificationRequested, c.UserID, event.VerificationRequested{
		ChallengeID: c.ID, UserID: c.UserID, Email: c.Email, Locale: c.Locale, Purpose: string(c.Purpose), ProviderName: c.ProviderName, ExpiresAt: c.ExpiresAt.UTC(),
	}, c.CreatedAt)
}

// voidOlder consumes the person's earlier challenges of the purpose.
func voidOlder(ctx context.Context, tx bun.Tx, c auth.Challenge) error {
	_, err := tx.ExecContext(ctx, `UPDATE challenges SET consumed_at = ? WHERE user_id = ?::uuid AND purpose = ? AND id <> ?::uuid AND consumed_at IS NULL`,
		clock(c.CreatedAt), c.UserID, string(c.Purpose), c.ID)
	return err
}

const challengeColumns = `id, purpose, user_id, email, old_email, locale, password_hash, return_to, created_at, expires_at, consumed_at`

type scanner interface{ Scan(dest ...any) error }

func scanChallenge(row scanner) (auth.Challenge, error) {
	var c auth.Challenge
	err := row.Scan(&c.ID, (*string)(&c.Purpose), &c.UserID, &c.Email, &c.OldEmail, &c.Locale, &c.PasswordHash, &c.ReturnTo, &c.CreatedAt, &c.ExpiresAt, &c.ConsumedAt)
	return c, err
}

// Challenge returns the challenge, pending or not, or [auth.ErrNotFound].
func (s *Challenges) Challenge(ctx context.Context, id string) (auth.Challenge, error) {
	return loadChallenge(ctx, s.db, id)
}

func loadChallenge(ctx context.Context, db *database.DB, id string) (auth.Challenge, error) {
	if !isUUID(id) {
		return auth.Challenge{}, fmt.Errorf("load challenge: %w", auth.ErrNotFound)
	}
	c, err := scanChallenge(db.Pool.QueryRow(ctx, `SELECT `+challengeColumns+` FROM challenges WHERE id = $1::uuid`, id))
	return c, notFound("load challenge", err)
}

// MeetChallenge consumes the pending challenge by one statement and with it all
// others of the person and purpose (with a new address, of every purpose),
// makes its password the credential, and calls proven before that is durable. An error of proven, or a transaction
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
		if err := linkProven(ctx, tx, met.ID, now); err != nil {
			return err
		}
		if err := proven(ctx, met); err != nil {
			return err
		}
		if p == auth.PurposeChangeEmail {
			// The old mailbox must not lead into the account any more.
			if err := voidChallenges(ctx, tx, met.UserID, now); err != nil {
				return err
			}
		}
		return record(ctx, tx, recorded{action: "email.verified", subjectKind: "user", subjectID: met.UserID, by: met.UserID, details: []string{"purpose", string(p)}}, now)
	})
	if err == nil {
		return met, nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = whyNotMet(ctx, s.db, id, now)
	}
	return auth.Challenge{}, fmt.Errorf("meet challenge: %w", err)
}

// whyNotMet returns why the challenge could not be consumed.
func whyNotMet(ctx context.Context, db *database.DB, id string, now time.Time) error {
	c, err := loadChallenge(ctx, db, id)
	if err == nil {
		err = c.Pending(now)
	}
	if err == nil {
		err = auth.ErrNotFound // of another purpose
	}
	return err
}
