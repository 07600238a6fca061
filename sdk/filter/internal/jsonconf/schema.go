package jsonconf

import (
	"encoding"
	"reflect"
)

// Schema returns the JSON Schema (2020-12) of configurations that Decode reads
// into a t. A field's doc tag becomes its description; its enum tag, a comma
// separated list, its only values.
func Schema(t reflect.Type) []byte {
	return appendSchema(nil, t, "", "", 0)
}

func appendSchema(b []byte, t reflect.Type, doc, enum string, depth int) []byte {
	b = append(b, '{')
	if doc != "" {
		b = AppendString(append(b, `"description":`...), doc)
		b = append(b, ',')
	}
	if depth > maxDepth {
		return append(b, `"type":["object","array"]}`...)
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return append(b, `"type":"string"}`...)
	}
	switch t.Kind() {
	case reflect.Pointer:
		b = append(b, `"anyOf":[`...)
		return append(appendSchema(b, t.Elem(), "", enum, depth+1), `]}`...)
	case reflect.String:
		b = append(b, `"type":"string"`...)
		b = appendEnum(b, enum)
	case reflect.Bool:
		b = append(b, `"type":"boolean"`...)
	case reflect.Float32, reflect.Float64:
		b = append(b, `"type":"number"`...)
	case reflect.Slice:
		b = appendSchema(append(b, `"type":"array","items":`...), t.Elem(), "", "", depth+1)
	case reflect.Map:
		b = appendSchema(append(b, `"type":"object","additionalProperties":`...), t.Elem(), "", "", depth+1)
	case reflect.Struct:
		b = appendProperties(append(b, `"type":"object","additionalProperties":false,"properties":{`...), t, depth)
		b = append(b, '}')
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		b = append(b, `"type":"integer","minimum":0`...)
	default:
		b = append(b, `"type":"integer"`...)
	}
	return append(b, '}')
}

func appendProperties(b []byte, t reflect.Type, depth int) []byte {
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
		b = append(AppendString(b, name), ':')
		b = appendSchema(b, f.Type, f.Tag.Get("doc"), f.Tag.Get("enum"), depth+1)
	}
	return b
}

func appendEnum(b []byte, enum string) []byte {
	if enum == "" {
		return b
	}
	b = append(b, `,"enum":[`...)
	start := 0
	for i := 0; i <= len(enum); i++ {
		if i == len(enum) || enum[i] == ',' {
			if start > 0 {
				b = append(b, ',')
			}
			b = AppendString(b, enum[start:i])
			start = i + 1
		}
	}
	return append(b, ']')
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
