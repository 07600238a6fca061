package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"gatehouse.example/services/graph"
)

const (
	// maxErrors bounds the errors of one answer.
	maxErrors = 50
	// maxMessageBytes bounds what is repeated of a query in an error.
	maxMessageBytes = 300
)

var errNotAStream = gqlerror.List{{
	Message:    "a subscription is answered as text/event-stream: accept it",
	Extensions: map[string]any{"code": string(graph.CodeNotAcceptable)},
}}

// coded gives errors of one kind their code and a bounded length.
func coded(code graph.Code, errs ...*gqlerror.Error) gqlerror.List {
	for _, err := range errs {
		err.Extensions = map[string]any{"code": string(code)}
		err.Rule = ""
		if len(err.Message) > maxMessageBytes {
			err.Message = strings.ToValidUTF8(err.Message[:maxMessageBytes], "") + "…"
		}
	}
	return bounded(errs)
}

func bounded(errs gqlerror.List) gqlerror.List { return errs[:min(len(errs), maxErrors)] }

func asGraphQL(err error) *gqlerror.Error {
	if e, ok := errors.AsType[*gqlerror.Error](err); ok {
		return e
	}
	return gqlerror.Errorf("the document is no GraphQL")
}

// present is what a client sees of an error of a field.
func (e *Endpoint) present(ctx context.Context, err error) *gqlerror.Error {
	raised := graphql.DefaultErrorPresenter(ctx, err)
	shown, foreseen := graph.ErrorOf(ctx, err)
	if !foreseen {
		e.Logger.ErrorContext(ctx, "a field could not be answered", slog.String("path", raised.Path.String()), slog.Any("error", err))
	}
	return &gqlerror.Error{
		Message: shown.Message, Path: raised.Path, Locations: raised.Locations,
		Extensions: map[string]any{"code": string(shown.Code)},
	}
}

// recovered logs a panic; the client learns that there was one, no more.
func (e *Endpoint) recovered(ctx context.Context, panicked any) error {
	e.Logger.ErrorContext(ctx, "a field panicked",
		slog.String("panic", fmt.Sprint(panicked)), slog.String("stack", string(debug.Stack())))
	return graph.NewError(graph.CodeInternal, "this could not be answered")
}

// refuse answers an operation of which nothing is answered. Clients that expect
// JSON get 400 as those that expect GraphQL's own media type: the request was
// wrong (GraphQL over HTTP §6.4.1 says SHOULD 200, for clients older than that).
// An event stream begins and says so in its one event.
func (e *Endpoint) refuse(w http.ResponseWriter, media string, errs gqlerror.List) {
	resp := &graphql.Response{Errors: errs}
	if media == mediaEvents {
		s := newEvents(w)
		s.next(resp)
		s.complete()
		return
	}
	status := http.StatusBadRequest
	if errs[0].Extensions["code"] == string(graph.CodeNotAcceptable) {
		status = http.StatusNotAcceptable
	}
	write(w, media, status, resp)
}

// encode returns a response in one line. A request of which nothing was
// executed has no "data" (GraphQL §7.1.2).
func encode(resp *graphql.Response) []byte {
	out := struct {
		Data   json.RawMessage `json:"data,omitempty"`
		Errors gqlerror.List   `json:"errors,omitempty"`
	}{resp.Data, resp.Errors}
	body, err := json.Marshal(out)
	if err != nil { // a service's JSON was not checked: there is none such
		return []byte(`{"errors":[{"message":"this could not be answered","extensions":{"code":"INTERNAL"}}]}`)
	}
	return body
}
