//go:build !wasip1

package host

// Caller is what the kit calls its gateway by.
type Caller = Host

// CallerOf returns h.
func CallerOf(h Host) Caller { return h }
