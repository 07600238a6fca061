package exchange

import "fmt"

// What one exchange may hold. Names and values live as long as the request
// does, and whoever looks for a field looks at all of them.
const (
	// MaxFields is how many fields a header or a trailer section may have as it
	// is received, from a client (431) as from an upstream (502). Browsers send
	// some 20.
	MaxFields = 512
	// MaxChanges is how often filters may set or add a field in one exchange,
	// all filters, both messages, trailers and deferred changes together.
	MaxChanges = 512
	// MaxChangeBytes bounds names and values of these, and what filters make of
	// method, target and Host.
	MaxChangeBytes = 256 << 10
	// MaxAttributes is how often filters may set an attribute in one exchange.
	MaxAttributes = 256
	// MaxAttributeBytes bounds names and values of these.
	MaxAttributeBytes = 64 << 10
)

// Room is what changes by filters take. What was taken stays taken, for who
// replaces and removes again and again has the host work for it.
type Room struct{ Changes, ChangeBytes, Attributes, AttributeBytes int }

func (r Room) plus(more Room) Room {
	return Room{
		r.Changes + more.Changes, r.ChangeBytes + more.ChangeBytes,
		r.Attributes + more.Attributes, r.AttributeBytes + more.AttributeBytes,
	}
}

// RoomError says that filters have changed more of an exchange than they may.
type RoomError string

// Error names the limit.
func (e RoomError) Error() string { return string(e) }

var (
	errChanges = RoomError(fmt.Sprintf("more changes of header fields than filters may make of one request: %d, with %d bytes of names and values",
		MaxChanges, MaxChangeBytes))
	errAttributes = RoomError(fmt.Sprintf("more attributes than filters may set for one request: %d, with %d bytes of names and values",
		MaxAttributes, MaxAttributeBytes))
)

// Fits reports whether there is room for changes, all together.
//
// # Errors
//
// A [RoomError] that says which limit they would exceed.
func (e *Exchange) Fits(r Room) error {
	switch all := e.taken.plus(r); {
	case all.Changes > MaxChanges || all.ChangeBytes > MaxChangeBytes:
		return errChanges
	case all.Attributes > MaxAttributes || all.AttributeBytes > MaxAttributeBytes:
		return errAttributes
	}
	return nil
}

// Take takes room for changes that a filter makes, or nothing.
//
// # Errors
//
// Those of [Exchange.Fits].
func (e *Exchange) Take(r Room) error {
	if err := e.Fits(r); err != nil {
		return err
	}
	e.taken = e.taken.plus(r)
	return nil
}
