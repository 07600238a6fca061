package config

import (
	"encoding"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// keysOf returns the keys of a struct's section by name, those of inlined
// structs included, and the names in order.
func keysOf(t reflect.Type) (types map[string]reflect.Type, names []string) {
	types = map[string]reflect.Type{}
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get(yaml.StructTagName), ",")
		if name == "-" || (!field.IsExported() && !field.Anonymous) {
			continue
		}
		if strings.Contains(options, "inline") {
			inner, innerNames := keysOf(deref(field.Type))
			for _, innerName := range innerNames {
				types[innerName] = inner[innerName]
			}
			names = append(names, innerNames...)
			continue
		}
		if name == "" {
			name = strings.ToLower(field.Name)
		}
		types[name] = field.Type
		names = append(names, name)
	}
	return types, names
}

// treeOf returns what v would be in a file: structs and maps as map[string]any,
// everything else as it is.
func treeOf(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		tree := map[string]any{}
		for i := range v.NumField() {
			name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get(yaml.StructTagName), ",")
			if strings.Contains(options, "inline") {
				maps.Copy(tree, treeOf(v.Field(i)).(map[string]any))
			} else if name != "" {
				tree[name] = treeOf(v.Field(i))
			}
		}
		return tree
	case reflect.Map:
		tree := map[string]any{}
		for entries := v.MapRange(); entries.Next(); {
			tree[entries.Key().String()] = treeOf(entries.Value())
		}
		return tree
	default:
		return v.Interface()
	}
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
	bytesType    = reflect.TypeFor[Bytes]()
)

// decodesItself reports whether the type has its own idea of its YAML.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, unmarshaler := range []reflect.Type{
		reflect.TypeFor[yaml.InterfaceUnmarshaler](),
		reflect.TypeFor[yaml.InterfaceUnmarshalerContext](),
		reflect.TypeFor[yaml.NodeUnmarshaler](),
		reflect.TypeFor[yaml.NodeUnmarshalerContext](),
	} {
		if p.Implements(unmarshaler) {
			return true
		}
	}
	return rewritesPositions(t)
}

// rewritesPositions reports whether the type decodes a copy of its part of the
// document, so that positions in its errors mean nothing.
func rewritesPositions(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[yaml.BytesUnmarshaler]()) ||
		p.Implements(reflect.TypeFor[yaml.BytesUnmarshalerContext]()) ||
		p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
