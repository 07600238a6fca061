package wasm

import (
	"context"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"gatehouse.example/gateway/wasm/guest"
)

// instantiateWASI adds WASI to runtime, with a price for each call: what a
// guest has the host do there is host work as any other.
func instantiateWASI(ctx context.Context, runtime wazero.Runtime) error {
	_, err := wasi_snapshot_preview1.Instantiate(experimental.WithFunctionListenerFactory(ctx, wasiMeter{}), runtime)
	return err
}

// exitError is the code with which a guest wants to end itself.
type exitError uint32

// Error implements error.
func (e exitError) Error() string {
	return fmt.Sprintf("the guest ended itself with code %d", uint32(e))
}

type wasiMeter struct{}

var _ experimental.FunctionListenerFactory = wasiMeter{}

// NewFunctionListener implements experimental.FunctionListenerFactory.
func (wasiMeter) NewFunctionListener(f api.FunctionDefinition) experimental.FunctionListener {
	if f.Name() == "proc_exit" {
		// Before the runtime closes the module for good: a guest of Go ends
		// itself when it panics, and can be put back as after any other trap.
		return experimental.FunctionListenerFunc(func(_ context.Context, _ api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
			panic(exitError(uint32(params[0])))
		})
	}
	price := wasiPrice(f.Name())
	return experimental.FunctionListenerFunc(func(ctx context.Context, _ api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
		guest.From(ctx).Charge(guest.CrossingUnits + price(params))
	})
}

// wasiPrice returns what a function costs in fuel, beyond the crossing: what
// is in proportion to numbers that the guest chooses. The bytes of files and
// output are charged where they are copied.
func wasiPrice(name string) func(params []uint64) int64 {
	const (
		perVector = 4     // an empty vector is looked at all the same
		system    = 5_000 // a call of the system
		perEvent  = 100   // of poll_oneoff
	)
	number := func(i int, each int64) func([]uint64) int64 {
		return func(params []uint64) int64 { return int64(uint32(params[i])) * each }
	}
	switch {
	case name == "random_get":
		return number(1, 3)
	case name == "poll_oneoff":
		return number(2, perEvent)
	case name == "fd_write", name == "fd_read", name == "fd_pread", name == "fd_pwrite":
		return number(2, perVector)
	case name == "fd_readdir", name == "fd_filestat_get", strings.HasPrefix(name, "path_"):
		return func([]uint64) int64 { return system }
	}
	return func([]uint64) int64 { return 0 }
}
