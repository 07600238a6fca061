package fuel

import (
	"bytes"
	"unicode/utf8"
)

// Sections by their numbers.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
	sections
)

// sectionOrder is the order in which sections stand in a module.
var sectionOrder = [...]byte{ // a table, never written
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal,
	sectionExport, sectionStart, sectionElement, sectionDataCount, sectionCode, sectionData,
}

// module is what the parser has found in a binary.
type module struct {
	options Options
	binary  []byte
	// parts are the sections without number and size; found says which exist.
	parts [sections]reader
	found [sections]bool

	types     []functionType
	imports   []importEntry
	functions []uint32     // type of each function, imported ones first
	globals   []globalType // likewise
	exports   []exportEntry
	tables    []tableType // those defined
	memory    limits
	// The first defined ones follow the imported ones.
	importedFunctions, importedGlobals int

	locals         int // of all functions read so far
	totals         totals
	importsMutable bool
	changesTables  bool // by an operator, as dropped segments
	namesData      bool // by an operator

	counter       uint32 // index of the counter
	counterExport string
	// addedExports name globals that are not exported, by their index.
	addedExports []exportEntry
	stateExports []string
	refillType   uint32 // of the import, where there is one
	// blockTypes are types that are added for blocks around bodies.
	blockTypes map[string]uint32
	addedTypes [][]byte
}

type importEntry struct {
	module, name []byte
	kind         byte
	typ          uint32 // of a function
	global       globalType
}

type exportEntry struct {
	name  string
	kind  byte
	index uint32
}

func (m *module) parse() error {
	r := reader{b: m.binary}
	if !bytes.HasPrefix(m.binary, []byte("\x00asm\x01\x00\x00\x00")) {
		r.fail("not a WebAssembly module of version 1")
		return r.err
	}
	r.at = 8
	rank := -1
	for r.more() {
		at := r.at
		id := r.byte("section")
		part := r.part(r.u32("size of section"), "section")
		if id == sectionCustom || r.err != nil {
			continue
		}
		next := bytes.IndexByte(sectionOrder[:], id)
		switch {
		case next < 0:
			r.failAt(at, "section %d is unknown", id)
		case next <= rank:
			r.failAt(at, "section %d is out of order", id)
		default:
			rank = next
			m.parts[id], m.found[id] = part, true
		}
	}
	if r.err != nil {
		return r.err
	}
	return m.parseSections()
}

func (m *module) parseSections() error {
	for _, id := range sectionOrder {
		if !m.found[id] {
			continue
		}
		r := m.parts[id] // a copy: encode reads again
		switch id {
		case sectionType:
			m.parseTypes(&r)
		case sectionImport:
			m.parseImports(&r)
		case sectionFunction:
			m.parseFunctions(&r)
		case sectionTable:
			m.parseTables(&r)
		case sectionMemory:
			m.parseMemory(&r)
		case sectionGlobal:
			m.parseGlobals(&r)
		case sectionExport:
			m.parseExports(&r)
		case sectionElement:
			m.parseElements(&r)
		case sectionData:
			m.parseData(&r)
		case sectionDataCount:
			r.u32("number of data segments")
		case sectionStart:
			r.u32("start function")
		case sectionCode:
			continue // read by encode
		}
		if r.err == nil && r.at != len(r.b) {
			r.fail("section %d has %d bytes too many", id, len(r.b)-r.at)
		}
		if r.err != nil {
			return r.err
		}
	}
	m.nameGlobals()
	if m.options.Refill {
		m.refillType = m.addType(nil)
	}
	return nil
}

func (m *module) parseTypes(r *reader) {
	n := r.count(maxEntries, 3, "types")
	m.types = make([]functionType, n)
	for i := range m.types {
		m.types[i] = r.functionType()
	}
}

func (r *reader) name(what string) []byte {
	at := r.at
	b := r.bytes(what)
	if !utf8.Valid(b) {
		r.failAt(at, "%s is not UTF-8", what)
	}
	return b
}

