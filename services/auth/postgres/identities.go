package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/services/auth"
)

// Identities stores who signs in through a provider as whom.
type Identities struct{ db *database.DB }

// NewIdentities returns the store on db.
func NewIdentities(db *database.DB) *Identities { return &Identities{db} }

const identityColumns = `id, user_id, provider, issuer, subject, email, created_at, last_used_at`

func scanIdentity(row scanner) (auth.Identity, error) {
	var i auth.Identity
	err := row.Scan(&i.ID, &i.UserID, &i.Provider, &i.Issuer, &i.Subject, &i.Email, &i.CreatedAt, &i.LastUsedAt)
	return i, err
}

// Identity returns the linked identity, or [auth.ErrNotFound].
func (s *Identities) Identity(ctx context.Context, provider, subject string) (auth.Identity, error) {
	i, err := scanIdentity(s.db.Pool.QueryRow(ctx, `SELECT `+identityColumns+` FROM identities WHERE provider = $1 AND subject = $2`, provider, subject))
	return i, notFound("load identity", err)
}

// IdentitiesOf returns up to limit identities of the user with ids after the
// given one.
func (s *Identities) IdentitiesOf(ctx context.Context, userID, after string, limit int) ([]auth.Identity, error) {
	if !isUUID(after) {
		after = "00000000-0000-0000-0000-000000000000"
	}
	rows, err := s.db.Pool.Query(ctx, `SELECT `+identityColumns+` FROM identities WHERE user_id = $1::uuid AND id > $2::uuid ORDER BY id LIMIT $3`, userID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list identities: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.Identity, error) { return scanIdentity(row) })
	if err != nil {
		return nil, fmt.Errorf("list identities: %w", err)
	}
	return found, nil
}

// IdentityUsed records a sign-in and the address that the provider told.
func (s *Identities) IdentityUsed(ctx context.Context, id, email string, now time.Time) error {
	if _, err := s.db.Pool.Exec(ctx, `UPDATE identities SET last_used_at = $2, email = $3 WHERE id = $1::uuid`, id, clock(now), email); err != nil {
		return fmt.Errorf("record use of identity: %w", err)
	}
	return nil
}

// LinkIdentity links the identity and returns it as it is stored. One that the
// user has already is left alone; one of somebody else is [auth.ErrMismatch].
func (s *Identities) LinkIdentity(ctx context.Context, i auth.Identity) (linked auth.Identity, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := lockIdentities(ctx, tx, i.UserID); err != nil {
			return err
		}
		linked, err = linkIdentity(ctx, tx, i)
		return err
	})
	if err != nil {
		return auth.Identity{}, fmt.Errorf("link identity: %w", err)
	}
	return linked, nil
}

