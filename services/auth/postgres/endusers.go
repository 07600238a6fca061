package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/services/auth"
)

// EndUser ends all sessions and grants of a user and pauses its API keys: they
// count only while the account is active. reason is [auth.EndedSuspended] or
// [auth.EndedDeleted]; a deleted account's API keys are gone for good, even if
// it is restored. With forget everything else goes too that says something
// about the person: the password, challenges, devices, linked identities.
func (s *Endings) EndUser(ctx context.Context, userID string, forget bool, reason string, now time.Time) error {
	if !isUUID(userID) {
		return nil
	}
	return s.tx(ctx, "end user "+userID, func(ctx context.Context, tx bun.Tx) error {
		return s.endAccount(ctx, tx, userID, forget, reason, now)
	})
}

func (s *Endings) endAccount(ctx context.Context, tx bun.Tx, userID string, forget bool, reason string, now time.Time) error {
	if err := s.endUser(ctx, tx, userID, reason, now); err != nil {
		return err
	}
	if reason == auth.EndedDeleted || forget {
		if err := s.endKeys(ctx, tx, auth.OwnerUser, userID, reason, now); err != nil {
			return err
		}
	} else if err := s.pauseKeys(ctx, tx, userID, now); err != nil {
		return err
	}
	if forget {
		return s.forget(ctx, tx, userID)
	}
	return nil
}

func (s *Endings) endUser(ctx context.Context, tx bun.Tx, userID, reason string, now time.Time) error {
	if err := s.endSessions(ctx, tx, userID, "", reason, now); err != nil {
		return err
	}
	if err := s.endFamilies(ctx, tx, reason, now, `user_id = ?::uuid`, userID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM authorization_codes WHERE user_id = ?::uuid AND consumed_at IS NULL`, userID)
	return err
}

// forget removes what is known about the person. Ended sessions stay for their
// while, so that a token of theirs is recognised, but not whence they came.
func (s *Endings) forget(ctx context.Context, tx bun.Tx, userID string) error {
	for _, statement := range []string{
		`DELETE FROM credentials WHERE user_id = ?::uuid`,
		`DELETE FROM challenges WHERE user_id = ?::uuid`,
		`DELETE FROM known_devices WHERE user_id = ?::uuid`,
		`DELETE FROM identities WHERE user_id = ?::uuid`,
		`DELETE FROM pending_identities WHERE user_id = ?::uuid`,
		`DELETE FROM social_flows WHERE user_id = ?`,
		`UPDATE sessions SET user_agent = '', address = '' WHERE user_id = ?::uuid`,
	} {
		if _, err := tx.ExecContext(ctx, statement, userID); err != nil {
			return err
		}
	}
	return nil
}
