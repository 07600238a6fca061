package wasm

import (
	"errors"
	"fmt"
	"strings"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/guest"
)

// The reasons of traps, as the metric has them.
const (
	reasonFuel     = "fuel"
	reasonDepth    = "call_depth"
	reasonMemory   = "memory"
	reasonExit     = "exit"
	reasonABI      = "abi"
	reasonBody     = "body"
	reasonUpstream = "upstream" // it broke off a body that the guest read
	reasonTrap     = "trap"
	reasonGone     = "gone" // the client, while the guest ran
	reasonBusy     = "busy" // all processors for guests that run on
)

// trap is a call that ended badly, in one line: what the guest said of it, or
// what the host or the runtime did, without its stack trace.
type trap struct {
	reason string
	text   string
	cause  error
}

// Error implements error.
func (t *trap) Error() string { return t.text }

// Unwrap returns the cause that others may want to know.
func (t *trap) Unwrap() error { return t.cause }

// trapped says why a call into the guest has ended with err.
func (i *instance) trapped(err error) error {
	limits := &i.owner.limits
	spent, nested := i.Exhausted()
	said := i.Output.FirstLine()
	var exit exitError
	var broken guest.Trap
	abi := errors.As(err, &broken)
	// In a start function there is no counter to ask.
	spent = spent || broken == guest.ErrFuel
	switch {
	case errors.Is(err, guest.ErrGone):
		return &trap{reason: reasonGone, text: guest.ErrGone.Error(), cause: guest.ErrGone}
	case errors.Is(err, guest.ErrBusy):
		return &trap{reason: reasonBusy, text: guest.ErrBusy.Error(), cause: guest.ErrBusy}
	case spent && i.Phase == guest.Starting:
		return &trap{reason: reasonFuel, text: fmt.Sprintf("it used up its fuel for starting (%d units): limits.start_fuel", limits.StartFuel)}
	case spent:
		return &trap{reason: reasonFuel, text: fmt.Sprintf("it used up its fuel (%d units): limits.fuel", limits.Fuel)}
	case nested:
		return &trap{reason: reasonDepth, text: fmt.Sprintf("call depth over %d: limits.call_depth", limits.CallDepth)}
	case errors.Is(err, exchange.ErrResponseBroken):
		return &trap{reason: reasonUpstream, text: oneLine(err).Error(), cause: exchange.ErrResponseBroken}
	case errors.Is(err, exchange.ErrBodyTooLarge):
		return &trap{reason: reasonBody, text: exchange.ErrBodyTooLarge.Error(), cause: exchange.ErrBodyTooLarge}
	case abi:
		return &trap{reason: reasonABI, text: broken.Error()}
	}
	t := &trap{reason: reasonTrap}
	if errors.As(err, &exit) {
		t.reason, t.text = reasonExit, exit.Error()
	} else {
		t.text = strings.TrimSuffix(oneLine(err).Error(), " (recovered by wazero)")
		if strings.Contains(t.text, "stack overflow") {
			t.reason = reasonDepth
		}
	}
	if said != "" {
		t.text += ": " + said
	}
	if i.memoryRefused {
		t.reason = reasonMemory
		t.text += fmt.Sprintf(" (it may have %d bytes of memory: limits.memory)", limits.Memory)
	}
	return t
}

// oneLine cuts what a library says over several lines to the first.
func oneLine(err error) error {
	line, _, more := strings.Cut(err.Error(), "\n")
	if !more {
		return err
	}
	return errors.New(strings.TrimSpace(line))
}
