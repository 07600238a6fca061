package wasm

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/guest"
)

// instance is a running guest. One goroutine uses it at a time.
type instance struct {
	*guest.Instance
	owner          *wasmFilter
	module         api.Module
	handleRequest  api.Function
	handleResponse api.Function
	// stack carries parameters and results, so that a call allocates nothing.
	stack [2]uint64
	// guestContext is what handle_request gave for handle_response.
	guestContext uint32
	// early is what the guest has written of the response's body before it let
	// the request go on.
	early []byte
}

var _ filter.ResponsePhase = (*instance)(nil)

// description is what gatehouse_describe says of a filter.
type description struct {
	Name          string          `json:"name"`
	ResponsePhase bool            `json:"response_phase"`
	Grants        []string        `json:"grants"`
	ConfigSchema  json.RawMessage `json:"config_schema"`
}

// instantiate creates a guest and runs its start function, but not yet
// gatehouse_start.
func (f *wasmFilter) instantiate(ctx context.Context) (i *instance, err error) {
	defer func() {
		// What wazero refuses by panic must not stop the gateway.
		if r := recover(); r != nil {
			i, err = nil, fmt.Errorf("instantiate: %v", r)
		}
	}()
	in := guest.New(f.shared)
	in.Request = ctx
	config := wazero.NewModuleConfig().
		WithName("").
		// A reactor has the first, a command the second.
		WithStartFunctions("_initialize", "_start").
		// Without these a guest sees a clock that stands still and the same
		// random bytes every time.
		WithSysWalltime().
		WithSysNanotime().
		WithRandSource(rand.Reader).
		WithStdout(&in.Output).
		WithStderr(&in.Output)
	start := experimental.WithMemoryAllocator(in, allocator{limit: f.limits.Memory})
	mod, err := f.host.runtime.InstantiateModule(start, f.module.compiled, config)
	if err != nil {
		return nil, fmt.Errorf("instantiate: %w", trapError(in, err))
	}
	f.metrics.instances.Inc()
	return &instance{
		Instance:       in,
		owner:          f,
		module:         mod,
		handleRequest:  mod.ExportedFunction(filterv1.ExportHandleRequest),
		handleResponse: mod.ExportedFunction(filterv1.ExportHandleResponse),
	}, nil
}

// start runs gatehouse_start, which reads the configuration.
func (i *instance) start() error {
	if f := i.module.ExportedFunction(filterv1.ExportStart); f != nil {
		result, err := f.Call(i.Instance)
		if err != nil {
			return fmt.Errorf("%s: %w", filterv1.ExportStart, trapError(i.Instance, err))
		}
		if uint32(result[0]) != 0 {
			if i.Failure == "" {
				i.Failure = "the filter does not say why"
			}
			return errors.New(i.Failure)
		}
	}
	i.End()
	return nil
}

// describe runs gatehouse_describe. A module without it is a plain http-wasm
// handler: it has a response phase, and needs nothing.
func (i *instance) describe() (description, error) {
	f := i.module.ExportedFunction(filterv1.ExportDescribe)
	if f == nil {
		return description{ResponsePhase: true}, nil
	}
	result, err := f.Call(i.Instance)
	if err != nil {
		return description{}, fmt.Errorf("%s: %w", filterv1.ExportDescribe, trapError(i.Instance, err))
	}
	text, ok := i.module.Memory().Read(uint32(result[0]>>32), uint32(result[0]))
	if !ok {
		return description{}, fmt.Errorf("%s: the text lies outside the memory", filterv1.ExportDescribe)
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return description{}, fmt.Errorf("%s: %w", filterv1.ExportDescribe, err)
	}
	return d, nil
}

// request runs handle_request and returns whether the guest has answered.
func (i *instance) request(ctx context.Context, ex *exchange.Exchange) (answered bool, err error) {
	i.Begin(ctx, ex)
	if err := i.handleRequest.CallWithStack(i.Instance, i.stack[:]); err != nil {
		return false, trapError(i.Instance, err)
	}
	i.guestContext = uint32(i.stack[0] >> 32)
	if i.Answered || uint32(i.stack[0]) == 0 {
		if ex.Response.Status == 0 {
			ex.Response.Status = 200
		}
		return true, nil
	}
	i.early = ex.Response.Body.Bytes
	deferResponse(ex)
	return false, nil
}

// deferResponse keeps what the guest has said of a response that is not its
// own for the moment when there is one: the header. The status is the
// upstream's.
func deferResponse(ex *exchange.Exchange) {
	h := &ex.Response.Header
	for i := range h.Len() {
		f := h.At(i)
		op := exchange.HeaderSet
		for j := range i {
			if strings.EqualFold(h.At(j).Name, f.Name) {
				op = exchange.HeaderAdd
			}
		}
		ex.DeferResponseHeader(exchange.HeaderChange{Op: op, Name: f.Name, Value: f.Value})
	}
	h.Reset()
	ex.Response.Status = 0
	ex.Response.Body.Close()
	ex.Response.Body = exchange.Body{}
}

// prepend puts what the guest has written early before the body of the
// response, as hosts do that send as they go.
func prepend(early []byte, r *exchange.Response) {
	if len(early) == 0 {
		return
	}
	r.Header.Del("Content-Length")
	b := &r.Body
	if b.Stream == nil {
		b.SetBytes(append(early, b.Bytes...))
		return
	}
	b.Stream = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(early), b.Stream), b.Stream}
	if b.Length >= 0 {
		b.Length += int64(len(early))
	}
}

// HandleResponse implements [filter.ResponsePhase].
func (i *instance) HandleResponse(ctx context.Context, ex *exchange.Exchange, failed bool) error {
	f := i.owner
	prepend(i.early, &ex.Response)
	i.early = nil
	f.metrics.responses.Inc()
	i.Respond(ctx)
	i.stack = [2]uint64{uint64(i.guestContext), 0}
	if failed {
		i.stack[1] = 1
	}
	if err := i.handleResponse.CallWithStack(i.Instance, i.stack[:]); err != nil {
		return f.trapped(i, trapError(i.Instance, err))
	}
	i.Release()
	return nil
}

// Release implements [filter.ResponsePhase].
func (i *instance) Release() {
	i.End()
	i.owner.pool.release(i)
}

func (i *instance) close() {
	// A guest that has ended itself is closed already.
	_ = i.module.Close(context.Background())
	i.owner.metrics.instances.Dec()
}

// trapError is a trap in one line: what the guest said of it, or what the
// runtime did, without its stack trace.
func trapError(in *guest.Instance, err error) error {
	var exit *sys.ExitError
	said := in.Output.FirstLine()
	switch {
	case errors.As(err, &exit) && said != "":
		return fmt.Errorf("the guest ended itself with code %d: %s", exit.ExitCode(), said)
	case errors.As(err, &exit):
		return fmt.Errorf("the guest ended itself with code %d", exit.ExitCode())
	case errors.Is(err, exchange.ErrBodyTooLarge):
		return exchange.ErrBodyTooLarge
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	text = strings.TrimSuffix(text, " (recovered by wazero)")
	if said != "" {
		text += ": " + said
	}
	return errors.New(text)
}
