package wasm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/guest"
)

// The exports that start a module: a reactor has the first, a command the
// second.
const (
	exportReactor = "_initialize"
	exportCommand = "_start"
)

// instance is a running guest. One goroutine uses it at a time.
type instance struct {
	*guest.Instance
	owner          *wasmFilter
	module         api.Module
	memory         api.Memory
	handleRequest  api.Function
	handleResponse api.Function
	// globals are those of the guest's state.
	globals []api.MutableGlobal
	// stack carries parameters and results, so that a call allocates nothing.
	stack [2]uint64
	// guestContext is what handle_request gave for handle_response.
	guestContext uint32
	// early is what the guest has written of the response's body before it let
	// the request go on.
	early []byte
	// memoryRefused is set when the guest asked for more than it may have.
	memoryRefused bool

	// counts are what it has done since the pool looked, size its memory then.
	counts callCounts
	size   int64
	calls  uint32
}

// instantiate creates a guest and runs its start function, but not yet
// gatehouse_start. ctx ends it where nobody waits any more, patience its waiting
// for a processor. What cannot be made leaves nothing.
func (f *wasmFilter) instantiate(ctx context.Context, patience time.Duration) (made *instance, err error) {
	in := guest.New(f.shared)
	in.Request, in.Patience = ctx, patience
	i := &instance{Instance: in, owner: f}
	defer func() {
		// What wazero refuses by panic must not stop the gateway.
		if r := recover(); r != nil {
			err = fmt.Errorf("instantiate: %v", r)
		}
		if err != nil {
			i.close()
			made = nil
		}
	}()
	in.Refuel(f.limits.StartFuel, f.limits.CallDepth)
	start := experimental.WithMemoryAllocator(in, allocator{limit: f.limits.Memory, refused: &i.memoryRefused})
	mod, err := f.host.runtime.InstantiateModule(start, f.module.compiled, f.moduleConfig(in))
	if err != nil {
		return nil, fmt.Errorf("instantiate: %w", i.trapped(err))
	}
	i.module, i.memory = mod, mod.Memory()
	if err := i.bind(); err != nil {
		return nil, err
	}
	in.Refuel(f.limits.StartFuel, f.limits.CallDepth)
	return i, i.initialize()
}

// moduleConfig is the world of a guest.
func (f *wasmFilter) moduleConfig(in *guest.Instance) wazero.ModuleConfig {
	config := wazero.NewModuleConfig().
		WithName("").
		// Not by the runtime, which knows no fuel.
		WithStartFunctions().
		// Without these a guest sees a clock that stands still and the same
		// random bytes every time.
		WithSysWalltime().
		WithSysNanotime().
		WithRandSource(rand.Reader).
		WithStdout(&in.Output).
		WithStderr(&in.Output)
	for name, value := range f.environment {
		config = config.WithEnv(name, value)
	}
	if len(f.folders) == 0 {
		return config
	}
	files := wazero.NewFSConfig()
	open := new(openFiles)
	for at, root := range f.folders {
		files = files.WithFSMount(&folder{root: root.FS(), in: in, open: open}, at)
	}
	return config.WithFSConfig(files)
}

// bind finds what the host calls and sets.
func (i *instance) bind() error {
	i.handleRequest = i.module.ExportedFunction(filterv1.ExportHandleRequest)
	i.handleResponse = i.module.ExportedFunction(filterv1.ExportHandleResponse)
	about := i.owner.module.about
	counter, ok := i.module.ExportedGlobal(about.Counter).(api.MutableGlobal)
	if !ok {
		return errors.New("instantiate: the module has lost its counter")
	}
	i.SetCounter(counter)
	if !i.owner.restorable() {
		return nil
	}
	for _, name := range about.Globals {
		g, ok := i.module.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("instantiate: the module has lost its global %s", name)
		}
		i.globals = append(i.globals, g)
	}
	return nil
}

// initialize runs what the module starts with.
func (i *instance) initialize() error {
	for _, name := range []string{exportReactor, exportCommand} {
		f := i.module.ExportedFunction(name)
		if f == nil {
			continue
		}
		if _, err := f.Call(i.Instance); err != nil {
			if _, ended := errors.AsType[exitError](err); ended && name == exportCommand {
				return fmt.Errorf("%s: %w; a filter must not end: build it as a reactor, with Go by -buildmode=c-shared", name, i.trapped(err))
			}
			return fmt.Errorf("%s: %w", name, i.trapped(err))
		}
	}
	return nil
}

// start runs gatehouse_start, which reads the configuration.
func (i *instance) start() error {
	if f := i.module.ExportedFunction(filterv1.ExportStart); f != nil {
		result, err := f.Call(i.Instance)
		if err != nil {
			return fmt.Errorf("%s: %w", filterv1.ExportStart, i.trapped(err))
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

// timeEvery is of how many calls one is timed: two looks at the clock cost
// more than all other counting.
const timeEvery = 64

// call runs a function of the guest, with its parameters and results on the
// stack, within the limits of one call.
func (i *instance) call(f api.Function) error {
	limits := &i.owner.limits
	i.Refuel(limits.Fuel, limits.CallDepth)
	i.Patience = limits.QueueTimeout
	var begun time.Time
	if i.calls%timeEvery == 0 {
		begun = time.Now()
	}
	i.calls++
	err := f.CallWithStack(i.Instance, i.stack[:])
	i.Rest()
	if !begun.IsZero() {
		i.owner.metrics.duration.Observe(time.Since(begun).Seconds())
	}
	units, crossings := i.Burnt()
	i.counts.fuel += uint64(units)
	i.counts.crossings += uint64(crossings)
	if err != nil {
		return i.trapped(err)
	}
	return nil
}

func (i *instance) close() {
	i.Rest()
	if i.module == nil {
		return
	}
	// A guest that has ended itself is closed already.
	_ = i.module.Close(context.Background())
}
