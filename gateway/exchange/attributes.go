package exchange

import "iter"

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
