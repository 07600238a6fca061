package fuel

import "strconv"

// nameGlobals finds names for the counter and for the globals that are state.
func (m *module) nameGlobals() {
	taken := make(map[string]bool, len(m.exports)+len(m.imports))
	exported := make(map[uint32]string)
	for _, e := range m.exports {
		taken[e.name] = true
		if e.kind == kindGlobal {
			exported[e.index] = e.name
		}
	}
	for i := range m.imports {
		taken[string(m.imports[i].name)] = true
	}
	free := func(name string) string {
		for taken[name] {
			name += "_"
		}
		taken[name] = true
		return name
	}
	for i := m.importedGlobals; i < len(m.globals); i++ {
		if !m.globals[i].mutable {
			continue
		}
		name, ok := exported[uint32(i)]
		if !ok {
			name = free("gatehouse_global_" + strconv.Itoa(i))
			m.addedExports = append(m.addedExports, exportEntry{name, kindGlobal, uint32(i)})
		}
		m.stateExports = append(m.stateExports, name)
	}
	m.counter = uint32(len(m.globals))
	m.counterExport = free("gatehouse_fuel")
	m.addedExports = append(m.addedExports, exportEntry{m.counterExport, kindGlobal, m.counter})
}

// appendBlockType appends the type of a block that leaves such results.
func (m *module) appendBlockType(out, results []byte) []byte {
	switch len(results) {
	case 0:
		return append(out, blockEmpty)
	case 1:
		return append(out, results[0])
	}
	return appendI64(out, int64(m.addType(results)))
}

// addType returns the index of the type of functions without parameters that
// have such results.
func (m *module) addType(results []byte) uint32 {
	i, ok := m.blockTypes[string(results)]
	if !ok {
		if m.blockTypes == nil {
			m.blockTypes = make(map[string]uint32)
		}
		i = uint32(len(m.types) + len(m.addedTypes))
		m.blockTypes[string(results)] = i
		m.addedTypes = append(m.addedTypes, results)
	}
	return i
}

// encode writes the instrumented module.
func (m *module) encode() ([]byte, error) {
	code, err := m.encodeCode()
	if err != nil {
		return nil, err
	}
	size := len(m.binary) + len(code) + 1024
	if m.found[sectionCode] {
		size -= len(m.parts[sectionCode].b) - m.parts[sectionCode].at
	}
	for _, e := range m.addedExports {
		size += len(e.name) + 16
	}
	for _, t := range m.addedTypes {
		size += len(t) + 16
	}
	data := m.joinData() // once the code is known
	out := append(make([]byte, 0, size), m.binary[:8]...)
	for _, id := range sectionOrder {
		switch id {
		case sectionCode:
			if m.found[id] {
				out = appendU32(append(out, id), uint32(len(code)))
				out = append(out, code...)
			}
		case sectionType:
			out = m.appendSection(out, id, len(m.types), len(m.addedTypes), func(out []byte) []byte {
				for _, t := range m.addedTypes {
					out = appendU32(append(out, 0x60, 0), uint32(len(t)))
					out = append(out, t...)
				}
				return out
			})
		case sectionImport:
			out = m.appendImports(out)
		case sectionTable:
			out = m.appendTables(out)
		case sectionGlobal:
			out = m.appendGlobals(out)
		case sectionExport:
			out = m.appendExports(out)
		case sectionStart:
			out = m.appendStart(out)
		case sectionElement:
			out = m.appendElements(out)
		case sectionDataCount:
			out = m.appendDataCount(out, &data)
		case sectionData:
			out = m.appendData(out, &data)
		default:
			out = m.appendAsItIs(out, id)
		}
	}
	return out, nil
}

// appendSection appends a section with more entries than it had.
func (m *module) appendSection(out []byte, id byte, had, more int, entries func([]byte) []byte) []byte {
	if !m.found[id] && more == 0 {
		return out
	}
	out = append(out, id)
	at := len(out)
	out = appendU32(appendSize(out), uint32(had+more))
	if m.found[id] {
		r := m.parts[id]
		r.u32("number of entries")
		out = append(out, r.b[r.at:]...)
	}
	out = entries(out)
	putSize(out, at)
	return out
}

// appendTables appends the tables with maximums: together they never grow past
// the allowed number of elements.
func (m *module) appendTables(out []byte) []byte {
	if !m.found[sectionTable] {
		return out
	}
	spare := m.options.MaxTableElements
	for _, t := range m.tables {
		spare -= t.min
	}
	out = append(out, sectionTable)
	at := len(out)
	out = appendU32(appendSize(out), uint32(len(m.tables)))
	for _, t := range m.tables {
		most := t.min + spare/uint32(len(m.tables))
		if t.bounded {
			// A maximum below the minimum stays what it is: invalid.
			most = min(most, t.max)
		}
		out = appendU32(append(out, t.element, 1), t.min)
		out = appendU32(out, most)
	}
	putSize(out, at)
	return out
}

// encodeCode returns the code section without its number and size.
func (m *module) encodeCode() ([]byte, error) {
	r := m.parts[sectionCode]
	n := 0
	if m.found[sectionCode] {
		n = r.count(m.options.MaxFunctions, 2, "function bodies")
	}
	defined := m.functions[m.importedFunctions:]
	if n != len(defined) && r.err == nil {
		r.fail("%d function bodies for %d functions", n, len(defined))
	}
	if r.err != nil {
		return nil, r.err
	}
	// Charges make code a third to a half longer.
	out := make([]byte, 0, (len(r.b)-r.at)*3/2+64)
	out = appendU32(out, uint32(n))
	b := body{module: m}
	for i := range n {
		part := r.part(r.u32("size of function"), "function")
		if r.err != nil {
			return nil, r.err
		}
		if err := b.analyze(part, m.types[defined[i]]); err != nil {
			return nil, err
		}
		out = b.emit(out)
	}
	if r.at != len(r.b) {
		r.fail("the code section has %d bytes too many", len(r.b)-r.at)
	}
	return out, r.err
}

// describe says what the host must know.
func (m *module) describe(out []byte) *Module {
	d := &Module{
		Binary:     out,
		Counter:    m.counterExport,
		Globals:    m.stateExports,
		Restorable: !m.changesTables && !m.importsMutable,
		HasStart:   m.found[sectionStart],
		MemoryMin:  m.memory.min,
		MemoryMax:  m.memory.max,
	}
	for i := m.importedGlobals; i < len(m.globals); i++ {
		switch g := m.globals[i]; g.value {
		case typeFuncref, typeExternref, typeV128:
			d.Restorable = d.Restorable && !g.mutable
		}
	}
	for i := range m.imports {
		e := &m.imports[i]
		in := Import{Module: string(e.module), Name: string(e.name), Kind: kindName(e.kind)}
		switch e.kind {
		case kindFunction:
			in.Type = m.types[e.typ].String()
			d.ImportsRandom = d.ImportsRandom || in.Name == "random_get"
		case kindGlobal:
			in.Type = e.global.String()
		}
		d.Imports = append(d.Imports, in)
	}
	for _, e := range m.exports {
		ex := Export{Name: e.name, Kind: kindName(e.kind)}
		switch e.kind {
		case kindFunction:
			ex.Type = m.types[m.functions[e.index]].String()
		case kindGlobal:
			ex.Type = m.globals[e.index].String()
		}
		d.Exports = append(d.Exports, ex)
	}
	return d
}
