package guest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// hostContext is the context of what host functions wait for during one call
// into the guest. It costs nothing until somebody waits: the deadline is armed
// by the first Done or Deadline, from which moment on everything that waits
// within the same call shares what is left of the time.
//
// One that nobody has asked anything but Err is used for the next call, too.
// Who keeps it beyond a host function must therefore have asked for Done,
// Deadline or a Value, as every derived context with an end of its own does.
type hostContext struct {
	filter *Filter
	limit  time.Duration

	mu      sync.Mutex
	request context.Context
	cancel  context.CancelFunc
	armed   atomic.Pointer[context.Context]
}

var _ context.Context = (*hostContext)(nil)

func (c *hostContext) arm() context.Context {
	if armed := c.armed.Load(); armed != nil {
		return *armed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if armed := c.armed.Load(); armed != nil {
		return *armed
	}
	var ctx context.Context
	if c.limit > 0 {
		ctx, c.cancel = context.WithTimeout(c.request, c.limit)
	} else {
		ctx, c.cancel = context.WithCancel(c.request)
	}
	c.armed.Store(&ctx)
	return ctx
}

// begin makes a context that nobody has asked yet one of this request.
func (c *hostContext) begin(request context.Context) {
	if c.armed.Load() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed.Load() == nil {
		c.request = request
	}
}

// current is the context to ask without arming.
func (c *hostContext) current() context.Context {
	if armed := c.armed.Load(); armed != nil {
		return *armed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.request
}

// Deadline implements [context.Context].
func (c *hostContext) Deadline() (time.Time, bool) { return c.arm().Deadline() }

// Done implements [context.Context].
func (c *hostContext) Done() <-chan struct{} { return c.arm().Done() }

// Err implements [context.Context].
func (c *hostContext) Err() error { return c.current().Err() }

// Value implements [context.Context].
func (c *hostContext) Value(key any) any { return c.arm().Value(key) }

// HostContext is the context of host functions that may wait: it ends with the
// request, with the call into the guest, and when the call has waited for the
// host as long as it may (limits.host_time). A host function that has its
// answer at hand leaves Done, Deadline and Value alone, which allocate. What
// waits for it is run by Waiting.
func (in *Instance) HostContext() context.Context {
	if in.waiting == nil {
		in.waiting = &hostContext{filter: in.Filter, limit: in.Filter.HostTime}
	}
	in.waiting.begin(in.Request)
	return in.waiting
}

// endWait ends the call's waiting. A context that was armed may still be held
// by somebody and is not used again.
func (in *Instance) endWait() {
	if in.waiting != nil && in.waiting.armed.Load() != nil {
		in.waiting.cancel()
		in.waiting = nil
	}
}
