package jsonconf

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
)

// rules are the tags of one field.
type rules struct {
	doc, enum, min, max, pattern string
	// preset is the default tag, given says whether there is one.
	preset   string
	given    bool
	required bool
}

func rulesOf(f reflect.StructField) rules {
	r := rules{
		doc: f.Tag.Get("doc"), enum: f.Tag.Get("enum"), min: f.Tag.Get("min"), max: f.Tag.Get("max"),
		pattern: f.Tag.Get("pattern"), required: f.Tag.Get("required") == "true",
	}
	r.preset, r.given = f.Tag.Lookup("default")
	return r
}

// Schema returns the JSON Schema (2020-12) of configurations that Decode reads
// into a t. The tags of a field are those that the package comment lists.
func Schema(t reflect.Type) []byte {
	return appendSchema(nil, t, rules{}, 0)
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func appendSchema(b []byte, t reflect.Type, r rules, depth int) []byte {
	b = append(b, '{')
	if r.doc != "" {
		b = append(AppendString(append(b, `"description":`...), r.doc), ',')
	}
	for t.Kind() == reflect.Pointer && !isText(t) {
		t = t.Elem()
	}
	if r.given {
		b = append(appendDefault(append(b, `"default":`...), t, r.preset), ',')
	}
	if depth > maxDepth {
		return append(b, `"type":["object","array"]}`...)
	}
	if isText(t) {
		return append(b, `"type":"string"}`...)
	}
	switch t.Kind() {
	case reflect.String:
		b = append(b, `"type":"string"`...)
		b = appendEnum(b, r.enum)
		b = appendBounds(b, r, "minLength", "maxLength")
		if r.pattern != "" {
			b = AppendString(append(b, `,"pattern":`...), r.pattern)
		}
	case reflect.Bool:
		b = append(b, `"type":"boolean"`...)
	case reflect.Slice:
		kind := `"type":"array","items":`
		if isOneOrMore(t) {
			kind = `"type":["string","array"],"items":`
		}
		b = appendSchema(append(b, kind...), t.Elem(), rules{enum: r.enum, pattern: r.pattern}, depth+1)
		b = appendBounds(b, r, "minItems", "maxItems")
	case reflect.Map:
		b = appendSchema(append(b, `"type":"object","additionalProperties":`...), t.Elem(), rules{}, depth+1)
		b = appendBounds(b, r, "minProperties", "maxProperties")
	case reflect.Struct:
		b = appendProperties(append(b, `"type":"object","additionalProperties":false,"properties":{`...), t, depth)
	default:
		b = appendNumber(b, t, r)
	}
	return append(b, '}')
}

func appendNumber(b []byte, t reflect.Type, r rules) []byte {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		b = append(b, `"type":"number"`...)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		b = append(b, `"type":"integer"`...)
		if r.min == "" {
			r.min = "0"
		}
	default:
		b = append(b, `"type":"integer"`...)
	}
	return appendBounds(b, r, "minimum", "maximum")
}

func appendBounds(b []byte, r rules, low, high string) []byte {
	if r.min != "" {
		b = append(append(AppendString(append(b, ','), low), ':'), r.min...)
	}
	if r.max != "" {
		b = append(append(AppendString(append(b, ','), high), ':'), r.max...)
	}
	return b
}

// appendDefault writes a default tag, which is JSON except for strings.
func appendDefault(b []byte, t reflect.Type, text string) []byte {
	if t.Kind() == reflect.String || isText(t) {
		return AppendString(b, text)
	}
	return append(b, text...)
}

func appendProperties(b []byte, t reflect.Type, depth int) []byte {
	var required []string
	first := true
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := nameOf(f)
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		r := rulesOf(f)
		if r.required {
			required = append(required, name)
		}
		b = append(AppendString(b, name), ':')
		b = appendSchema(b, f.Type, r, depth+1)
	}
	b = append(b, '}')
	if required == nil {
		return b
	}
	return appendList(append(b, `,"required":`...), required)
}

func appendEnum(b []byte, enum string) []byte {
	if enum == "" {
		return b
	}
	return appendList(append(b, `,"enum":`...), strings.Split(enum, ","))
}

func appendList(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, s)
	}
	return append(b, ']')
}

// check compares a value that was read with the field's tags, as the schema
// does; only the pattern is left to whoever checks the schema, since regular
// expressions would double the size of a guest.
func (r rules) check(v value, pointer string) error {
	unit, size := "", 0.0
	switch v.kind {
	case kindNumber:
		size, _ = strconv.ParseFloat(v.text, 64)
	case kindString:
		if r.enum != "" && !contains(r.enum, v.text) {
			return fail(pointer, "want one of "+strings.ReplaceAll(r.enum, ",", ", "))
		}
		unit, size = " characters", float64(len([]rune(v.text)))
	case kindArray:
		for i, item := range v.items {
			if err := (rules{enum: r.enum}).check(item, pointer+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
		unit, size = " elements", float64(len(v.items))
	case kindObject:
		unit, size = " members", float64(len(v.members))
	default:
		return nil
	}
	have := ""
	if unit != "" { // in the words of the gateway's check of the schema
		have = ", have " + strconv.Itoa(int(size))
	}
	if low, err := strconv.ParseFloat(r.min, 64); err == nil && size < low {
		return fail(pointer, "want at least "+r.min+unit+have)
	}
	if high, err := strconv.ParseFloat(r.max, 64); err == nil && size > high {
		return fail(pointer, "want at most "+r.max+unit+have)
	}
	return nil
}

// contains reports whether a comma separated list has word.
func contains(list, word string) bool {
	for have := range strings.SplitSeq(list, ",") {
		if have == word {
			return true
		}
	}
	return false
}

// AppendString appends s as a JSON string.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
