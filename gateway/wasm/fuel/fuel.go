package fuel

import "fmt"

// The limits of a module that [Options] does not set. Each bounds what the
// parser, or the runtime after it, allocates for a few bytes.
const (
	maxSignature = 64      // parameters, or results
	maxEntries   = 100_000 // of a section
	maxElements  = 1_000_000
	maxTables    = 100
	maxTotal     = 4_000_000 // locals of all functions
)

// The defaults of [Options].
const (
	DefaultMaxTableElements = 65_536
	DefaultMaxFunctions     = 100_000
	DefaultMaxLocals        = 50_000
	DefaultMaxNesting       = 10_000
	DefaultStartUnits       = 1_000_000_000
	DefaultStartDepth       = 10_000
)

// Options are the limits of a module. Zero fields mean the defaults.
type Options struct {
	// MaxTableElements bounds the elements of all tables that a module defines:
	// minimums above it are an error, and tables never grow past it.
	MaxTableElements uint32
	// MaxFunctions bounds the functions that a module defines.
	MaxFunctions int
	// MaxLocals bounds the locals and parameters of one function.
	MaxLocals int
	// MaxNesting bounds how deep blocks nest within a function.
	MaxNesting int
	// Refill lets the module ask for more: where the counter is used up it calls
	// an import without parameters and results, [RefillModule] and [RefillName],
	// which gives the counter more ([SetLeft]) and returns, or ends the call by
	// a panic. A budget can so be given in slices, between which the host may let
	// others have the processor.
	Refill bool
	// Start is the counter's value while the module is instantiated, as long as
	// the host has not set it: what its start function may burn. Zero means
	// Budget(DefaultStartUnits, DefaultStartDepth).
	Start uint64
}

func (o *Options) complete() {
	if o.MaxTableElements == 0 {
		o.MaxTableElements = DefaultMaxTableElements
	}
	if o.MaxFunctions == 0 {
		o.MaxFunctions = DefaultMaxFunctions
	}
	if o.MaxLocals == 0 {
		o.MaxLocals = DefaultMaxLocals
	}
	if o.MaxNesting == 0 {
		o.MaxNesting = DefaultMaxNesting
	}
	if o.Start == 0 {
		o.Start = Budget(DefaultStartUnits, DefaultStartDepth)
	}
}

// The import that [Options.Refill] adds.
const (
	RefillModule = "gatehouse_fuel"
	RefillName   = "refill"
)

// Module is an instrumented module and what a host needs to know of it.
type Module struct {
	// Binary is the instrumented module. Custom sections are left out.
	Binary []byte
	// Counter is the export name of the counter, a mutable i64 global. It holds
	// Options.Start at first; the host sets it to a [Budget] before each call.
	Counter string
	// Globals are the export names of all other mutable globals that the module
	// defines, in the order of their indexes. They are added where the module
	// does not export them.
	Globals []string
	// Restorable says that memory and Globals are all of the module's state: no
	// operator changes tables or drops segments, no mutable global holds a
	// reference or a vector, and nothing mutable is imported.
	Restorable bool
	// HasStart says that the module has a start function, which runs while it is
	// instantiated, on Options.Start.
	HasStart bool
	// ImportsRandom says that the module imports WASI's random_get.
	ImportsRandom bool
	// Imports and Exports are those of the given module, in its order.
	Imports []Import
	Exports []Export
	// MemoryMin is the size that the memory has at first, in pages of 64 KiB;
	// MemoryMax what it may grow to, 65,536 where the module does not say.
	MemoryMin, MemoryMax uint32
}

// Import is something that a module imports.
type Import struct {
	Module, Name string
	// Kind is function, table, memory or global.
	Kind string
	// Type is a function's signature, "(i32, i64) -> (i32)", or a global's type,
	// "mut i32"; else it is empty.
	Type string
}

// Export is something that a module exports. Kind and Type are as an Import's.
type Export struct{ Name, Kind, Type string }

// Error is a module that cannot be instrumented.
type Error struct {
	// Offset is where in the binary the problem is.
	Offset int
	// Problem says what is wrong.
	Problem string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("module at offset %#x: %s", e.Offset, e.Problem) }

// Instrument returns a module that behaves as binary does, and counts.
//
// # Errors
//
// An [*Error] where the binary is malformed, uses what is no part of
// WebAssembly 2.0, or exceeds a limit. Types are not checked: a module whose
// code does not validate is instrumented to one whose code does not either.
func Instrument(binary []byte, o Options) (*Module, error) {
	o.complete()
	m := module{options: o, binary: binary}
	if err := m.parse(); err != nil {
		return nil, err
	}
	out, err := m.encode()
	if err != nil {
		return nil, err
	}
	return m.describe(out), nil
}
