// Package guest owns what the host functions of every ABI see of the guest
// instance that calls them: its filter, the exchange it works on, the phase it
// is in, and safe access to its memory.
//
// It knows no ABI (gateway/wasm/httpwasm, gateway/wasm/extension) and does not
// create or pool instances (gateway/wasm).
package guest

import (
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/capability"
)

// Phase is what an instance is called for.
type Phase uint8

// The phases of an instance.
const (
	// Starting is instantiation, gatehouse_describe and gatehouse_start.
	Starting Phase = iota
	// Requesting is handle_request.
	Requesting
	// Responding is handle_response.
	Responding
	// Idle is between calls; a guest that runs then does not exist.
	Idle
)

// Filter is what all instances of one filter share. It is read only, but for
// its log, which is safe for concurrent use.
type Filter struct {
	// Name is the filter's name in the configuration.
	Name string
	// Config is the filter's configuration as JSON; empty where there is none.
	Config []byte
	// Grants are the granted capabilities.
	Grants []string
	// Log takes the guest's lines, limited.
	Log *Log
	// Refused counts what was asked for and not granted.
	Refused func(capability string)

	// Limiter counts for limit_take; nil refuses.
	Limiter *capability.Limiter
	// Tokens verifies for jwt_verify; nil refuses.
	Tokens capability.Tokens
	// Keys verifies for key_verify; nil refuses.
	Keys capability.Keys
	// KeyFields are the fields in which filters of this host look for API keys.
	KeyFields *KeyFields
	// hidden are those that it hides for this one.
	hidden []string
	// KV is what the filter remembers; nil refuses.
	KV *capability.KV
	// Counters are those that the filter makes; nil refuses.
	Counters *capability.Counters
	// HTTP sends for http_call; nil refuses.
	HTTP *capability.HTTPCaller
	// MaxBodyBytes bounds a body that the guest reads or writes.
	MaxBodyBytes int64
	// Shares are the processors for guests that run on; nil does not bound them.
	Shares *Shares
	// Questions bound the instances that wait for word on a credential; nil does
	// not.
	Questions *Questions
	// HostTime bounds all waiting of one call into the guest; zero does not.
	HostTime time.Duration
}

// Granted reports whether a capability is granted.
func (f *Filter) Granted(name string) bool { return slices.Contains(f.Grants, name) }

// Instance is one guest instance. It is used by one goroutine at a time, and
// is itself the context of every call into the guest: so a host function finds
// it without a search.
type Instance struct {
	context.Context

	// Filter is what the instance shares with others.
	Filter *Filter
	// Phase is what the instance is called for.
	Phase Phase
	// Exchange is what it works on; nil while it starts.
	Exchange *exchange.Exchange
	// Request is the context of the request, for host calls that wait.
	Request context.Context
	// Patience bounds how long one call waits for a processor; zero does not, and
	// leaves it to Request.
	Patience time.Duration
	// Answered is set when apply has answered the request.
	Answered bool

	// BaseFeatures are the http-wasm features enabled while starting, Features
	// those of this exchange.
	BaseFeatures, Features uint32
	// Bodies are those of request (0) and response (1).
	Bodies [2]Body

	// Failure is what the guest said with fail.
	Failure string
	// LastError explains the last refusal.
	LastError string
	// Limits, Tokens and Keys are the policies behind the guest's handles.
	Limits []*capability.LimitPolicy
	Tokens []*capability.TokenPolicy
	Keys   []*capability.KeyPolicy

	// HTTPAnswer is the encoded answer to the last http_call of this call into
	// the guest; nil where there is none.
	HTTPAnswer []byte
	// Output is what the guest has written to standard output and error.
	Output Output
	// Scratch is memory for encoding, kept between calls.
	Scratch []byte

	meter    meter
	waiting  *hostContext
	seed     maphash.Seed
	interned [internSlots]string
}

const (
	internSlots = 512
	internBytes = 128
	// maxScratchBytes is how much memory for encoding an instance keeps for
	// its next request.
	maxScratchBytes = 64 << 10
)

// New returns an instance of f that starts.
func New(f *Filter) *Instance {
	in := &Instance{
		Context: context.Background(),
		Filter:  f,
		Request: context.Background(),
		Scratch: make([]byte, 0, 4<<10),
		seed:    maphash.MakeSeed(),
	}
	in.Output = Output{log: f.Log, charge: in.chargeBytes}
	return in
}

