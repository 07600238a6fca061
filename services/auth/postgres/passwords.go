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

// Passwords gives people other passwords. What ends with the old one ends in
// the same transaction.
type Passwords struct {
	db      *database.DB
	endings *Endings
}

// NewPasswords returns the store on db.
func NewPasswords(db *database.DB, endings *Endings) *Passwords { return &Passwords{db, endings} }

// ChangePassword replaces the password whose hash is c.OldHash, and ends the
// person's other sessions and all links that were mailed to it. It returns
// [auth.ErrConsumed] if the person has another password by now.
func (s *Passwords) ChangePassword(ctx context.Context, c auth.PasswordChange) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE credentials SET password_hash = ?, updated_at = ? WHERE user_id = ?::uuid AND password_hash = ?`,
			c.NewHash, clock(c.Now), c.UserID, c.OldHash)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errOr(err, auth.ErrConsumed)
		}
		if err := voidChallenges(ctx, tx, c.UserID, c.Now); err != nil {
			return err
		}
		if err := s.endings.endOthers(ctx, tx, c.UserID, c.KeepSessionID, auth.EndedPassword, c.Now); err != nil {
			return err
		}
		return passwordChanged(ctx, tx, "password.changed", "change", c.UserID, c.Address, c.Now)
	})
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	return nil
}

// ResetPassword consumes the pending challenge by one statement, sets the
// password, calls proven before that is durable, and ends every session, grant
// and API key of the person and all other links that were mailed to it: who
// recovers an account does not know what somebody else made in it. Linked
// identities stay. An error of proven, or a transaction that does not commit,
// leaves everything as it was: proven may be called again then.
//
// It returns [auth.ErrNotFound], [auth.ErrConsumed], [auth.ErrExpired] or the
// error of proven.
func (s *Passwords) ResetPassword(ctx context.Context, r auth.PasswordReset, proven func(context.Context, auth.Challenge) error) (auth.Challenge, error) {
	if !isUUID(r.ChallengeID) {
		return auth.Challenge{}, fmt.Errorf("reset password: %w", auth.ErrNotFound)
	}
	var met auth.Challenge
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var err error
		met, err = scanChallenge(tx.QueryRowContext(ctx, `UPDATE challenges SET consumed_at = ?
			WHERE id = ?::uuid AND purpose = ? AND consumed_at IS NULL AND expires_at > ? RETURNING `+challengeColumns,
			clock(r.Now), r.ChallengeID, string(auth.PurposeResetPassword), clock(r.Now)))
		if err != nil {
			return err
		}
		if err := proven(ctx, met); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, upsertCredential, met.UserID, r.NewHash, clock(r.Now)); err != nil {
			return err
		}
		if err := voidChallenges(ctx, tx, met.UserID, r.Now); err != nil {
			return err
		}
		if err := s.endings.endOthers(ctx, tx, met.UserID, "", auth.EndedPassword, r.Now); err != nil {
			return err
		}
		if err := s.endings.endKeys(ctx, tx, auth.OwnerUser, met.UserID, auth.EndedPassword, r.Now); err != nil {
			return err
		}
		return passwordChanged(ctx, tx, "password.reset", "reset", met.UserID, r.Address, r.Now)
	})
	if err == nil {
		return met, nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = whyNotMet(ctx, s.db, r.ChallengeID, r.Now)
	}
	return auth.Challenge{}, fmt.Errorf("reset password: %w", err)
}

// voidChallenges makes all links worthless that were mailed to the person or
// by it: each could undo what the new password is for.
func voidChallenges(ctx context.Context, tx bun.Tx, userID string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE challenges SET consumed_at = ? WHERE user_id = ?::uuid AND consumed_at IS NULL AND purpose <> ?`,
		clock(now), userID, string(auth.PurposeExistingAccount))
	return err
}

func passwordChanged(ctx context.Context, tx bun.Tx, action, reason, userID, address string, now time.Time) error {
	if err := record(ctx, tx, recorded{action: action, subjectKind: "user", subjectID: userID, by: userID}, now); err != nil {
		return err
	}
	return appendEvent(ctx, tx, event.TypePasswordChanged, userID, event.PasswordChanged{UserID: userID, Reason: reason, Address: address}, now)
}
