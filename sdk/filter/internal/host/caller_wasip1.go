package host

// Caller is what the kit calls its gateway by: in a guest the type itself, for
// a call through an interface costs more than what most of them do.
type Caller = Gateway

// CallerOf returns the gateway, which is the only [Host] of a guest.
func CallerOf(Host) Caller { return Gateway{} }
