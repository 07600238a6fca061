package filter_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
)

// clumsy changes everything that a filter can, and fails.
type clumsy struct{ onError filter.OnError }

func (clumsy) Name() string                { return "clumsy" }
func (c clumsy) OnError() filter.OnError   { return c.onError }
func (clumsy) Close(context.Context) error { return nil }
func (clumsy) Release()                    {}

func (c clumsy) HandleRequest(_ context.Context, ex *exchange.Exchange) (filter.Result, error) {
	if ex.Request.Header.Has("Late") {
		return filter.Result{Response: c}, nil
	}
	r := &ex.Request
	r.Method = "DELETE"
	_ = r.SetURI("/elsewhere?x")
	r.Header.Set("Kept", "changed")
	r.Header.Add("Added", "1")
	ex.SetAttribute("a", "changed")
	ex.DeferResponseHeader(exchange.HeaderChange{Op: exchange.HeaderSet, Name: "X", Value: "1"})
	r.Body.Replace()
	r.Body.SetBytes([]byte("HALF"))
	return filter.Result{}, errors.New("a trap")
}

func (clumsy) HandleResponse(_ context.Context, ex *exchange.Exchange, _ bool) (filter.Usage, error) {
	ex.Response.Status = 418
	ex.Response.Header.Set("Kept", "changed")
	ex.Response.Body.Replace()
	ex.Response.Body.SetBytes([]byte("HALF"))
	return filter.Usage{}, errors.New("a trap")
}

// TestSkippedFilterLeavesNoTrace: whoever comes next sees the exchange as though
// the filter were not there, with a body that is complete.
func TestSkippedFilterLeavesNoTrace(t *testing.T) {
	ex := &exchange.Exchange{}
	r := &ex.Request
	r.Method = "POST"
	if err := r.SetURI("/here"); err != nil {
		t.Fatal(err)
	}
	r.Header.Add("Kept", "1")
	ex.SetAttribute("a", "b")
	r.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader("original")), Length: 8}
	skipped := 0
	var run filter.Run
	chain := filter.Chain{clumsy{filter.Skip}}
	if answered, err := chain.HandleRequest(t.Context(), ex, &run, func(error) { skipped++ }); answered || err != nil || skipped != 1 {
		t.Fatalf("answered %v, error %v, %d skipped", answered, err, skipped)
	}
	a, _ := ex.Attribute("a")
	if r.Method != "POST" || r.URI() != "/here" || r.Header.Get("Kept") != "1" || r.Header.Has("Added") || a != "b" {
		t.Errorf("the request is changed: %+v, attribute %q", r, a)
	}
	if body, err := io.ReadAll(r.Body.Stream); string(body) != "original" || err != nil {
		t.Errorf("body %q %v", body, err)
	}
	if ex.ApplyDeferred(); ex.Response.Header.Len() > 0 {
		t.Errorf("deferred changes are left: %+v", ex.Response.Header)
	}
	// And on the way back.
	r.Header.Add("Late", "1")
	if _, err := chain.HandleRequest(t.Context(), ex, &run, func(error) { skipped++ }); err != nil {
		t.Fatal(err)
	}
	ex.Response.Status = 200
	ex.Response.Header.Add("Kept", "1")
	ex.Response.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader("answer")), Length: 6}
	if err := run.HandleResponse(t.Context(), ex, false, func(error) { skipped++ }); err != nil || skipped != 2 {
		t.Fatalf("%v, %d skipped", err, skipped)
	}
	body, err := io.ReadAll(ex.Response.Body.Stream)
	if ex.Response.Status != 200 || ex.Response.Header.Get("Kept") != "1" || string(body) != "answer" || err != nil {
		t.Errorf("the response is changed: %d %+v %q %v", ex.Response.Status, ex.Response.Header, body, err)
	}
}

// TestFailedFilterLosesNoBody: where the request ends, what is left of its body
// is still the client's.
func TestFailedFilterLosesNoBody(t *testing.T) {
	ex := &exchange.Exchange{}
	ex.Request.Body = exchange.Body{Stream: io.NopCloser(strings.NewReader("original")), Length: 8}
	var run filter.Run
	if _, err := (filter.Chain{clumsy{filter.Deny}}).HandleRequest(t.Context(), ex, &run, nil); err == nil {
		t.Fatal("no error")
	}
	if body, err := io.ReadAll(ex.Request.Body.Stream); string(body) != "original" || err != nil {
		t.Errorf("body %q %v", body, err)
	}
}
