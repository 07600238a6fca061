package fuel

// The import that refills stands behind the module's own, so the functions
// that the module defines are one further. What follows writes the sections
// that name functions.

// function is the index that a function of the binary has in the output.
func (m *module) function(index uint32) uint32 {
	if m.options.Refill && int64(index) >= int64(m.importedFunctions) {
		return index + 1
	}
	return index
}

// refill is the index of the import that refills.
func (m *module) refill() uint32 { return uint32(m.importedFunctions) }

func (m *module) appendImports(out []byte) []byte {
	more := 0
	if m.options.Refill {
		more = 1
	}
	return m.appendSection(out, sectionImport, len(m.imports), more, func(out []byte) []byte {
		if more == 0 {
			return out
		}
		out = append(appendU32(out, uint32(len(RefillModule))), RefillModule...)
		out = append(appendU32(out, uint32(len(RefillName))), RefillName...)
		return appendU32(append(out, kindFunction), m.refillType)
	})
}

func (m *module) appendGlobals(out []byte) []byte {
	out = append(out, sectionGlobal)
	at := len(out)
	out = appendU32(appendSize(out), uint32(len(m.globals)-m.importedGlobals+1))
	if r := m.parts[sectionGlobal]; m.found[sectionGlobal] {
		for range r.u32("number of globals") {
			from := r.at
			r.globalType()
			out = m.appendConstant(append(out, r.b[from:r.at]...), &r)
		}
	}
	out = appendI64(append(out, typeI64, 1, opI64Const), int64(m.options.Start))
	out = append(out, opEnd)
	putSize(out, at)
	return out
}

// appendConstant copies a constant expression.
func (m *module) appendConstant(out []byte, r *reader) []byte {
	for {
		from := r.at
		switch op := r.byte("constant expression"); op {
		case opRefFunc:
			out = appendU32(append(out, op), m.function(r.u32("index of function")))
			continue
		case opEnd:
			return append(out, op)
		case opVector:
			r.skip(17, "v128 constant")
		default:
			r.skipImmediate(immediateOf(op))
		}
		out = append(out, r.b[from:r.at]...)
	}
}

func (m *module) appendExports(out []byte) []byte {
	if len(m.exports)+len(m.addedExports) == 0 {
		return out
	}
	out = append(out, sectionExport)
	at := len(out)
	out = appendU32(appendSize(out), uint32(len(m.exports)+len(m.addedExports)))
	for _, list := range [][]exportEntry{m.exports, m.addedExports} {
		for _, e := range list {
			out = append(appendU32(out, uint32(len(e.name))), e.name...)
			index := e.index
			if e.kind == kindFunction {
				index = m.function(index)
			}
			out = appendU32(append(out, e.kind), index)
		}
	}
	putSize(out, at)
	return out
}

func (m *module) appendStart(out []byte) []byte {
	if !m.found[sectionStart] {
		return out
	}
	r := m.parts[sectionStart]
	out = append(out, sectionStart)
	at := len(out)
	out = appendU32(appendSize(out), m.function(r.u32("start function")))
	putSize(out, at)
	return out
}

func (m *module) appendElements(out []byte) []byte {
	if !m.found[sectionElement] {
		return out
	}
	r := m.parts[sectionElement]
	out = append(out, sectionElement)
	at := len(out)
	n := r.u32("number of element segments")
	out = appendU32(appendSize(out), n)
	for range n {
		from := r.at
		form := r.u32("form of element segment")
		if form&1 == 0 && form&2 != 0 {
			r.u32("index of table")
		}
		out = append(out, r.b[from:r.at]...)
		if form&1 == 0 {
			out = m.appendConstant(out, &r)
		}
		if form&3 != 0 {
			out = append(out, r.byte("kind of elements"))
		}
		elements := r.u32("number of elements")
		out = appendU32(out, elements)
		for range elements {
			if form&4 != 0 {
				out = m.appendConstant(out, &r)
			} else {
				out = appendU32(out, m.function(r.u32("index of function")))
			}
		}
	}
	putSize(out, at)
	return out
}
