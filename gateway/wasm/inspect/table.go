package inspect

import "encoding/binary"

// Table is a table that a module defines.
type Table struct {
	// Type is funcref or externref.
	Type string `json:"type"`
	// Min and Max are numbers of elements; Max is nil where there is none.
	Min uint32  `json:"min"`
	Max *uint32 `json:"max,omitempty"`
}

const (
	header       = 8 // magic and version
	tableSection = 4
	externref    = 0x6f
)

// tables reads the table section of a module that fuel has accepted. What is
// cut ends the list.
func tables(module []byte) []Table {
	found := []Table{}
	rest := module[min(header, len(module)):]
	for len(rest) > 0 {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		rest = rest[1:]
		if n <= 0 || size > uint64(len(rest)-n) {
			break
		}
		content := rest[n : n+int(size)]
		rest = rest[n+int(size):]
		if id == tableSection {
			return readTables(content)
		}
	}
	return found
}

func readTables(b []byte) []Table {
	found := []Table{}
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[max(n, 0):]
		return v
	}
	for count := next(); count > 0 && len(b) > 0; count-- {
		t := Table{Type: "funcref"}
		if next() == externref {
			t.Type = "externref"
		}
		bounded := next()&1 == 1
		t.Min = uint32(next())
		if bounded {
			m := uint32(next())
			t.Max = &m
		}
		found = append(found, t)
	}
	return found
}
