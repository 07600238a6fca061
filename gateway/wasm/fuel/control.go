package fuel

// open reads the rest of block, loop or if.
func (b *body) open(op byte) {
	at := b.at
	t := b.blockType()
	if len(b.frames) > b.module.options.MaxNesting {
		b.failAt(at, "blocks nest deeper than the allowed %d", b.module.options.MaxNesting)
		return
	}
	if op == opIf {
		b.charge(1)
		b.pop(1)
	}
	b.opens(op, t)
	b.frames = append(b.frames, frame{kind: op, typ: t, base: max(b.height-len(t.params), 0), head: none, live: b.current != none, sources: none})
	f := &b.frames[len(b.frames)-1]
	switch {
	case !f.live || op == opBlock:
	case op == opIf:
		b.begin(none, true)
	default:
		first := b.current == 0 && !b.nodes[0].marked
		f.head = b.begin(b.edge(b.current, none), false)
		if first {
			b.entryLoop = f.head
		}
	}
}

// opens is the cost of a block. Headers of loops are the dearest: whatever is
// used within passes through all that are around it.
func (b *body) opens(op byte, t functionType) {
	b.carry(len(t.params) + len(t.results))
	switch op {
	case opIf:
		b.divide(blocksPerIf)
	case opLoop:
		b.loops++
		b.divide(blocksPerLoop * b.loops)
	default:
		b.divide(1)
	}
}

// leave says that code goes on elsewhere.
func (b *body) leave() {
	b.current = none
	b.height = b.frames[len(b.frames)-1].base
	b.lowest = min(b.lowest, b.height)
}

func (b *body) blockType() functionType {
	if b.at < len(b.b) {
		switch b.b[b.at] {
		case blockEmpty:
			b.at++
			return functionType{}
		case typeI32, typeI64, typeF32, typeF64, typeV128, typeFuncref, typeExternref:
			b.at++
			return functionType{results: b.b[b.at-1 : b.at]}
		}
	}
	// Else it is the index of a type, as a signed number.
	at := b.at
	i := b.i33("block type")
	if i < 0 || i >= int64(len(b.module.types)) {
		b.failAt(at, "block type %d does not exist; there are %d", i, len(b.module.types))
		return functionType{}
	}
	return b.module.types[i]
}

func (b *body) otherwise(at int) {
	f := &b.frames[len(b.frames)-1]
	if f.kind != opIf {
		b.failAt(at, "else without if")
		return
	}
	f.kind = opElse
	b.height = f.base + len(f.typ.params)
	b.lowest = min(b.lowest, f.base)
	if b.current != none {
		f.sources = b.edge(b.current, f.sources)
	}
	b.current = none
	if f.live {
		b.begin(none, true)
	}
}

// close reads the end of a block.
func (b *body) close(at int) {
	f := b.frames[len(b.frames)-1]
	b.frames = b.frames[:len(b.frames)-1]
	b.height = f.base + len(f.typ.results)
	b.lowest = min(b.lowest, f.base)
	switch f.kind {
	case opEnd:
		b.last = at
		b.patches = append(b.patches, patch{at: at, kind: patchEnd})
		return
	case opLoop: // its label is at its beginning
		b.loops--
		return
	case opIf: // without else: the condition leads here as well
		f.shared = f.shared || f.live
	}
	if f.sources == none && !f.shared {
		return // what comes before goes on
	}
	if b.current != none {
		f.sources = b.edge(b.current, f.sources)
	}
	b.begin(f.sources, f.shared)
}

// label reads a label and returns its block.
func (b *body) label() *frame {
	at := b.at
	l := b.u32("label")
	if int64(l) >= int64(len(b.frames)) {
		b.failAt(at, "label %d does not exist within %d blocks", l, len(b.frames))
		return &b.frames[0]
	}
	return &b.frames[len(b.frames)-1-int(l)]
}

// arity is how many values a branch to a block takes along.
func (f *frame) arity() int {
	if f.kind == opLoop {
		return len(f.typ.params)
	}
	return len(f.typ.results)
}

// share says that the current node may branch to a block, or elsewhere.
func (b *body) share(f *frame) {
	switch {
	case b.current == none:
	case f.kind == opLoop:
		b.nodes[f.head].shared = true
		b.nodes[f.head].loops = true
	default:
		f.shared = true
	}
}

func (b *body) branch(op byte) {
	f := b.label()
	b.charge(1)
	if op == opBrIf {
		b.pop(1)
	}
	b.divide(1)
	b.carry(f.arity())
	switch {
	case b.current == none:
	case op == opBrIf:
		b.share(f)
		b.begin(none, true)
	case f.kind == opLoop:
		n := &b.nodes[f.head]
		n.sources = b.edge(b.current, n.sources)
		n.loops = true
		b.current = none
	default:
		f.sources = b.edge(b.current, f.sources)
		b.current = none
	}
	if op == opBr {
		b.leave()
	}
}

func (b *body) branchTable() {
	b.charge(1)
	n := b.count(len(b.b), 1, "labels")
	b.pop(1)
	b.divide(n + 1)
	for range n + 1 {
		f := b.label()
		b.carry(f.arity())
		b.share(f)
		if b.err != nil {
			return
		}
	}
	b.leave()
}
