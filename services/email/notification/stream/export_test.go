package stream

import "time"

// Check is what the hub does every 200 ms.
func (h *Hub) Check(now time.Time) { h.check(now) }

// MaxBlind is how long a stream goes on without the revocations.
const MaxBlind = maxBlind