// lockIdentities lets changes of what a user signs in with happen one at a time.
func lockIdentities(ctx context.Context, tx bun.Tx, userID string) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('auth identities ' || ?, 0))`, userID)
	return err
}

func linkIdentity(ctx context.Context, tx bun.Tx, i auth.Identity, details ...string) (auth.Identity, error) {
	linked, err := scanIdentity(tx.QueryRowContext(ctx, `INSERT INTO identities (`+identityColumns+`) VALUES (?::uuid, ?::uuid, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (provider, subject) DO NOTHING RETURNING `+identityColumns,
		i.ID, i.UserID, i.Provider, i.Issuer, i.Subject, i.Email, clock(i.CreatedAt), clock(i.CreatedAt)))
	if errors.Is(err, sql.ErrNoRows) {
		linked, err = scanIdentity(tx.QueryRowContext(ctx, `SELECT `+identityColumns+` FROM identities WHERE provider = ? AND subject = ?`, i.Provider, i.Subject))
		if err == nil && (linked.UserID != i.UserID || linked.Issuer != i.Issuer) {
			err = auth.ErrMismatch
		}
		return linked, err
	}
	if err != nil {
		return auth.Identity{}, err
	}
	if err := record(ctx, tx, recorded{action: "identity.linked", subjectKind: "user", subjectID: i.UserID, by: i.UserID,
		details: append([]string{"provider", i.Provider, "identity_id", i.ID}, details...)}, i.CreatedAt); err != nil {
		return auth.Identity{}, err
	}
	return linked, appendEvent(ctx, tx, event.TypeIdentityLinked, i.UserID, event.IdentityLinked{UserID: i.UserID, Provider: i.Provider}, i.CreatedAt)
}

// UnlinkIdentity removes the user's identity. providers are those that sign
// people in at present.
//
// It returns [auth.ErrNotFound], or [auth.ErrLastSignInMethod] if the user has
// neither a password nor another identity of those providers; also when several
// are unlinked at once.
func (s *Identities) UnlinkIdentity(ctx context.Context, userID, id string, providers []string, now time.Time) error {
	if !isUUID(userID) || !isUUID(id) {
		return fmt.Errorf("unlink identity: %w", auth.ErrNotFound)
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := lockIdentities(ctx, tx, userID); err != nil {
			return err
		}
		removed, err := scanIdentity(tx.QueryRowContext(ctx, `DELETE FROM identities WHERE id = ?::uuid AND user_id = ?::uuid RETURNING `+identityColumns, id, userID))
		if errors.Is(err, sql.ErrNoRows) {
			return auth.ErrNotFound
		}
		if err != nil {
			return err
		}
		var wasWayIn, hasAnother bool
		if err := tx.QueryRowContext(ctx, `SELECT ? IN (?), EXISTS (SELECT FROM credentials WHERE user_id = ?::uuid)
			OR EXISTS (SELECT FROM identities WHERE user_id = ?::uuid AND provider IN (?))`,
			removed.Provider, bun.List(names(providers)), userID, userID, bun.List(names(providers))).Scan(&wasWayIn, &hasAnother); err != nil {
			return err
		}
		if wasWayIn && !hasAnother {
			return auth.ErrLastSignInMethod // and the deletion is undone
		}
		if err := record(ctx, tx, recorded{action: "identity.unlinked", subjectKind: "user", subjectID: userID, by: userID,
			details: []string{"provider", removed.Provider, "identity_id", id}}, now); err != nil {
			return err
		}
		return appendEvent(ctx, tx, event.TypeIdentityUnlinked, userID, event.IdentityUnlinked{UserID: userID, Provider: removed.Provider}, now)
	})
	if err != nil {
		return fmt.Errorf("unlink identity: %w", err)
	}
	return nil
}

// names keeps a list from being empty, which SQL's IN does not know. No
// provider has an empty name.
func names(providers []string) []string { return append([]string{""}, providers...) }

// AwaitProof stores an identity that is linked when its challenge is met.
func (s *Identities) AwaitProof(ctx context.Context, p auth.PendingIdentity) error {
	_, err := s.db.Pool.Exec(ctx, `INSERT INTO pending_identities (challenge_id, user_id, provider, issuer, subject, email, created_at, expires_at)
		VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6, $7, $8)`,
		p.ChallengeID, p.UserID, p.Provider, p.Issuer, p.Subject, p.Email, clock(p.CreatedAt), clock(p.ExpiresAt))
	if err != nil {
		return fmt.Errorf("await proof of identity: %w", err)
	}
	return nil
}

// linkProven links the identity that waited for the challenge, if one did: who
// reads the mail wants it linked. A password from before the identity asked was
// set by somebody who never proved the address; it goes, so that nobody shares
// the account. One that was set since, or another identity, says that the
// account was taken over by its owner: then nothing is linked.
func linkProven(ctx context.Context, tx bun.Tx, challengeID string, now time.Time) error {
	var p auth.PendingIdentity
	err := tx.QueryRowContext(ctx, `DELETE FROM pending_identities WHERE challenge_id = ?::uuid RETURNING user_id, provider, issuer, subject, email, created_at`, challengeID).
		Scan(&p.UserID, &p.Provider, &p.Issuer, &p.Subject, &p.Email, &p.CreatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := lockIdentities(ctx, tx, p.UserID); err != nil {
		return err
	}
	var taken bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM credentials WHERE user_id = ?::uuid AND updated_at > ?)
			OR EXISTS (SELECT FROM identities WHERE user_id = ?::uuid) OR EXISTS (SELECT FROM identities WHERE provider = ? AND subject = ?)`,
		p.UserID, clock(p.CreatedAt), p.UserID, p.Provider, p.Subject).Scan(&taken); err != nil || taken {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM credentials WHERE user_id = ?::uuid`, p.UserID); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = linkIdentity(ctx, tx, auth.Identity{
		ID: id.String(), UserID: p.UserID, Provider: p.Provider, Issuer: p.Issuer, Subject: p.Subject, Email: p.Email, CreatedAt: now,
	}, "proof", "mail")
	return err
}
