package fuel

// The limits of what a function may cost the compiler, which is not in
// proportion to its size: see RATIONALE.md. Each is four times or more what the
// largest functions of real programs need.
const (
	// maxCode bounds the bytes of a function's code.
	maxCode = 512 << 10
	// maxValues bounds the values that a function's calls, blocks and branches
	// take and leave.
	maxValues = 50_000
	// maxModuleValues bounds them over all functions.
	maxModuleValues = 1_000_000
	// maxBlocks bounds the basic blocks that its code becomes.
	maxBlocks = 16_384
	// maxCarried bounds blocks times the values that may live through them: the
	// locals that code names, and what is on the stack.
	maxCarried = 500_000
	// superlinearBytes is for how many bytes of a module one more function may be
	// as large as maxBlocks or maxCarried allow: together, the squares of the
	// shares that functions take of them must not exceed one, and one for each of
	// these.
	superlinearBytes = 8 << 20
)

// Basic blocks that operators become besides those of one byte: their checks
// leave the function, and some are loops of machine code.
const (
	blocksPerIndirect = 4
	blocksPerTruncate = 2
	blocksPerBulk     = 8
	blocksPerGrow     = 8
	blocksPerIf       = 3
	blocksPerLoop     = 3
)

// totals are the costs of all functions so far.
type totals struct {
	values      int
	superlinear float64
}

// cost is what compiling one function costs, and how large its frames are.
type cost struct {
	values, blocks int
	loops          int // that are open
	// mentioned counts the locals that code names. They are numbered by functions, and by
	// stretches of code between two calls.
	mentioned         int
	named             []naming
	function, stretch uint32

	// height is how many values are on the stack; it is right in valid code, and
	// in dead code at most too low. highest is what blocks have below them;
	// lowest the least since the last call.
	height, highest, lowest int
	// kept are the values that may have to be kept over calls, called the most
	// that one call takes and gives, in slots of 8 bytes.
	kept, called int
	vectors      bool // the function has vectors
}

// naming is when a local was named last, and set.
type naming struct{ function, stretch uint32 }

func (c *cost) reset() {
	*c = cost{named: c.named, function: c.function + 1, stretch: c.stretch + 1}
}

// mention notes that code names a local.
func (c *cost) mention(local uint32, set bool) {
	for int(local) >= len(c.named) {
		c.named = append(c.named, make([]naming, local+1-uint32(len(c.named)))...)
	}
	n := &c.named[local]
	if n.function != c.function {
		n.function = c.function
		c.mentioned++
	}
	if set && n.stretch != c.stretch {
		n.stretch = c.stretch
		c.kept++
	}
}

// pop takes values from the stack, push leaves some.
func (b *body) pop(n int) {
	floor := 0
	if len(b.frames) > 0 {
		floor = b.frames[len(b.frames)-1].base
	}
	b.height = max(b.height-n, floor)
	b.lowest = min(b.lowest, b.height)
}

func (b *body) push(n int) { b.height += n }

// effect applies what an operator does to the stack.
func (b *body) effect(by int) {
	if by > 0 {
		b.push(by)
	} else {
		b.pop(-by)
	}
}

// divide notes that code is divided into so many blocks more.
func (b *body) divide(n int) {
	b.blocks += n
	b.highest = max(b.highest, b.height)
}

// carry notes values that an operator takes, leaves or takes along.
func (b *body) carry(n int) { b.values += n }

// callOf is the cost of a call.
func (b *body) callOf(t functionType) {
	b.carry(len(t.params) + len(t.results))
	b.pop(len(t.params))
	b.kept += b.height - b.lowest + len(t.results)
	b.lowest = b.height
	b.stretch++
	b.called = max(b.called, slots(t.params)+slots(t.results))
	b.push(len(t.results))
}

// slots is how many slots of 8 bytes values take.
func slots(types []byte) int {
	n := len(types)
	for _, t := range types {
		if t == typeV128 {
			n++
		}
	}
	return n
}

// checkCost refuses what takes the compiler long.
func (b *body) checkCost() {
	carried := b.blocks * (b.mentioned + b.highest)
	for _, c := range []struct {
		what       string
		have, most int
	}{
		{"bytes of code", len(b.b) - b.code, maxCode},
		{"values in calls, blocks and branches", b.values, maxValues},
		{"basic blocks", b.blocks, maxBlocks},
		{"values to carry through basic blocks", carried, maxCarried},
	} {
		if c.have > c.most {
			b.failAt(b.code, "a function has %d %s, more than the allowed %d: divide it", c.have, c.what, c.most)
			return
		}
	}
	t := &b.module.totals
	share := func(have, most int) float64 { return float64(have) * float64(have) / (float64(most) * float64(most)) }
	t.superlinear += share(b.blocks, maxBlocks) + share(carried, maxCarried)
	if t.superlinear > 1+float64(len(b.module.binary))/superlinearBytes {
		b.failAt(b.code, "the module has more large functions with many blocks or locals than are allowed: compiling them would take long")
	}
	if t.values += b.values; t.values > maxModuleValues {
		b.failAt(b.code, "the functions up to this one have more than the allowed %d values in calls, blocks and branches", maxModuleValues)
	}
}
