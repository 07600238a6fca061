package capability

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// tellBrokenEvery is how many seconds apart lines about broken counts are.
const tellBrokenEvery = 60

// isCountError reports whether the server was reached and works, but what is
// kept under the name of one count is no count: somebody else writes there.
func isCountError(err error) bool {
	answer := redis.Error(nil)
	if !errors.As(err, &answer) {
		return false
	}
	text := answer.Error()
	if strings.HasPrefix(text, "WRONGTYPE ") {
		return true
	}
	// The script's own errors begin with ERR, but so do those of some servers
	// for what every script would run into.
	return strings.HasPrefix(text, "ERR ") && strings.Contains(text, "user_script") &&
		!slices.ContainsFunc(serverWords[:], func(word string) bool { return strings.Contains(text, word) })
}

// serverWords tell what concerns the server in the error of a script.
var serverWords = [...]string{"OOM", "MISCONF", "READONLY", "NOREPLICAS", "LOADING", "MASTERDOWN", "NOPERM", "ACL failure", "can't run this command"}

// broken counts an error that is one of a single count: for its key the store
// is not available, for all others it is.
func (r *RedisLimits) broken(err error) {
	r.metrics.errors.Inc()
	now, told := time.Now().Unix(), r.told.Load()
	if now-told >= tellBrokenEvery && r.told.CompareAndSwap(told, now) {
		r.log.Warn("what the store of limits keeps for a key is no count; the limit follows its on_unavailable there", "error", err.Error())
	}
}
