package fuel

// open reads the rest of block, loop or if.
func (b *body) open(op byte) {
	at := b.at
	b.blockType()
	if len(b.frames) > b.module.options.MaxNesting {
		b.failAt(at, "blocks nest deeper than the allowed %d", b.module.options.MaxNesting)
		return
	}
	if op == opIf {
		b.charge(1)
	}
	b.frames = append(b.frames, frame{kind: op, head: none, live: b.current != none, sources: none})
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

func (b *body) blockType() {
	if b.at < len(b.b) {
		switch b.b[b.at] {
		case blockEmpty, typeI32, typeI64, typeF32, typeF64, typeV128, typeFuncref, typeExternref:
			b.at++
			return
		}
	}
	// Else it is the index of a type, as a signed number.
	at := b.at
	if i := b.i33("block type"); i < 0 || i >= int64(len(b.module.types)) {
		b.failAt(at, "block type %d does not exist; there are %d", i, len(b.module.types))
	}
}

func (b *body) otherwise(at int) {
	f := &b.frames[len(b.frames)-1]
	if f.kind != opIf {
		b.failAt(at, "else without if")
		return
	}
	f.kind = opElse
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
	switch f.kind {
	case opEnd:
		b.last = at
		b.patches = append(b.patches, patch{at: at, kind: patchEnd})
		return
	case opLoop: // its label is at its beginning
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
}

func (b *body) branchTable() {
	b.charge(1)
	n := b.count(len(b.b), 1, "labels")
	for range n + 1 {
		b.share(b.label())
		if b.err != nil {
			return
		}
	}
	b.current = none
}
