package throttle

import (
	"context"
	"time"
)

// AnswerAfter is how long work takes, at the least, whose length depends on
// whether an address is known: well above what that work takes, so that the
// time of the answer does not tell either.
const AnswerAfter = 100 * time.Millisecond

// Even begins such work. The function that it returns waits until [AnswerAfter]
// is over, or ctx.
func Even(ctx context.Context) (wait func()) {
	answer := time.NewTimer(AnswerAfter)
	return func() {
		select {
		case <-answer.C:
		case <-ctx.Done():
			answer.Stop()
		}
	}
}
