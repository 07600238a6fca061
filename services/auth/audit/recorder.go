package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
)

// publishTimeout bounds how long a request waits for the broker.
const publishTimeout = time.Second

// RecorderOptions configures [NewRecorder].
type RecorderOptions struct {
	// Publish stores an event at the broker. nil: there is no broker.
	Publish func(ctx context.Context, e event.Event) error
	// Store takes the record while the broker does not.
	Store  Keeper
	Logger *slog.Logger
	// Registry takes the metrics; nil keeps none.
	Registry *prometheus.Registry
}

// Recorder records what changes nothing in the database. It is safe for
// concurrent use.
type Recorder struct {
	o       RecorderOptions
	written prometheus.Counter
}

// NewRecorder returns a recorder.
func NewRecorder(o RecorderOptions) (*Recorder, error) {
	r := &Recorder{o: o, written: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatehouse_auth_audit_fallback_total", Help: "Audit records that went to the database because the broker did not take them.",
	})}
	if o.Registry != nil {
		if err := o.Registry.Register(r.written); err != nil {
			return nil, fmt.Errorf("register metrics of the audit log: %w", err)
		}
	}
	return r, nil
}

// Record returns when the record is durable: at the broker, from which it gets
// into the log, or in the log itself if the broker does not answer within a
// second; a broker that has it all the same makes no second one. An error says
// that it is nowhere: then what it tells of must not happen.
func (r *Recorder) Record(ctx context.Context, record audit.Record) error {
	e, err := record.Event()
	if err != nil {
		return fmt.Errorf("audit %s: %w", record.Action, err)
	}
	if r.o.Publish != nil {
		publishing, cancel := context.WithTimeout(ctx, publishTimeout)
		err := r.o.Publish(publishing, e)
		cancel()
		if err == nil {
			return nil
		}
		r.written.Inc()
		r.o.Logger.WarnContext(ctx, "audit record goes to the database", slog.String("action", record.Action), slog.Any("error", err))
	}
	return r.o.Store.KeepAuditRecord(ctx, record)
}
