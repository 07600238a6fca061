package exchange

import (
	"iter"
	"slices"
)

// Attributes returns the names and values that filters have left, in the order
// in which the names came up. Names that begin with a zero byte are the host's
// own.
func (e *Exchange) Attributes() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for i := range e.attributes {
			if !yield(e.attributes[i].name, e.attributes[i].value) {
				return
			}
		}
	}
}

// AttributeCount returns how many names have a value.
func (e *Exchange) AttributeCount() int { return len(e.attributes) }

// DeferredCount returns how many changes of the response's header wait for it.
func (e *Exchange) DeferredCount() int { return len(e.deferred) }

// Deferred returns the changes of the response's header that wait for it.
func (e *Exchange) Deferred() iter.Seq[HeaderChange] { return slices.Values(e.deferred) }
