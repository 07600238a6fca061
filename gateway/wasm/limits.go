package wasm

import (
	"cmp"
	"runtime"
	"time"

	"gatehouse.example/gateway/filter"
	"gatehouse.example/gateway/wasm/fuel"
)

// The defaults of [Options.Limits], for filters that set none of their own.
const (
	// DefaultMemory is the linear memory of one instance in bytes.
	DefaultMemory = 16 << 20
	// DefaultFuel is what one call may burn: 5 to 15 ms of one CPU, some 500
	// times of what the built-in filters need. See RATIONALE.md.
	DefaultFuel = 10_000_000
	// DefaultStartFuel is what starting may burn, up to a second or two. The
	// runtime of Go needs less than a hundredth.
	DefaultStartFuel = 2_000_000_000
	// DefaultCallDepth is how deep calls of ordinary size nest.
	DefaultCallDepth = 8192
	// DefaultTableElements is the size of all tables together.
	DefaultTableElements = fuel.DefaultMaxTableElements
	// DefaultModuleBytes bounds a module's size.
	DefaultModuleBytes = 32 << 20
	// DefaultQueue is how many requests may wait for an instance.
	DefaultQueue = 1024
	// DefaultQueueTimeout is how long a request waits for an instance.
	DefaultQueueTimeout = time.Second
	// DefaultHostTime is how long one call may wait for the host.
	DefaultHostTime = 5 * time.Second
	// DefaultBody bounds a body that a guest reads or writes, in bytes.
	DefaultBody = 8 << 20
	// DefaultLogLines bounds what one filter logs in a second.
	DefaultLogLines = 20
	// DefaultKV is the size in bytes of what one filter remembers.
	DefaultKV = 1 << 20
)

// overlay returns own with the zero fields filled from base.
func overlay(own, base filter.Limits) filter.Limits {
	return filter.Limits{
		Memory:        cmp.Or(own.Memory, base.Memory),
		Fuel:          cmp.Or(own.Fuel, base.Fuel),
		StartFuel:     cmp.Or(own.StartFuel, base.StartFuel),
		CallDepth:     cmp.Or(own.CallDepth, base.CallDepth),
		TableElements: cmp.Or(own.TableElements, base.TableElements),
		ModuleBytes:   cmp.Or(own.ModuleBytes, base.ModuleBytes),
		Instances:     cmp.Or(own.Instances, base.Instances),
		Queue:         cmp.Or(own.Queue, base.Queue),
		QueueTimeout:  cmp.Or(own.QueueTimeout, base.QueueTimeout),
		HostTime:      cmp.Or(own.HostTime, base.HostTime),
		Body:          cmp.Or(own.Body, base.Body),
		LogLines:      cmp.Or(own.LogLines, base.LogLines),
		KV:            cmp.Or(own.KV, base.KV),
	}
}

// defaultLimits are the limits of a filter where nobody says anything. The
// number of instances is left open: it depends on the filter.
func defaultLimits() filter.Limits {
	return filter.Limits{
		Memory: DefaultMemory, Fuel: DefaultFuel, StartFuel: DefaultStartFuel, CallDepth: DefaultCallDepth,
		TableElements: DefaultTableElements, ModuleBytes: DefaultModuleBytes,
		Queue: DefaultQueue, QueueTimeout: DefaultQueueTimeout, HostTime: DefaultHostTime,
		Body: DefaultBody, LogLines: DefaultLogLines, KV: DefaultKV,
	}
}

// defaultInstances is how many instances a filter may have that says nothing:
// enough for all CPUs, more where an instance waits for the upstream, and most
// where it waits for other servers, as long as limits.host_time. They are made
// on demand, and those that nobody needs go again.
func defaultInstances(responsePhase, asks bool) int {
	n := max(4, 2*runtime.GOMAXPROCS(0))
	switch {
	case asks:
		n *= 8
	case responsePhase:
		n *= 4
	}
	return n
}
