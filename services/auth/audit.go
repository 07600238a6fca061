package auth

import (
	"time"

	"gatehouse.example/internal/audit"
)

// AuditFilter selects records of the audit log. What is zero selects all.
type AuditFilter struct {
	ActorID, SubjectID, Service string
	// Action is one action, or those of a noun: "user.*".
	Action  string
	Outcome audit.Outcome
	// Since and Until bound when it happened; both are included.
	Since, Until time.Time
}