// State is what a started instance has of the host, besides the guest's own
// memory: equal for all instances of a filter, up to the order of handles.
type State struct {
	features uint32
	limits   []*capability.LimitPolicy
	tokens   []*capability.TokenPolicy
	keys     []*capability.KeyPolicy
}

// Save returns the state of an instance that has started. The policies stay
// shared; they are read only.
func (in *Instance) Save() State {
	return State{in.BaseFeatures, slices.Clip(in.Limits), slices.Clip(in.Tokens), slices.Clip(in.Keys)}
}

// Restore makes the instance one that has just started, with the handles of
// the instance that s was saved from.
func (in *Instance) Restore(s State) {
	in.End()
	in.BaseFeatures, in.Features = s.features, s.features
	in.Limits, in.Tokens, in.Keys = s.limits, s.tokens, s.keys
	in.Answered, in.Failure, in.LastError = false, "", ""
	in.Bodies = [2]Body{}
	in.Output.Reset()
}

type instanceKey struct{}

// Value implements [context.Context].
func (in *Instance) Value(key any) any {
	if key == (instanceKey{}) {
		return in
	}
	return nil
}

// From returns the instance that ctx belongs to.
func From(ctx context.Context) *Instance {
	if in, ok := ctx.(*Instance); ok {
		return in
	}
	in, _ := ctx.Value(instanceKey{}).(*Instance)
	if in == nil {
		panic(Trap("host function called outside an instance"))
	}
	return in
}

// Begin prepares the instance for a request.
func (in *Instance) Begin(ctx context.Context, ex *exchange.Exchange) {
	in.Phase, in.Exchange, in.Request = Requesting, ex, ctx
	in.Features = in.BaseFeatures
	in.Answered = false
	in.Bodies = [2]Body{}
	in.LastError = ""
	in.Output.Reset()
}

// Respond prepares the instance for the response of the request it has seen.
func (in *Instance) Respond(ctx context.Context) {
	in.endWait()
	in.Phase, in.Request, in.HTTPAnswer = Responding, ctx, nil
	in.Bodies = [2]Body{}
}

// End forgets the exchange.
func (in *Instance) End() {
	if cap(in.Scratch) > maxScratchBytes {
		in.Scratch = nil
	}
	in.endWait()
	in.Rest()
	in.Phase, in.Exchange, in.Request = Idle, nil, in.Context
	in.Bodies = [2]Body{}
	in.HTTPAnswer = nil
}

// MustExchange returns the exchange and traps where there is none.
func (in *Instance) MustExchange() *exchange.Exchange {
	if in.Exchange == nil {
		panic(Trap("there is no request yet"))
	}
	return in.Exchange
}

// Intern returns p as a string. Filters set the same few names and values
// again and again; for those it allocates nothing.
func (in *Instance) Intern(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	if len(p) > internBytes {
		return string(p)
	}
	slot := &in.interned[maphash.Bytes(in.seed, p)%internSlots]
	if *slot != string(p) {
		*slot = string(p)
	}
	return *slot
}

// Refuse records why an import answers with status and returns it.
func (in *Instance) Refuse(status filterv1.Status, why string) filterv1.Status {
	in.LastError = why
	if why == "" {
		in.LastError = status.String()
	}
	return status
}

// NotGranted records that a capability was asked for and not granted.
func (in *Instance) NotGranted(name string) filterv1.Status {
	if in.Filter.Refused != nil {
		in.Filter.Refused(name)
	}
	return in.Refuse(filterv1.StatusNotGranted, "not granted: "+name)
}

// Trap is the cause of a trap that a host function makes: the guest broke the
// ABI, and what it would do next cannot be trusted.
type Trap string

// Error returns what the guest did wrong.
func (t Trap) Error() string { return string(t) }

// Log writes a guest's lines with a limit of lines per second. It is safe for
// concurrent use.
type Log struct {
	logger *slog.Logger
	lines  lineLimit
}

// NewLog returns a log that writes to logger at most perSecond lines a second
// and says how many it has left out.
func NewLog(logger *slog.Logger, perSecond int, now func() time.Time) *Log {
	return &Log{logger: logger, lines: lineLimit{perSecond: perSecond, now: now}}
}
