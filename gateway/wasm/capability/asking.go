package capability

import (
	"context"
	"errors"
)

// Asker is implemented by contexts of callers that are few, and of which only
// some may wait for somebody else's word on a credential at the same time: so
// that those with made-up ones leave room for those whose are remembered.
type Asker interface {
	// Ask reports whether this caller may wait, too. If so, done ends that.
	Ask() (done func(), ok bool)
}

// errTooManyAsk: the others are to be served meanwhile.
var errTooManyAsk = errors.New("too many requests wait for word on their credentials")

// mayAsk is Ask of ctx; other contexts allow everything.
func mayAsk(ctx context.Context) (done func(), err error) {
	asker, ok := ctx.(Asker)
	if !ok {
		return func() {}, nil
	}
	if done, ok = asker.Ask(); !ok {
		return nil, errTooManyAsk
	}
	return done, nil
}
