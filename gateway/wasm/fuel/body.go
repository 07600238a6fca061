package fuel

// body is what is found out about one function's code. It is used again for
// the next function, with its memory.
type body struct {
	module *module
	reader
	typ functionType
	// The binary from declarations to code declares locals in groups, after
	// their number.
	declarations, code int
	groups             int
	locals             uint32 // with parameters
	last               int    // offset of the end that ends the function

	flow
	cost
	frames  []frame
	patches []patch

	calls     bool  // functions of the module, so that it can recur
	scratches int   // i32 locals to add
	entryLoop int32 // the loop that the function begins with, or none
}

// frame is a block that is open.
type frame struct {
	kind byte // opBlock, opLoop, opIf, opElse; opEnd is the function
	typ  functionType
	base int   // height of the stack below its parameters
	head int32 // node of a loop, none where code before it does not arrive
	live bool  // code before it arrives
	// What branches to the end of the block: nodes that only do that, and
	// whether others may.
	sources int32
	shared  bool
}

// patch is something to write before an operator.
type patch struct {
	at    int // offset in the binary
	kind  patchKind
	node  int32 // to charge, of patchNode
	depth int   // open blocks, with the function
	shift uint8 // of the length, of patchLength and patchGrown
	// index is the function that patchIndex names, which takes width bytes.
	index uint32
	width int
}

type patchKind uint8

const (
	patchNode   patchKind = iota
	patchReturn           // before a return
	patchLength           // before a bulk operation: charge the top of the stack
	patchGrow             // before memory.grow or table.grow: keep the top
	patchGrown            // after it: charge what was kept, if it has grown
	patchIndex            // in place of the index of a function
	patchEnd              // before the end of the function
)

// analyze reads a function of the given type.
func (b *body) analyze(r reader, typ functionType) error {
	b.reader, b.typ = r, typ
	b.flow.reset()
	b.cost.reset()
	b.frames, b.patches = b.frames[:0], b.patches[:0]
	b.calls, b.scratches, b.entryLoop = false, 0, none
	b.readLocals()
	b.code = b.at
	b.frames = append(b.frames, frame{kind: opEnd, typ: functionType{results: typ.results}, head: none, live: true, sources: none})
	b.begin(none, false)
	for b.more() && len(b.frames) > 0 {
		b.operator()
	}
	switch {
	case b.err != nil:
	case len(b.frames) > 0:
		b.fail("the function ends within %d blocks", len(b.frames))
	case b.at != len(b.b):
		b.fail("the function has %d bytes after its end", len(b.b)-b.at)
	default:
		b.checkCost()
	}
	return b.err
}

func (b *body) readLocals() {
	b.groups = b.count(b.module.options.MaxLocals, 2, "groups of locals")
	b.declarations = b.at
	total := uint64(len(b.typ.params))
	for range b.groups {
		at := b.at
		total += uint64(b.u32("number of locals"))
		b.valueType()
		if total > uint64(b.module.options.MaxLocals) {
			b.failAt(at, "%d locals are more than the allowed %d", total, b.module.options.MaxLocals)
			return
		}
	}
	b.locals = uint32(total)
	b.module.locals += int(total)
	if b.module.locals > maxTotal {
		b.fail("the functions up to this one have more than the allowed %d locals", maxTotal)
	}
}

// begin begins a node here, to which nodes that do nothing else lead by
// sources, and others if it is shared.
func (b *body) begin(sources int32, shared bool) int32 {
	n := b.add(sources, shared)
	b.patches = append(b.patches, patch{at: b.at, kind: patchNode, node: n, depth: len(b.frames)})
	return n
}

// operator reads one operator.
func (b *body) operator() {
	at := b.at
	op := b.b[at]
	b.at++
	imm := immediateOf(op)
	if imm == immUnknown {
		b.failAt(at, "operator %#x is unknown", op)
		return
	}
	if imm != immSpecial {
		if op != opNop {
			b.charge(1)
		}
		if imm == immIndex {
			b.index(op)
		} else {
			b.skipImmediate(imm)
		}
		if op >= opI32TruncF32S && op <= opI32TruncF64U || op >= opI64TruncF32S && op <= opI64TruncF64U {
			b.divide(blocksPerTruncate)
		}
		b.effect(effectOf(op))
		return
	}
	switch op {
	case opBlock, opLoop, opIf:
		b.open(op)
	case opElse:
		b.otherwise(at)
	case opEnd:
		b.close(at)
	case opBr, opBrIf:
		b.branch(op)
	case opBrTable:
		b.branchTable()
	case opReturn:
		b.charge(1)
		b.patches = append(b.patches, patch{at: at, kind: patchReturn})
		b.carry(len(b.typ.results))
		b.leave()
	case opUnreachable:
		b.charge(1)
		b.leave()
	case opCall, opCallIndirect:
		b.call(op)
	case opMemoryGrow:
		b.byte("index of memory")
		b.grow(at, unitsPerPage)
	case opMisc:
		b.misc(at)
	case opVector:
		b.charge(1)
		b.vectors = true
		b.effect(effectOfVector(b.skipVector()))
	}
}

