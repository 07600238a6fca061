package audit

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/event"
)

type keeper struct {
	kept []audit.Record
	err  error
}

func (k *keeper) KeepAuditRecord(ctx context.Context, r audit.Record) error {
	if err := errors.Join(k.err, ctx.Err()); err != nil {
		return err
	}
	k.kept = append(k.kept, r)
	return nil
}

// TestRecorder: a record is at the broker or in the log, or there is an error.
func TestRecorder(t *testing.T) {
	away := errors.New("away")
	for name, test := range map[string]struct {
		publish  func(ctx context.Context, e event.Event) error
		store    error
		kept     int
		fails    bool
		fallback float64
	}{
		"the broker takes it":       {func(context.Context, event.Event) error { return nil }, away, 0, false, 0},
		"the broker is away":        {func(context.Context, event.Event) error { return away }, nil, 1, false, 1},
		"the broker hangs":          {func(ctx context.Context, _ event.Event) error { <-ctx.Done(); return ctx.Err() }, nil, 1, false, 1},
		"there is no broker":        {nil, nil, 1, false, 0},
		"both are away":             {func(context.Context, event.Event) error { return away }, away, 0, true, 1},
		"no broker and no database": {nil, away, 0, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			store := &keeper{err: test.store}
			registry := prometheus.NewRegistry()
			r, err := NewRecorder(RecorderOptions{Publish: test.publish, Store: store, Logger: slog.New(slog.DiscardHandler), Registry: registry})
			if err != nil {
				t.Fatal(err)
			}
			record, err := audit.New(t.Context(), "auth", "token.issued", "token", "x", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Record(t.Context(), record); (err != nil) != test.fails {
				t.Errorf("error %v", err)
			}
			if len(store.kept) != test.kept {
				t.Errorf("kept %v", store.kept)
			}
			metrics, err := registry.Gather()
			if err != nil || len(metrics) != 1 || metrics[0].GetMetric()[0].GetCounter().GetValue() != test.fallback {
				t.Errorf("metrics %v, %v", metrics, err)
			}
		})
	}
}
