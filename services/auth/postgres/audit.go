package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/database"
	"gatehouse.example/services/auth"
)

// Audit stores and finds the audit records of all services.
type Audit struct{ db *database.DB }

// NewAudit returns the store on db.
func NewAudit(db *database.DB) *Audit { return &Audit{db} }

const auditColumns = `id, at, service, actor_kind, actor_id, client_id, action, subject_kind, subject_id, outcome, address, request_id, trace_id, details`

func scanAuditRecord(row pgx.Row) (audit.Record, error) {
	var r audit.Record
	err := row.Scan(&r.ID, &r.Time, &r.Service, (*string)(&r.ActorKind), &r.ActorID, &r.ClientID, &r.Action, &r.SubjectKind, &r.SubjectID,
		(*string)(&r.Outcome), &r.Address, &r.RequestID, &r.TraceID, &r.Details)
	return r, err
}

// KeepAuditRecord stores a record that belongs to no change here. One that is
// there already stays as it is.
func (s *Audit) KeepAuditRecord(ctx context.Context, r audit.Record) error {
	if r.Outcome == "" {
		r.Outcome = audit.Success
	}
	details := []byte("{}")
	if len(r.Details) > 0 {
		var err error
		if details, err = json.Marshal(r.Details); err != nil {
			return fmt.Errorf("keep audit record %s: %w", r.ID, err)
		}
	}
	_, err := s.db.Pool.Exec(ctx, `INSERT INTO audit_log (`+auditColumns+`) VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb)
		ON CONFLICT (id) DO NOTHING`,
		r.ID, r.Time.UTC(), r.Service, string(r.ActorKind), r.ActorID, r.ClientID, r.Action, r.SubjectKind, r.SubjectID,
		string(r.Outcome), r.Address, r.RequestID, r.TraceID, string(details))
	if err != nil {
		return fmt.Errorf("keep audit record %s: %w", r.ID, err)
	}
	return nil
}

// AuditRecord returns the record, or [auth.ErrNotFound].
func (s *Audit) AuditRecord(ctx context.Context, id string) (audit.Record, error) {
	if !isUUID(id) {
		return audit.Record{}, fmt.Errorf("load audit record: %w", auth.ErrNotFound)
	}
	r, err := scanAuditRecord(s.db.Pool.QueryRow(ctx, `SELECT `+auditColumns+` FROM audit_log WHERE id = $1::uuid`, id))
	return r, notFound("load audit record", err)
}

// AuditRecords returns up to limit records that fit, the newest first, from
// those before the id "before" on; "" begins with the newest.
func (s *Audit) AuditRecords(ctx context.Context, f auth.AuditFilter, before string, limit int) ([]audit.Record, error) {
	var where []string
	var args []any
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	for column, value := range map[string]string{"actor_id": f.ActorID, "subject_id": f.SubjectID, "service": f.Service, "outcome": string(f.Outcome)} {
		if value != "" {
			add(column+" = $%d", value)
		}
	}
	if noun, all := strings.CutSuffix(f.Action, "*"); all {
		add("starts_with(action, $%d)", noun)
	} else if f.Action != "" {
		add("action = $%d", f.Action)
	}
	if !f.Since.IsZero() {
		add("at >= $%d", f.Since.UTC())
		add("id >= $%d::uuid", idAt(f.Since.Add(-clockSlack)))
	}
	if !f.Until.IsZero() {
		add("at <= $%d", f.Until.UTC())
		add("id < $%d::uuid", idAt(f.Until.Add(clockSlack)))
	}
	if isUUID(before) {
		add("id < $%d::uuid", before)
	}
	query := `SELECT ` + auditColumns + ` FROM audit_log`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, " AND ")
	}
	args = append(args, limit)
	rows, err := s.db.Pool.Query(ctx, query+fmt.Sprintf(` ORDER BY id DESC LIMIT $%d`, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list audit records: %w", err)
	}
	records, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (audit.Record, error) { return scanAuditRecord(row) })
	if err != nil {
		return nil, fmt.Errorf("list audit records: %w", err)
	}
	return records, nil
}

// clockSlack is by how much the time in a record's id may differ from the time
// that it tells. The ids bound what has to be read, the times decide.
const clockSlack = 24 * time.Hour

// idAt returns the smallest UUIDv7 of a time (RFC 9562 §5.7).
func idAt(t time.Time) string {
	var id uuid.UUID
	ms := max(t.UnixMilli(), 0)
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8] = 0x70, 0x80
	return id.String()
}