func (m *module) parseImports(r *reader) {
	n := r.count(maxEntries, 4, "imports")
	m.imports = make([]importEntry, n)
	for i := range m.imports {
		e := &m.imports[i]
		e.module, e.name = r.name("module of import"), r.name("name of import")
		at := r.at
		switch e.kind = r.byte("kind of import"); e.kind {
		case kindFunction:
			e.typ = m.typeIndex(r)
			m.functions = append(m.functions, e.typ)
			m.importedFunctions++
		case kindTable:
			r.tableType()
			m.importsMutable = true
		case kindMemory:
			m.memory = r.limits()
			m.importsMutable = true
		case kindGlobal:
			e.global = r.globalType()
			m.globals = append(m.globals, e.global)
			m.importedGlobals++
			m.importsMutable = m.importsMutable || e.global.mutable
		default:
			r.failAt(at, "import of kind %#x is unknown", e.kind)
		}
		if r.err != nil {
			return
		}
	}
}

// typeIndex reads the index of a type.
func (m *module) typeIndex(r *reader) uint32 {
	at := r.at
	i := r.u32("index of type")
	if int64(i) >= int64(len(m.types)) {
		r.failAt(at, "type %d does not exist; there are %d", i, len(m.types))
		return 0
	}
	return i
}

func (m *module) parseFunctions(r *reader) {
	n := r.count(m.options.MaxFunctions, 1, "functions")
	for range n {
		m.functions = append(m.functions, m.typeIndex(r))
	}
}

func (m *module) parseTables(r *reader) {
	n := r.count(maxTables, 3, "tables")
	var total uint64
	for range n {
		at := r.at
		t := r.tableType()
		total += uint64(t.min)
		if total > uint64(m.options.MaxTableElements) {
			r.failAt(at, "the tables have %d elements, more than the allowed %d", total, m.options.MaxTableElements)
		}
		m.tables = append(m.tables, t)
	}
}

func (m *module) parseMemory(r *reader) {
	if r.count(1, 2, "memories") == 1 {
		m.memory = r.limits()
		if !m.memory.bounded {
			m.memory.max = 1 << 16
		}
	}
}

func (m *module) parseGlobals(r *reader) {
	for range r.count(maxEntries, 4, "globals") {
		t := r.globalType()
		r.skipConstant(len(m.globals))
		m.globals = append(m.globals, t)
	}
}

func (m *module) parseExports(r *reader) {
	m.exports = make([]exportEntry, r.count(maxEntries, 3, "exports"))
	for i := range m.exports {
		e := &m.exports[i]
		e.name = string(r.name("name of export"))
		at := r.at
		e.kind, e.index = r.byte("kind of export"), r.u32("index of export")
		bad := e.kind > kindGlobal ||
			e.kind == kindFunction && int64(e.index) >= int64(len(m.functions)) ||
			e.kind == kindGlobal && int64(e.index) >= int64(len(m.globals))
		if bad {
			r.failAt(at, "export %q is of kind %#x and index %d, which does not exist", e.name, e.kind, e.index)
			return
		}
	}
}

func (m *module) parseElements(r *reader) {
	total := 0
	for range r.count(maxEntries, 3, "element segments") {
		at := r.at
		form := r.u32("form of element segment")
		if form > 7 {
			r.failAt(at, "element segment of form %d is unknown", form)
			return
		}
		if form&1 == 0 { // active
			if form&2 != 0 {
				r.u32("index of table")
			}
			r.skipConstant(len(m.globals))
		}
		if form&3 != 0 {
			r.byte("kind of elements") // or their type, which the runtime checks
		}
		n := r.count(maxElements, 1, "elements")
		if total += n; total > maxElements {
			r.failAt(at, "the element segments have more than the allowed %d elements", maxElements)
			return
		}
		for range n {
			if form&4 != 0 {
				r.skipConstant(len(m.globals))
			} else {
				r.u32("index of function")
			}
		}
	}
}

func (m *module) parseData(r *reader) {
	for range r.count(maxEntries, 2, "data segments") {
		at := r.at
		form := r.u32("form of data segment")
		if form > 2 {
			r.failAt(at, "data segment of form %d is unknown", form)
			return
		}
		if form == 2 {
			r.u32("index of memory")
		}
		if form != 1 {
			r.skipConstant(len(m.globals))
		}
		r.bytes("data segment")
	}
}
