package audit

import (
	"log/slog"
	"time"

	"gatehouse.example/internal/audit/refusals"
)

// NewDenials returns what notes the service's refusals by r.
func NewDenials(r *Recorder, logger *slog.Logger, now func() time.Time) *refusals.Watcher {
	return refusals.New(refusals.Options{Service: "auth", Recorder: r, Logger: logger, Now: now})
}
