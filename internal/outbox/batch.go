package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"gatehouse.example/internal/event"
)

// AppendAll is [Append] for several events, in their order, by two statements
// however many they are.
func AppendAll(ctx context.Context, db bun.IDB, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	var subjects []string
	rows := make([]string, len(events))
	args := make([]any, 0, 5*len(events))
	for i, e := range events {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("append to outbox: %w", err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("append event %s to outbox: %w", e.ID, err)
		}
		subjects = append(subjects, e.Subject)
		rows[i] = "(?, ?, ?, ?, ?::jsonb)"
		args = append(args, e.ID, partition(e.Subject), e.Subject, e.Type, string(text))
	}
	// In one order, so that two of us do not wait for one another.
	slices.Sort(subjects)
	// As in Append, the numbers of the rows are drawn under the locks.
	_, err := db.NewRaw(`SELECT pg_notify('gatehouse_outbox_' || current_schema(), ''),
		(SELECT count(pg_advisory_xact_lock(hashtextextended(current_schema() || '/outbox/' || s, 0))) FROM unnest(?::text[]) AS s)`,
		pgdialect.Array(slices.Compact(subjects))).Exec(ctx)
	if err == nil {
		_, err = db.NewRaw(`INSERT INTO outbox (id, partition, aggregate, type, event) VALUES `+strings.Join(rows, ", "), args...).Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("append %d events to outbox: %w", len(events), err)
	}
	return nil
}
