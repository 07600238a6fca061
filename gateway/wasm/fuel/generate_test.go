package fuel_test

// generator builds a module from bytes, each a choice. All that it builds is
// of the right types; without bytes it chooses what is smallest.
type generator struct {
	data []byte
	w    *wasm
	f    *function
	// labels are the types that branches to the open blocks take, the
	// function's first.
	labels [][]byte
	locals []byte // with parameters
	room   int    // operators that may still be made
}

// signatures are those of functions and, where it fits, of blocks.
func signatures() []signature {
	return []signature{
		{nil, nil},
		{[]byte{i32}, []byte{i32}},
		{[]byte{i64, i32}, []byte{i64}},
		{[]byte{i32, f64}, []byte{i32, i64}},
		{nil, []byte{i32, i32, f64}},
		{[]byte{f32}, nil},
		{[]byte{i32, i32}, []byte{i64, f32}},
		{nil, []byte{i64}},
	}
}

// The globals of generated modules: ticks bound what they execute.
const (
	tickGlobal = 0
	ticks      = 300
)

// generate builds a module from data.
func generate(data []byte) *wasm {
	g := &generator{data: data}
	g.w = &wasm{
		types:     signatures(),
		imports:   []int{1, 5},
		memoryMax: 3, table: 9, tableMax: 14, passive: true, start: -1,
		globals: []global{
			{typ: i32, mutable: true}, {typ: i32, mutable: true, hidden: g.pick(2) == 1}, {typ: i64, mutable: true},
			{typ: f64, mutable: true, hidden: g.pick(2) == 1}, {typ: i32}, {typ: f32, mutable: true},
		},
	}
	n := 1 + g.pick(5)
	for range n {
		g.w.functions = append(g.w.functions, function{typ: g.pick(len(g.w.types))})
	}
	for i := range g.w.functions {
		g.function(&g.w.functions[i])
	}
	return g.w
}

func (g *generator) pick(n int) int {
	if len(g.data) == 0 {
		return 0
	}
	v := int(g.data[0])
	g.data = g.data[1:]
	return v % n
}

func (g *generator) emit(x ...ins) {
	g.f.code = append(g.f.code, x...)
	g.room -= len(x)
}

func (g *generator) function(f *function) {
	t := g.w.types[f.typ]
	for range g.pick(4) {
		f.locals = append(f.locals, g.valueType())
	}
	g.f, g.room = f, 150
	g.locals = append(append([]byte{}, t.params...), f.locals...)
	g.labels = [][]byte{t.results}
	if g.pick(3) == 0 {
		g.tick()
	}
	g.statements(3)
	g.values(t.results, 3)
}

func (g *generator) valueType() byte { return []byte{i32, i64, f64, f32}[g.pick(4)] }

// tick counts what may repeat, and traps when it has repeated enough.
func (g *generator) tick() {
	g.emit(index(0x23, tickGlobal), i32c(1), op(0x6a), index(0x24, tickGlobal),
		index(0x23, tickGlobal), i32c(ticks), op(0x4a), block(0x04, voidBlock), op(0x00), free(0x0b))
}

func (g *generator) statements(depth int) {
	for range g.pick(5) {
		if g.room <= 0 {
			return
		}
		g.statement(depth)
	}
}

// statement leaves the stack as it is.
func (g *generator) statement(depth int) {
	if depth == 0 {
		g.simple()
		return
	}
	switch g.pick(14) {
	case 0, 1, 2:
		g.simple()
	case 3:
		g.block(voidBlock, signature{}, depth)
	case 4:
		g.loop(voidBlock, signature{}, depth)
	case 5:
		g.branchOver(voidBlock, signature{}, depth)
	case 6:
		g.brIf(depth)
	case 7:
		g.brTable(depth)
	case 8:
		g.br(depth)
	case 9:
		g.call(depth)
	case 10:
		g.callIndirect(depth)
	case 11:
		g.memory(depth)
	case 12:
		g.table(depth)
	case 13:
		g.structured(depth)
	}
}

// simple writes to a local, a global or memory, or returns.
func (g *generator) simple() {
	switch g.pick(7) {
	case 0, 1:
		if len(g.locals) > 0 {
			l := g.pick(len(g.locals))
			g.value(g.locals[l], 1)
			g.emit(index(0x21, l))
		}
	case 2, 3:
		v := 1 + g.pick(5)
		if v != 4 { // immutable
			g.value(g.w.globals[v].typ, 2)
			g.emit(index(0x24, v))
		}
	case 4:
		g.value(i32, 1)
		g.emit(i32c(0xffff), op(0x71))
		g.value(i64, 1)
		g.emit(op(0x37, 0, 0))
	case 5:
		g.emit(free(0x01))
	case 6:
		if g.pick(12) == 11 {
			g.emit(op(0x00))
		}
	}
}

