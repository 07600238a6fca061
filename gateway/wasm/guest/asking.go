package guest

import (
	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/capability"
)

// Asks reports whether the filter may wait for other servers while it has a
// request.
func (f *Filter) Asks() bool {
	return f.Granted(filterv1.GrantToken) || f.Granted(filterv1.GrantKey) || f.Granted(filterv1.GrantHTTP)
}

// Questions bound how many instances of a filter wait for somebody's word on a
// credential at the same time. Nil bounds nothing.
type Questions struct{ places chan struct{} }

// NewQuestions returns room for so many.
func NewQuestions(n int) *Questions { return &Questions{places: make(chan struct{}, n)} }

var _ capability.Asker = (*hostContext)(nil)

// Ask implements [capability.Asker].
func (c *hostContext) Ask() (done func(), ok bool) {
	q := c.filter.Questions
	if q == nil {
		return func() {}, true
	}
	select {
	case q.places <- struct{}{}:
		return func() { <-q.places }, true
	default:
		return nil, false
	}
}

// Asking is how many are under way.
func (q *Questions) Asking() int { return len(q.places) }
