package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"gatehouse.example/internal/event"
	"gatehouse.example/internal/outbox"
)

// WriteAll is [Write] for several records, by three statements however many
// they are.
func WriteAll(ctx context.Context, tx bun.IDB, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := InsertAll(ctx, tx, records); err != nil {
		return err
	}
	events := make([]event.Event, len(records))
	for i, r := range records {
		var err error
		if events[i], err = r.Event(); err != nil {
			return fmt.Errorf("audit %s: %w", r.Action, err)
		}
	}
	return outbox.AppendAll(ctx, tx, events)
}

// InsertAll is [Insert] for at least one record, by one statement.
func InsertAll(ctx context.Context, tx bun.IDB, records []Record) error {
	rows := make([]string, len(records))
	args := make([]any, 0, 14*len(records))
	for i, r := range records {
		if r.Outcome == "" {
			r.Outcome = Success
		}
		details := []byte("{}")
		if len(r.Details) > 0 {
			var err error
			if details, err = json.Marshal(r.Details); err != nil {
				return fmt.Errorf("audit %s: %w", r.Action, err)
			}
		}
		rows[i] = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb)"
		args = append(args, r.ID, r.Time.UTC(), r.Service, string(r.ActorKind), r.ActorID, r.ClientID, r.Action, r.SubjectKind, r.SubjectID,
			string(r.Outcome), r.Address, r.RequestID, r.TraceID, string(details))
	}
	_, err := tx.NewRaw(`INSERT INTO audit_log
		(id, at, service, actor_kind, actor_id, client_id, action, subject_kind, subject_id, outcome, address, request_id, trace_id, details)
		VALUES `+strings.Join(rows, ", "), args...).Exec(ctx)
	if err != nil {
		return fmt.Errorf("audit %s: %w", records[0].Action, err)
	}
	return nil
}
