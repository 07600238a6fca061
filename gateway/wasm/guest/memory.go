package guest

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Memory is the guest's linear memory during one host call.
type Memory struct {
	api.Memory
	in *Instance
}

// NewMemory returns the memory of an instance.
func NewMemory(in *Instance, memory api.Memory) Memory { return Memory{memory, in} }

// Bytes returns the range as a view, for which the guest is charged by length.
// It traps where the range lies outside the memory.
func (m Memory) Bytes(address, length uint32) []byte {
	if length == 0 {
		return nil
	}
	m.in.chargeBytes(length)
	p, ok := m.Read(address, length)
	if !ok {
		panic(Trap("address range outside the guest's memory"))
	}
	return p
}

// Put writes value if it fits into limit, and returns its whole length. The
// guest is charged by length in both cases: the value was made for it, and who
// asks with a limit of zero asks as often as anybody.
func (m Memory) Put(address, limit uint32, value []byte) uint32 {
	n := uint32(len(value))
	if n > 0 && n <= limit {
		copy(m.Bytes(address, n), value)
	} else {
		m.in.chargeBytes(n)
	}
	return n
}

// PutString is Put for a string.
func (m Memory) PutString(address, limit uint32, value string) uint32 {
	n := uint32(len(value))
	if n > 0 && n <= limit {
		copy(m.Bytes(address, n), value)
	} else {
		m.in.chargeBytes(n)
	}
	return n
}

// Function is a host function. Call reads its parameters from stack and writes
// its results there.
type Function struct {
	Name            string
	Params, Results []api.ValueType
	Call            func(in *Instance, mem Memory, stack []uint64)
}

// Export instantiates a host module of functions.
func Export(ctx context.Context, runtime wazero.Runtime, module string, functions []Function) error {
	b := runtime.NewHostModuleBuilder(module)
	for _, f := range functions {
		call := f.Call
		// Not WithFunc, which reflects on every call.
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			in := From(ctx)
			in.cross()
			call(in, NewMemory(in, mod.Memory()), stack)
		}), f.Params, f.Results).Export(f.Name)
	}
	_, err := b.Instantiate(ctx)
	return err
}
