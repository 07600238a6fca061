package exchange

import (
	"slices"
	"strings"
)

// HideQueryParameter says that a query parameter holds a credential: its value
// does not belong into a log, whatever its name.
func (e *Exchange) HideQueryParameter(name string) {
	if !slices.Contains(e.hidden, name) {
		e.hidden = append(e.hidden, name)
	}
}

// QueryParameterHidden reports whether the parameter of that decoded name, in
// any case, is one whose value must not be logged.
func (e *Exchange) QueryParameterHidden(name string) bool {
	return slices.ContainsFunc(e.hidden, func(hidden string) bool { return strings.EqualFold(hidden, name) })
}
