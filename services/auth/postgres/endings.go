package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/auth"
)

// TypeRevoked is the outbox type of a revocation. It does not go to the event
// stream: the relay puts it on the gateways' revocation list, so that a broker
// that is away delays the notice and cannot lose it.
const TypeRevoked = "gatehouse.auth.revoked.v1"

// Endings ends what was granted: sessions, grants, tokens, keys, clients. Each
// ending, the notice to the gateways, the event and the audit record are one
// transaction. The actor is the principal of the context; without one it is the
// person whose session ends, or the service itself.
//
// What has to do with sessions is in endsessions.go, with grants and tokens in
// endgrants.go, with people, keys and clients in endusers.go, endkeys.go and
// endclients.go.
type Endings struct {
	db *database.DB
	// lifetime bounds how long a token that names a session can still be valid.
	lifetime time.Duration
}

// NewEndings returns the store on db. accessTokenLifetime is the longest life
// of an access token.
func NewEndings(db *database.DB, accessTokenLifetime time.Duration) *Endings {
	return &Endings{db, accessTokenLifetime}
}

// revoke notes the revocation and its notice; added is false for one that was
// noted before. What has expired needs neither.
func (s *Endings) revoke(ctx context.Context, tx bun.Tx, r auth.Revocation, now time.Time) (added bool, err error) {
	n, err := s.revokeAll(ctx, tx, r.ID, []auth.Revocation{r}, now)
	return n == 1, err
}

// revokeAll is revoke for several that have an owner in common, by a number of
// statements that does not grow with them. It returns how many were added.
func (s *Endings) revokeAll(ctx context.Context, tx bun.Tx, owner string, all []auth.Revocation, now time.Time) (added int, err error) {
	all = slices.DeleteFunc(all, func(r auth.Revocation) bool { return !now.Before(r.Until) })
	if len(all) == 0 {
		return 0, nil
	}
	// In one order, so that two of us do not wait for one another.
	slices.SortFunc(all, func(a, b auth.Revocation) int { return strings.Compare(a.Kind+" "+a.ID, b.Kind+" "+b.ID) })
	rows := make([]string, len(all))
	args := make([]any, 0, 3*len(all))
	notices := make([]event.Event, len(all))
	for i, r := range all {
		r.Until = r.Until.UTC()
		rows[i] = "(?, ?, ?)"
		args = append(args, r.Kind, r.ID, clock(r.Until))
		if notices[i], err = event.New(event.SourceAuth, TypeRevoked, owner, r, now); err != nil {
			return 0, err
		}
	}
	// A row that was inserted, not updated, has no deleting transaction.
	var fresh []bool
	if err := tx.NewRaw(`INSERT INTO revocations (kind, id, expires_at) VALUES `+strings.Join(rows, ", ")+`
		ON CONFLICT (kind, id) DO UPDATE SET expires_at = GREATEST(revocations.expires_at, excluded.expires_at)
		RETURNING xmax = 0`, args...).Scan(ctx, &fresh); err != nil {
		return 0, err
	}
	for _, f := range fresh {
		if f {
			added++
		}
	}
	return added, outbox.AppendAll(ctx, tx, notices)
}

func (s *Endings) tx(ctx context.Context, what string, fn func(ctx context.Context, tx bun.Tx) error) error {
	if err := s.db.InTx(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func appendEvent(ctx context.Context, tx bun.Tx, typ, subject string, data any, now time.Time) error {
	e, err := event.New(event.SourceAuth, typ, subject, data, now)
	if err != nil {
		return err
	}
	return outbox.Append(ctx, tx, e)
}

// recorded is what an ending tells the audit log.
type recorded struct {
	action, subjectKind, subjectID string
	// reason is why, clientID which OAuth client held what ended; both may be
	// empty.
	reason, clientID string
	// by is the actor of a context without principal; "" is auth itself.
	by string
	// details are pairs of name and value.
	details []string
}

// record writes an audit record in the transaction.
func record(ctx context.Context, tx bun.Tx, what recorded, now time.Time) error {
	r, err := what.record(ctx, now)
	if err != nil {
		return err
	}
	return audit.Write(ctx, tx, r)
}

func (what recorded) record(ctx context.Context, now time.Time) (audit.Record, error) {
	r, err := audit.New(ctx, "auth", what.action, what.subjectKind, what.subjectID, now)
	if err != nil {
		return r, err
	}
	switch {
	case r.ActorKind != identity.KindNobody:
	case what.by != "":
		r = r.By(identity.KindUser, what.by)
	default:
		r = r.By(identity.KindService, "auth")
	}
	if what.reason != "" {
		r = r.With("reason", what.reason)
	}
	if what.clientID != "" {
		r = r.With("client_id", what.clientID)
	}
	for i := 0; i+1 < len(what.details); i += 2 {
		r = r.With(what.details[i], what.details[i+1])
	}
	return r, nil
}

// actorFor is who ends what the user has where the context has no principal:
// the person in its browser, or "", auth itself.
func actorFor(reason, userID string) string {
	switch reason {
	case auth.EndedSignOut, auth.EndedRevoked, auth.EndedPassword:
		return userID
	}
	return ""
}
