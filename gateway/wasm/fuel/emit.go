package fuel

// shape is what surrounds a function's code:
//
//	block $trap
//	  block $body
//	    ...
//	  end
//	  give depth back
//	  return
//	end
//	unreachable
//
// where it checks anything. Labels keep their numbers: the body's block takes
// the number that the function's own label had, and returns stay returns. The
// block also keeps code invalid that leaves too much at the end of the function.
type shape struct {
	weight int64 // of a call in units of depth; zero does not count
	checks bool
}

// The sizes that one unit of depth stands for.
const (
	slotsPerDepth = 64   // of 8 bytes each
	codePerDepth  = 1024 // bytes
)

// weight is how much depth a call of the function takes: one, and more where
// its frame may be large, so that a depth bounds the stack's bytes as well.
func (b *body) weight() int64 {
	n, code := int(b.locals)+b.kept, len(b.b)-b.code
	if b.vectors { // two slots each
		n, code = n*2, code*2
	}
	n += slots(b.typ.params) + slots(b.typ.results) + b.called
	return 1 + min(int64(n/slotsPerDepth+code/codePerDepth), depthGuard/8)
}

func (b *body) shape() shape {
	s := shape{checks: b.calls || b.scratches > 0}
	if b.calls {
		s.weight = b.weight()
	}
	for i := range b.nodes {
		s.checks = s.checks || b.nodes[i].loops
	}
	return s
}

// emit appends the function with its charges and checks to out.
func (b *body) emit(out []byte) []byte {
	b.merge()
	s := b.shape()
	at := len(out)
	out = appendSize(out)
	if b.scratches > 0 {
		out = appendU32(out, uint32(b.groups+1))
		out = append(out, b.b[b.declarations:b.code]...)
		out = append(out, byte(b.scratches), typeI32)
	} else {
		out = appendU32(out, uint32(b.groups))
		out = append(out, b.b[b.declarations:b.code]...)
	}
	if s.checks {
		out = append(out, opBlock, blockEmpty, opBlock)
		out = b.module.appendBlockType(out, b.typ.results)
	}
	from := b.code
	for i := range b.patches {
		p := &b.patches[i]
		out = append(out, b.b[from:p.at]...)
		from = p.at + p.width
		out = b.emitPatch(out, p, s)
	}
	out = append(out, opEnd)
	putSize(out, at)
	return out
}

func (b *body) emitPatch(out []byte, p *patch, s shape) []byte {
	// The label of $trap, outside $body, which stands for the function among the
	// open blocks.
	trap := uint32(p.depth)
	switch p.kind {
	case patchNode:
		return b.emitNode(out, p.node, trap, s)
	case patchReturn:
		return b.emitAdd(out, s.weight)
	case patchIndex:
		return appendU32(out, p.index)
	case patchLength:
		out = append(out, opLocalTee)
		out = appendU32(out, b.locals)
		out = b.emitGet(out)
		out = append(out, opLocalGet)
		out = appendU32(out, b.locals)
		out = append(out, opI64ExtendU)
		if p.shift > 0 {
			out = append(out, opI64Const, p.shift, opI64ShrU)
		}
		out = append(out, opI64Const, depthBits, opI64Shl, opI64Sub)
		return b.emitFuelCheck(b.emitSet(out), trap)
	case patchGrow:
		out = append(out, opLocalTee)
		return appendU32(out, b.locals)
	case patchGrown:
		return b.emitGrown(out, p.shift, trap)
	default: // patchEnd
		if !s.checks {
			return out
		}
		out = b.emitAdd(append(out, opEnd), s.weight)
		return append(out, opReturn, opEnd, opUnreachable)
	}
}

// emitNode charges a node, and checks where it is the function's first or the
// head of a loop.
func (b *body) emitNode(out []byte, i int32, trap uint32, s shape) []byte {
	n := &b.nodes[i]
	delta := -n.cost << depthBits
	looped := b.entryLoop != none && b.nodes[b.entryLoop].loops
	if i == 0 {
		delta -= s.weight
	}
	out = b.emitAdd(out, delta)
	switch {
	// A function that begins with a loop needs no check of its own before it,
	// but the loop checks for it.
	case i == 0 && b.calls && !looped, i != 0 && i == b.entryLoop && looped && b.calls:
		out = b.emitGet(out)
		out = append(out, opI64Const)
		out = appendI64(out, exhausted)
		out = append(out, opI64And, opI64Const, 0, opI64Ne)
		return b.emitUsedUp(out, trap)
	case n.loops:
		return b.emitFuelCheck(out, trap)
	}
	return out
}

// emitGrown charges growth: the result is on the stack, and -1 if there was
// none.
func (b *body) emitGrown(out []byte, shift uint8, trap uint32) []byte {
	out = append(out, opLocalTee)
	out = appendU32(out, b.locals+1)
	out = b.emitGet(out)
	out = append(out, opLocalGet)
	out = appendU32(out, b.locals)
	out = append(out, opLocalGet)
	out = appendU32(out, b.locals+1)
	out = append(out, opI32Const, 0x7f, opI32Ne, opI32Mul, opI64ExtendU,
		opI64Const, depthBits+shift, opI64Shl, opI64Sub)
	return b.emitFuelCheck(b.emitSet(out), trap)
}

func (b *body) emitGet(out []byte) []byte {
	return appendU32(append(out, opGlobalGet), b.module.counter)
}

func (b *body) emitSet(out []byte) []byte {
	return appendU32(append(out, opGlobalSet), b.module.counter)
}

// emitAdd adds to the counter.
func (b *body) emitAdd(out []byte, delta int64) []byte {
	if delta == 0 {
		return out
	}
	out = appendI64(append(b.emitGet(out), opI64Const), delta)
	return b.emitSet(append(out, opI64Add))
}

// emitFuelCheck leaves for $trap if there is no fuel.
func (b *body) emitFuelCheck(out []byte, trap uint32) []byte {
	return b.emitUsedUp(append(b.emitGet(out), opI64Const, 0, opI64LtS), trap)
}

// emitUsedUp asks for more, or leaves for $trap, on the condition on the stack.
func (b *body) emitUsedUp(out []byte, trap uint32) []byte {
	if !b.module.options.Refill {
		return appendU32(append(out, opBrIf), trap)
	}
	out = append(out, opIf, blockEmpty, opCall)
	out = appendU32(out, b.module.refill())
	return append(out, opEnd)
}
