// Package fuel rewrites WebAssembly modules so that they bound their own CPU
// time and call depth: [Instrument] returns a module that behaves as the given
// one does, counts the operators that it executes in one global, and traps when
// a budget is used up. The package also says what a host must know of a module
// before it runs it ([Module]).
//
// A unit of fuel is one executed operator. Operators that only give code its
// structure (block, loop, else, end, nop) are free; bulk operations cost their
// length besides, see RATIONALE.md. Units are charged per basic block and
// looked at where a function is entered, where a loop begins again and before
// a bulk operation, so that a module traps at most one function body late.
//
// The package owns the parser and the encoder that this takes, and the limits
// that keep a hostile module from making them, or the runtime after them,
// allocate much. It does not validate types: the runtime does that with what
// comes out. Running modules, setting budgets and telling exhaustion from other
// traps is gateway/wasm's.
package fuel
