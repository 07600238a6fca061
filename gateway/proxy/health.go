package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gatehouse.example/gateway/exchange"
)

// probeTimeout bounds one health check.
const probeTimeout = 2 * time.Second

// watch checks each target in turn until ctx is done. One failure takes a
// target out, one success brings it back.
func (u *Upstream) watch(ctx context.Context) {
	ticker := time.NewTicker(u.config.Health.Interval)
	defer ticker.Stop()
	for {
		for _, t := range u.targets {
			err := u.probe(ctx, t, u.config.Health.Path)
			if ctx.Err() != nil {
				return
			}
			if was := t.down.Swap(err != nil); was != (err != nil) {
				u.report(ctx, t, err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (u *Upstream) report(ctx context.Context, t *target, err error) {
	if err != nil {
		u.logger.LogAttrs(ctx, slog.LevelWarn, "upstream target is down",
			slog.String("upstream", u.Name()), slog.String("target", t.config.String()), slog.Any("error", err))
		return
	}
	u.logger.LogAttrs(ctx, slog.LevelInfo, "upstream target is up",
		slog.String("upstream", u.Name()), slog.String("target", t.config.String()))
}

// Check asks the targets for path until one of them answers 2xx, and returns
// the last error where none does.
func (u *Upstream) Check(ctx context.Context, path string) error {
	var last error
	for _, t := range u.targets {
		if last = u.probe(ctx, t, path); last == nil {
			return nil
		}
	}
	return last
}

func (u *Upstream) probe(ctx context.Context, t *target, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var ex exchange.Exchange
	ex.SetContext(ctx)
	ex.Request.Method, ex.Request.RawPath, ex.Request.Host = "GET", path, "gateway"
	if err := u.try(&ex, t, &extra{}, time.Time{}); err != nil {
		return err
	}
	ex.Response.Body.Close()
	if s := ex.Response.Status; s < 200 || s > 299 {
		return fmt.Errorf("%s: GET %s: status %d", t.config, path, s)
	}
	return nil
}
