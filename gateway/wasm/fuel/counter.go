package fuel

// The counter holds the fuel in its upper bits and the call depth in its lower
// ones, both counting down. Below zero, the fuel makes the whole counter
// negative, and the depth borrows, which sets its guard bit: one mask tells.
const (
	depthBits  = 20
	depthGuard = 1 << (depthBits - 1)
	depthMask  = 1<<depthBits - 1

	// MaxDepth is the largest call depth that [Budget] can express.
	MaxDepth = depthGuard - 1
	// MaxUnits is the largest number of units that [Budget] can express, about
	// an hour of CPU time.
	MaxUnits = 1<<(63-depthBits) - 1

	// exhausted is the mask of both guards: the sign and depthGuard.
	exhausted = -1<<63 | depthGuard
)

// Budget returns the value of the counter for a call that may burn so many
// units and nest so many calls. Values outside 0 to [MaxUnits] and [MaxDepth]
// are taken as the nearest of them.
func Budget(units int64, depth int) uint64 {
	units = min(max(units, 0), MaxUnits)
	depth = min(max(depth, 0), MaxDepth)
	return uint64(units)<<depthBits | uint64(depth)
}

// Exhausted says which limit, if any, the counter has passed.
func Exhausted(now uint64) (fuel, depth bool) {
	return int64(now) < 0, now&depthGuard != 0
}

// Left returns how many units the counter still holds; less than none where
// more was burnt.
func Left(now uint64) int64 { return int64(now) >> depthBits }

// SetLeft returns the counter with so many units, which may be less than none.
// The depth stays.
func SetLeft(now uint64, units int64) uint64 {
	return uint64(min(max(units, -MaxUnits), MaxUnits))<<depthBits | now&depthMask
}
