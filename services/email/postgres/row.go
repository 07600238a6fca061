package postgres

import (
	"time"

	"github.com/uptrace/bun"

	"gatehouse.example/services/email"
)

type messageRow struct {
	bun.BaseModel `bun:"table:messages,alias:m"`

	ID             string      `bun:"id,pk,type:uuid"`
	IdempotencyKey string      `bun:"idempotency_key"`
	Template       string      `bun:"template"`
	Locale         string      `bun:"locale"`
	Recipient      string      `bun:"recipient"`
	UserID         *string     `bun:"user_id,type:uuid"`
	ChallengeID    *string     `bun:"challenge_id"`
	State          email.State `bun:"state"`
	Attempts       int         `bun:"attempts"`
	DueAt          time.Time   `bun:"due_at"`
	Reason         string      `bun:"reason"`
	Transport      string      `bun:"transport"`
	ProviderID     string      `bun:"provider_id"`
	CreatedAt      time.Time   `bun:"created_at"`
	UpdatedAt      time.Time   `bun:"updated_at"`
	SentAt         *time.Time  `bun:"sent_at"`

	AddressOfAccount bool              `bun:"address_of_account"`
	Data             map[string]string `bun:"data,type:jsonb"`
	RequestHash      []byte            `bun:"request_hash"`
}

type deadLetterRow struct {
	bun.BaseModel `bun:"table:dead_letters"`

	MessageID string    `bun:"message_id,pk,type:uuid"`
	Reason    string    `bun:"reason"`
	Permanent bool      `bun:"permanent"`
	Attempts  int       `bun:"attempts"`
	FailedAt  time.Time `bun:"failed_at"`
}

func rowOf(m email.Message) messageRow {
	row := messageRow{
		ID: m.ID, IdempotencyKey: m.IdempotencyKey, Template: m.Template, Locale: m.Locale,
		Recipient: m.Recipient, State: m.State, Attempts: m.Attempts, DueAt: m.DueAt,
		Reason: m.Reason, Transport: m.Transport, ProviderID: m.ProviderID,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
		AddressOfAccount: m.AddressOfAccount, Data: m.Data,
	}
	if row.Data == nil {
		row.Data = map[string]string{}
	}
	if m.UserID != "" {
		row.UserID = &m.UserID
	}
	if m.ChallengeID != "" {
		row.ChallengeID = &m.ChallengeID
	}
	if !m.SentAt.IsZero() {
		row.SentAt = &m.SentAt
	}
	return row
}

func (r messageRow) message() email.Message {
	m := email.Message{
		ID: r.ID, IdempotencyKey: r.IdempotencyKey, Template: r.Template, Locale: r.Locale,
		Recipient: r.Recipient, State: r.State, Attempts: r.Attempts, DueAt: r.DueAt.UTC(),
		Reason: r.Reason, Transport: r.Transport, ProviderID: r.ProviderID,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		AddressOfAccount: r.AddressOfAccount,
	}
	if len(r.Data) > 0 {
		m.Data = r.Data
	}
	if r.UserID != nil {
		m.UserID = *r.UserID
	}
	if r.ChallengeID != nil {
		m.ChallengeID = *r.ChallengeID
	}
	if r.SentAt != nil {
		m.SentAt = r.SentAt.UTC()
	}
	return m
}

func messagesOf(rows []messageRow) []email.Message {
	messages := make([]email.Message, 0, len(rows))
	for _, row := range rows {
		messages = append(messages, row.message())
	}
	return messages
}

type suppressionRow struct {
	bun.BaseModel `bun:"table:suppressions,alias:s"`

	AddressKey string    `bun:"address_key,pk"`
	ID         string    `bun:"id,type:uuid"`
	Address    string    `bun:"address"`
	Reason     string    `bun:"reason"`
	CreatedAt  time.Time `bun:"created_at"`
	CreatedBy  string    `bun:"created_by"`
}

func (r suppressionRow) suppression() email.Suppression {
	return email.Suppression{
		ID: r.ID, Address: r.Address, Reason: r.Reason, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt.UTC(),
	}
}