func (g *generator) values(types []byte, depth int) {
	for _, t := range types {
		g.value(t, depth)
	}
}

func (g *generator) drop(n int) {
	for range n {
		g.emit(op(0x1a))
	}
}

func (g *generator) block(bt int, t signature, depth int) {
	g.emit(block(0x02, bt))
	g.inside(t.params, t.results, t.results, depth)
	g.emit(free(0x0b))
}

func (g *generator) loop(bt int, t signature, depth int) {
	g.emit(block(0x03, bt))
	if g.pick(2) == 0 {
		// At its beginning, with the parameters on the stack.
		g.tick()
		g.inside(t.params, t.results, t.params, depth)
	} else {
		g.drop(len(t.params))
		g.tick()
		g.inside(nil, t.results, t.params, depth)
	}
	g.emit(free(0x0b))
}

func (g *generator) branchOver(bt int, t signature, depth int) {
	g.value(i32, 1)
	g.emit(block(0x04, bt))
	g.inside(t.params, t.results, t.results, depth)
	if len(t.results) > 0 || g.pick(2) == 1 {
		g.emit(free(0x05))
		g.inside(t.params, t.results, t.results, depth)
	}
	g.emit(free(0x0b))
}

// inside is the content of a block: it takes what is on the stack and leaves
// results.
func (g *generator) inside(takes, results, label []byte, depth int) {
	g.labels = append(g.labels, label)
	g.drop(len(takes))
	g.statements(depth - 1)
	g.values(results, depth-1)
	g.labels = g.labels[:len(g.labels)-1]
}

// structured is a block, loop or if that takes parameters and leaves results.
func (g *generator) structured(depth int) {
	bt := g.pick(len(g.w.types))
	t := g.w.types[bt]
	g.values(t.params, 1)
	switch g.pick(3) {
	case 0:
		g.block(bt, t, depth)
	case 1:
		g.loop(bt, t, depth)
	default:
		// The condition comes last.
		g.branchOver(bt, t, depth)
	}
	g.drop(len(t.results))
}

// label picks an open block and says what a branch to it takes.
func (g *generator) label() (int, []byte) {
	l := g.pick(len(g.labels))
	return l, g.labels[len(g.labels)-1-l]
}

func (g *generator) brIf(depth int) {
	l, types := g.label()
	g.values(types, depth-1)
	g.value(i32, depth-1)
	g.emit(index(0x0d, l))
	g.drop(len(types))
}

// br and others that do not go on are made within a block, so that what comes
// behind them is seldom dead.
func (g *generator) br(depth int) {
	dead := g.pick(4) == 0
	if !dead {
		g.skippable(depth)
	}
	if g.pick(3) == 0 {
		g.values(g.labels[0], depth-1)
		g.emit(op(0x0f))
	} else {
		l, types := g.label()
		g.values(types, depth-1)
		g.emit(index(0x0c, l))
	}
	if g.pick(3) == 0 {
		g.statements(depth - 1)
	}
	if !dead {
		g.labels = g.labels[:len(g.labels)-1]
		g.emit(free(0x0b))
	}
}

// skippable opens a block and branches to its end on a condition.
func (g *generator) skippable(depth int) {
	g.emit(block(0x02, voidBlock))
	g.labels = append(g.labels, nil)
	g.value(i32, depth-1)
	g.emit(index(0x0d, 0))
}

func (g *generator) brTable(depth int) {
	g.skippable(depth)
	first, types := g.label()
	var fit []int
	for l := range g.labels {
		if string(g.labels[len(g.labels)-1-l]) == string(types) {
			fit = append(fit, l)
		}
	}
	g.values(types, depth-1)
	g.value(i32, depth-1)
	n := g.pick(5)
	code := []byte{0x0e, byte(n)}
	for range n {
		code = append(code, byte(fit[g.pick(len(fit))]))
	}
	g.emit(op(append(code, byte(first))...), free(0x0b))
	g.labels = g.labels[:len(g.labels)-1]
}

func (g *generator) call(depth int) {
	n := g.pick(len(g.w.imports) + len(g.w.functions))
	var t signature
	if n < len(g.w.imports) {
		t = g.w.types[g.w.imports[n]]
	} else {
		t = g.w.types[g.w.functions[n-len(g.w.imports)].typ]
	}
	g.values(t.params, depth-1)
	if n >= len(g.w.imports) {
		g.tick() // with the arguments on the stack
	}
	g.emit(index(0x10, n))
	g.drop(len(t.results))
}

func (g *generator) callIndirect(depth int) {
	// The type of an existing function is right more often than any.
	typ := g.w.functions[g.pick(len(g.w.functions))].typ
	t := g.w.types[typ]
	g.values(t.params, depth-1)
	g.tick()
	g.emit(i32c(int32(g.pick(int(g.w.table) + 1))))
	g.emit(op(0x11, byte(typ), 0))
	g.drop(len(t.results))
}