// index reads the index behind an operator. Globals and locals must be checked
// here: behind the module's own come those that are added, and a module that
// could name the counter would set it.
func (b *body) index(op byte) {
	at := b.at
	i := b.u32("index")
	switch op {
	case opLocalGet, opLocalSet, opLocalTee:
		if i >= b.locals {
			b.failAt(at, "local %d does not exist; there are %d", i, b.locals)
			return
		}
		b.mention(i, op != opLocalGet)
	case opGlobalGet, opGlobalSet:
		if int64(i) >= int64(len(b.module.globals)) {
			b.failAt(at, "global %d does not exist; there are %d", i, len(b.module.globals))
		}
	case opTableSet:
		b.module.changesTables = true
	case opRefFunc:
		b.renumber(at, i)
	}
}

func (b *body) call(op byte) {
	at := b.at
	index := b.u32("index of call")
	if op == opCallIndirect {
		b.u32("index of table")
	}
	switch {
	case op == opCall && int64(index) >= int64(len(b.module.functions)):
		b.failAt(at, "call of function %d, which does not exist", index)
	case op == opCallIndirect && int64(index) >= int64(len(b.module.types)):
		b.failAt(at, "call of type %d, which does not exist", index)
	}
	if b.err != nil {
		return
	}
	typ := index
	if op == opCall {
		typ = b.module.functions[index]
		b.renumber(at, index)
	} else {
		b.pop(1)
		b.divide(blocksPerIndirect)
	}
	b.callOf(b.module.types[typ])
	b.charge(1)
	// Imported functions are the host's, which bounds itself.
	if op == opCallIndirect || int(index) >= b.module.importedFunctions {
		b.calls = true
		b.mark()
	}
}

// renumber writes the index of a function that stands at an offset anew, if it
// becomes another.
func (b *body) renumber(at int, index uint32) {
	if to := b.module.function(index); to != index && b.err == nil {
		b.patches = append(b.patches, patch{at: at, kind: patchIndex, index: to, width: b.at - at})
	}
}

// Charges of what is not done by one operator's time.
const (
	unitsPerBulk = 16     // any bulk operation
	unitsPerGrow = 128    // any memory.grow or table.grow
	bytesPerUnit = 1 << 4 // of memory.fill, memory.copy and memory.init
	unitsPerPage = 12     // of memory.grow, as a power of two: 4,096
)

func (b *body) misc(at int) {
	switch op := b.u32("operator"); op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // conversions
		b.charge(1)
		b.divide(blocksPerTruncate)
	case miscDataDrop, miscElemDrop:
		b.u32("index of segment")
		b.module.namesData = b.module.namesData || op == miscDataDrop
		b.module.changesTables = true
		b.charge(1)
	case miscTableSize:
		b.u32("index of table")
		b.charge(1)
		b.push(1)
	case miscMemoryInit, miscMemoryCopy:
		b.module.namesData = b.module.namesData || op == miscMemoryInit
		b.skipImmediate(immTwoIndexes)
		b.bulk(at, 4)
	case miscMemoryFill:
		b.u32("index of memory")
		b.bulk(at, 4)
	case miscTableInit, miscTableCopy:
		b.skipImmediate(immTwoIndexes)
		b.module.changesTables = true
		b.bulk(at, 0)
	case miscTableFill:
		b.u32("index of table")
		b.module.changesTables = true
		b.bulk(at, 0)
	case miscTableGrow:
		b.u32("index of table")
		b.module.changesTables = true
		b.pop(1)
		b.grow(at, 0)
	default:
		b.failAt(at, "operator %#x %d is unknown", opMisc, op)
	}
}

// bulk charges an operation by its length, on top of the stack, divided by a
// power of two.
func (b *body) bulk(at int, shift uint8) {
	b.charge(1 + unitsPerBulk)
	b.mark()
	b.divide(blocksPerBulk)
	b.pop(3)
	if b.current == none {
		return
	}
	b.scratches = max(b.scratches, 1)
	b.patches = append(b.patches, patch{at: at, kind: patchLength, depth: len(b.frames), shift: shift})
}

// grow charges growth by its length, on top of the stack, multiplied by a
// power of two, once it has succeeded: an attempt that fails does nothing.
func (b *body) grow(at int, shift uint8) {
	b.charge(1 + unitsPerGrow)
	b.mark()
	b.divide(blocksPerGrow)
	if b.current == none {
		return
	}
	b.scratches = 2
	b.patches = append(b.patches,
		patch{at: at, kind: patchGrow},
		patch{at: b.at, kind: patchGrown, depth: len(b.frames), shift: shift})
}
