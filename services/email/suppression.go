package email

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
)

// ReasonRefused is the reason of a suppression that a transport caused.
const ReasonRefused = "recipient_refused"

// createdByService is who creates such a suppression.
const createdByService = "service:" + service

// service names this service in audit records.
const service = "email"

// Suppression says that an address gets no mail, whatever the category: it
// does not exist, or its owner does not want to hear from us.
type Suppression struct {
	// ID is a UUIDv7.
	ID string
	// Address as it was given; all its spellings are suppressed.
	Address string
	// Reason is a word or sentence for administrators.
	Reason string
	// CreatedBy is "user:ID", "client:ID" or "service:email".
	CreatedBy string
	CreatedAt time.Time
	// Audit is the record of its creation, written with it.
	Audit audit.Record
}

// AddressKey returns the one spelling of an address that suppressions are
// compared by.
func AddressKey(address string) string { return userapi.LoginKey(address) }

// ByService reports whether the service itself created the suppression.
func (s Suppression) ByService() bool { return s.CreatedBy == createdByService }

// Suppressions is the list of addresses that get no mail.
type Suppressions interface {
	// Suppression returns that of the address, or [ErrNotFound].
	Suppression(ctx context.Context, address string) (Suppression, error)
}

// SuppressionList is what administrators change.
type SuppressionList interface {
	Suppressions
	// Suppressions returns up to limit, by address, after the address key.
	Suppressions(ctx context.Context, after string, limit int) ([]Suppression, error)
	// Suppress adds s with its audit record. If the address is suppressed
	// already it changes nothing and returns that suppression and false.
	Suppress(ctx context.Context, s Suppression) (stored Suppression, created bool, err error)
	// Unsuppress removes the suppression of the address and writes the record
	// that makes of it, or returns [ErrNotFound].
	Unsuppress(ctx context.Context, address string, record func(Suppression) (audit.Record, error)) error
}

// NewSuppression makes a suppression and its record, by the principal of ctx.
func NewSuppression(ctx context.Context, address, reason, createdBy string, now time.Time) (Suppression, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Suppression{}, err
	}
	s := Suppression{ID: id.String(), Address: address, Reason: reason, CreatedBy: createdBy, CreatedAt: now.UTC().Truncate(time.Microsecond)}
	// The record outlives the suppression, so it names neither the address nor
	// the reason, in which people write about people.
	s.Audit, err = audit.New(ctx, service, "suppression.created", "suppression", s.ID, now)
	if err != nil {
		return Suppression{}, fmt.Errorf("suppress an address: %w", err)
	}
	return s, nil
}

// UnsuppressedRecord returns the record of a suppression's end, by the
// principal of ctx.
func UnsuppressedRecord(ctx context.Context, s Suppression, now time.Time) (audit.Record, error) {
	return audit.New(ctx, service, "suppression.deleted", "suppression", s.ID, now)
}
