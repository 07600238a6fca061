package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/outbox"
	"gatehouse.example/services/auth"
)

// UserEvents applies what the user service tells of people. Each event is
// recorded in the transaction of what it does, so that one that comes again does
// not end what began since.
type UserEvents struct {
	db      *database.DB
	endings *Endings
}

// NewUserEvents returns the store on db.
func NewUserEvents(db *database.DB, endings *Endings) *UserEvents { return &UserEvents{db, endings} }

// UserEventTypes returns the types that Apply knows.
func UserEventTypes() []string {
	return []string{event.TypeUserSuspended, event.TypeUserDeleted, event.TypeUserErased, event.TypeUserRolesChanged}
}

// Apply does what the event asks for, once for each event under the name of the
// consumer:
//
//   - suspended, deleted: sessions, grants and keys end; the password stays, for
//     an account that is restored.
//   - erased: everything about the person goes.
//   - roles changed: where the person lost one, its access tokens end. Refresh
//     tokens live on; the next refresh says what is so by then.
func (s *UserEvents) Apply(ctx context.Context, consumer string, e event.Event, now time.Time) error {
	if !isUUID(e.Subject) {
		return bus.Permanent(fmt.Errorf("event %s (%s): subject is no user id", e.ID, e.Type))
	}
	ctx = identity.WithPrincipal(ctx, identity.Principal{Kind: identity.KindService, Subject: "user"})
	_, err := outbox.Once(ctx, s.db, consumer, e, func(ctx context.Context, tx bun.Tx) error {
		switch e.Type {
		case event.TypeUserSuspended:
			return s.endings.endAccount(ctx, tx, e.Subject, false, auth.EndedSuspended, now)
		case event.TypeUserDeleted:
			return s.endings.endAccount(ctx, tx, e.Subject, false, auth.EndedDeleted, now)
		case event.TypeUserErased:
			return s.endings.endAccount(ctx, tx, e.Subject, true, auth.EndedDeleted, now)
		case event.TypeUserRolesChanged:
			var changed event.UserRolesChanged
			if err := e.Decode(&changed); err != nil {
				return bus.Permanent(err)
			}
			if len(changed.Removed) == 0 {
				return nil
			}
			return s.endings.endUserTokens(ctx, tx, e.Subject, now)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("apply %s of %s: %w", e.Type, e.Subject, err)
	}
	return nil
}
