package fuel_test

// value leaves a value of the type.
func (g *generator) value(t byte, depth int) {
	if depth <= 0 || g.room <= 0 || g.pick(3) == 0 {
		g.leaf(t)
		return
	}
	switch g.pick(8) {
	case 0, 1, 2:
		g.arithmetic(t, depth)
	case 3: // a conversion
		g.convert(t, depth)
	case 4: // select
		g.value(t, depth-1)
		g.value(t, depth-1)
		g.value(i32, depth-1)
		g.emit(op(0x1b))
	case 5: // a block with a result
		bt := int(int8(t | 0x80)) // as a signed number of seven bits
		kind := g.pick(3)
		s := signature{results: []byte{t}}
		switch kind {
		case 0:
			g.block(bt, s, depth)
		case 1:
			g.loop(bt, s, depth)
		default:
			g.branchOver(bt, s, depth)
		}
	case 6: // br_if that keeps its operand
		l, types := g.label()
		if len(types) != 1 || types[0] != t {
			g.leaf(t)
			return
		}
		g.value(t, depth-1)
		g.value(i32, depth-1)
		g.emit(index(0x0d, l))
	case 7:
		g.load(t, depth)
	}
}

func (g *generator) leaf(t byte) {
	if g.pick(2) == 1 {
		for i, l := range g.locals {
			if l == t && g.pick(2) == 0 {
				g.emit(index(0x20, i))
				return
			}
		}
		for i, v := range g.w.globals {
			if v.typ == t && i != tickGlobal {
				g.emit(index(0x23, i))
				return
			}
		}
	}
	v := int32(int8(g.pick(256)))
	switch t {
	case i32:
		g.emit(i32c(v))
	case i64:
		g.emit(i64c(int64(v) << 3))
	case f32:
		g.emit(f32c(float32(v)))
	default:
		g.emit(f64c(float64(v) / 4))
	}
}

func (g *generator) arithmetic(t byte, depth int) {
	g.value(t, depth-1)
	g.value(t, depth-1)
	var ops []byte
	switch t {
	case i32:
		ops = []byte{0x6a, 0x6b, 0x6c, 0x6d, 0x70, 0x71, 0x74, 0x78, 0x46, 0x48, 0x4d}
	case i64:
		ops = []byte{0x7c, 0x7d, 0x7e, 0x80, 0x83, 0x85, 0x88, 0x89}
	case f32:
		ops = []byte{0x92, 0x93, 0x94, 0x96}
	default:
		ops = []byte{0xa0, 0xa1, 0xa2, 0xa5}
	}
	g.emit(op(ops[g.pick(len(ops))]))
}

func (g *generator) convert(t byte, depth int) {
	switch t {
	case i32:
		switch g.pick(4) {
		case 0:
			g.value(i64, depth-1)
			g.emit(op(0xa7))
		case 1:
			g.value(f64, depth-1)
			g.emit(op(0xfc, 2))
		case 2:
			g.value(i64, depth-1)
			g.emit(op(0x50))
		case 3: // as a vector and back
			g.value(i32, depth-1)
			g.emit(op(0xfd, 17), op(0xfd, 0x80, 1), op(0xfd, 27, 2))
		}
	case i64:
		g.value(i32, depth-1)
		g.emit(op(0xac))
	case f32:
		g.value(i32, depth-1)
		g.emit(op(0xb2))
	default:
		g.value(i64, depth-1)
		g.emit(op(0xb9))
	}
}

func (g *generator) load(t byte, depth int) {
	g.value(i32, depth-1)
	if g.pick(8) > 0 { // else it may be out of bounds
		g.emit(i32c(0x7fff), op(0x71))
	}
	g.emit(op(map[byte]byte{i32: 0x28, i64: 0x29, f32: 0x2a, f64: 0x2b}[t], 0, 4))
}

// length leaves a length that is within bounds more often than not.
func (g *generator) length(most int32, depth int) {
	g.value(i32, depth-1)
	if g.pick(6) > 0 {
		g.emit(i32c(most), op(0x71))
	}
}

// memory is an operation on memory other than a load or a store.
func (g *generator) memory(depth int) {
	switch g.pick(6) {
	case 0:
		g.length(0x3fff, depth)
		g.value(i32, 1)
		g.length(0x3fff, depth)
		g.emit(bulk(4, 0xfc, 11, 0))
	case 1:
		g.length(0x3fff, depth)
		g.length(0x3fff, depth)
		g.length(0x3fff, depth)
		g.emit(bulk(4, 0xfc, 10, 0, 0))
	case 2:
		g.length(0x3fff, depth)
		g.length(7, depth)
		g.length(31, depth)
		g.emit(bulk(4, 0xfc, 8, 0, 0))
	case 3:
		g.length(3, depth)
		g.emit(grow(12, 0x40, 0), op(0x1a))
	case 4:
		g.emit(op(0x3f, 0), index(0x24, 1))
	case 5:
		if g.pick(4) == 0 {
			g.emit(op(0xfc, 9, 0))
		}
	}
}

// table is an operation on the table.
func (g *generator) table(depth int) {
	switch g.pick(7) {
	case 0:
		g.length(7, depth)
		g.emit(op(0xd2, 1), op(0x26, 0))
	case 1:
		g.emit(op(0xd0, 0x70))
		g.length(3, depth)
		g.emit(grow(0, 0xfc, 15, 0), op(0x1a))
	case 2:
		g.length(7, depth)
		g.emit(op(0xd2, 1))
		g.length(3, depth)
		g.emit(bulk(0, 0xfc, 17, 0))
	case 3:
		g.length(7, depth)
		g.length(7, depth)
		g.length(3, depth)
		g.emit(bulk(0, 0xfc, 14, 0, 0))
	case 4:
		g.length(7, depth)
		g.length(1, depth)
		g.length(1, depth)
		g.emit(bulk(0, 0xfc, 12, 1, 0))
	case 5:
		g.length(7, depth)
		g.emit(op(0x25, 0), op(0xd1), index(0x24, 1))
	case 6:
		g.emit(op(0xfc, 16, 0), index(0x24, 1))
	}
}
