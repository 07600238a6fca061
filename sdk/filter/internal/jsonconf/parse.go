// Package jsonconf owns the reading of a filter's configuration: strict JSON
// (RFC 8259) into the author's struct, and the JSON Schema of that struct.
//
// A field's tags say more than its type, to the schema and to the decoder:
//
//	json      the member's name
//	doc       what it is, for people
//	required  "true": it has to be there
//	default   what it is where it is not there: text for strings, else JSON
//	enum      the only values of a string, or of a list's strings, with commas
//	min, max  the least and the greatest number, length of a string, or number
//	          of elements or members
//	pattern   a regular expression for a string or a list's strings; checked
//	          by the gateway alone
//
// It exists because encoding/json would double the size of every filter, and
// because an operator is helped by the JSON Pointer of a wrong value. It leaves
// the meaning of values to the filter, and is not a general JSON library.
package jsonconf

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

type value struct {
	kind    kind
	text    string // number or string
	truth   bool
	items   []value
	members []member
}

type member struct {
	name string
	value
}

const maxDepth = 64

type parser struct {
	data []byte
	pos  int
}

func parse(data []byte) (value, error) {
	p := parser{data: data}
	v, ok := p.value(0)
	p.space()
	if !ok || p.pos != len(p.data) {
		return value{}, errors.New(": not valid JSON at byte " + strconv.Itoa(p.pos))
	}
	return v, nil
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *parser) accept(c byte) bool {
	p.space()
	if p.pos < len(p.data) && p.data[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) word(w string) bool {
	if len(p.data)-p.pos >= len(w) && string(p.data[p.pos:p.pos+len(w)]) == w {
		p.pos += len(w)
		return true
	}
	return false
}

func (p *parser) value(depth int) (value, bool) {
	p.space()
	if depth > maxDepth || p.pos >= len(p.data) {
		return value{}, false
	}
	switch c := p.data[p.pos]; c {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		s, ok := p.str()
		return value{kind: kindString, text: s}, ok
	case 't':
		return value{kind: kindBool, truth: true}, p.word("true")
	case 'f':
		return value{kind: kindBool}, p.word("false")
	case 'n':
		return value{}, p.word("null")
	default:
		return p.number()
	}
}

func (p *parser) array(depth int) (value, bool) {
	v := value{kind: kindArray}
	p.pos++
	if p.accept(']') {
		return v, true
	}
	for {
		item, ok := p.value(depth + 1)
		if !ok {
			return v, false
		}
		v.items = append(v.items, item)
		if p.accept(']') {
			return v, true
		}
		if !p.accept(',') {
			return v, false
		}
	}
}

func (p *parser) object(depth int) (value, bool) {
	v := value{kind: kindObject}
	p.pos++
	if p.accept('}') {
		return v, true
	}
	for {
		p.space()
		if p.pos >= len(p.data) || p.data[p.pos] != '"' {
			return v, false
		}
		name, ok := p.str()
		if !ok || !p.accept(':') {
			return v, false
		}
		item, ok := p.value(depth + 1)
		if !ok {
			return v, false
		}
		v.members = append(v.members, member{name, item})
		if p.accept('}') {
			return v, true
		}
		if !p.accept(',') {
			return v, false
		}
	}
}

// number reads a number by the grammar of RFC 8259 §6.
func (p *parser) number() (value, bool) {
	start := p.pos
	p.one("-")
	if !p.one("0") && p.digits() == 0 {
		return value{}, false
	}
	if p.one(".") && p.digits() == 0 {
		return value{}, false
	}
	if p.one("eE") {
		p.one("+-")
		if p.digits() == 0 {
			return value{}, false
		}
	}
	return value{kind: kindNumber, text: string(p.data[start:p.pos])}, true
}

// one accepts one byte out of set.
func (p *parser) one(set string) bool {
	if p.pos < len(p.data) && strings.IndexByte(set, p.data[p.pos]) >= 0 {
		p.pos++
		return true
	}
	return false
}

func (p *parser) digits() int {
	start := p.pos
	for p.one("0123456789") {
	}
	return p.pos - start
}

func (p *parser) str() (string, bool) {
	p.pos++
	var out []byte
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		p.pos++
		switch {
		case c == '"':
			return string(out), utf8.Valid(out)
		case c < 0x20:
			return "", false
		case c != '\\':
			out = append(out, c)
		default:
			var ok bool
			if out, ok = p.escaped(out); !ok {
				return "", false
			}
		}
	}
	return "", false
}

func (p *parser) escaped(out []byte) ([]byte, bool) {
	if p.pos >= len(p.data) {
		return out, false
	}
	c := p.data[p.pos]
	p.pos++
	switch c {
	case '"', '\\', '/':
		return append(out, c), true
	case 'b':
		return append(out, '\b'), true
	case 'f':
		return append(out, '\f'), true
	case 'n':
		return append(out, '\n'), true
	case 'r':
		return append(out, '\r'), true
	case 't':
		return append(out, '\t'), true
	case 'u':
		return p.unicode(out)
	}
	return out, false
}

func (p *parser) unicode(out []byte) ([]byte, bool) {
	r, ok := p.hex4()
	if !ok {
		return out, false
	}
	if r >= 0xd800 && r < 0xdc00 && p.word(`\u`) {
		low, ok := p.hex4()
		if !ok || low < 0xdc00 || low > 0xdfff {
			return out, false
		}
		r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
	}
	return utf8.AppendRune(out, r), true
}

func (p *parser) hex4() (rune, bool) {
	if p.pos+4 > len(p.data) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.data[p.pos:p.pos+4]), 16, 32)
	p.pos += 4
	return rune(n), err == nil
}
