package filterrun

import (
	"context"
	"time"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm"
)

// watched builds filters whose decisions are printed. It reads modules as the
// host does.
type watched struct {
	*wasm.Host
	printer *printer
}

var (
	_ filter.Builder = watched{}
	_ filter.Loader  = watched{}
)

// Build implements filter.Builder.
func (w watched) Build(ctx context.Context, s filter.Spec) (filter.Filter, error) {
	f, err := w.Host.Build(ctx, s)
	if err != nil {
		return nil, err
	}
	return watchedFilter{f, w.printer}, nil
}

type watchedFilter struct {
	filter.Filter
	printer *printer
}

// HandleRequest implements filter.Filter.
func (w watchedFilter) HandleRequest(ctx context.Context, ex *exchange.Exchange) (filter.Result, error) {
	d := decision{method: ex.Request.Method, uri: ex.Request.URI()}
	before, body := fieldsOf(&ex.Request.Header), watchBody(&ex.Request.Body)
	began := time.Now()
	result, err := w.Filter.HandleRequest(ctx, ex)
	d.took, d.fuel = time.Since(began), result.Usage.Fuel
	switch {
	case err != nil:
		d.what = "failed: " + err.Error()
	case result.Answered:
		d.answered(ex)
	default:
		d.what = "next"
		if ex.Request.Method != d.method || ex.Request.URI() != d.uri {
			d.what += ", now " + ex.Request.Method + " " + ex.Request.URI()
		}
		d.changes = append(difference(before, fieldsOf(&ex.Request.Header)), deferred(ex)...)
		d.changes = append(d.changes, body.changes()...)
	}
	w.printer.decision(&d)
	if result.Response != nil {
		result.Response = watchedPhase{result.Response, w.printer, d.method, d.uri}
	}
	return result, err
}

type watchedPhase struct {
	filter.ResponsePhase
	printer     *printer
	method, uri string
}

// HandleResponse implements filter.ResponsePhase.
func (w watchedPhase) HandleResponse(ctx context.Context, ex *exchange.Exchange, failed bool) (filter.Usage, error) {
	d := decision{method: w.method, uri: w.uri, what: "response"}
	before, status := fieldsOf(&ex.Response.Header), ex.Response.Status
	body := watchBody(&ex.Response.Body)
	began := time.Now()
	usage, err := w.ResponsePhase.HandleResponse(ctx, ex, failed)
	d.took, d.fuel = time.Since(began), usage.Fuel
	d.response(&ex.Response, before, status, err)
	d.changes = append(d.changes, body.changes()...)
	w.printer.decision(&d)
	return usage, err
}
