package jsonconf

import (
	"encoding"
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// Decode reads data into v, a pointer. Nothing at all and null leave v as it
// is. Field names are those of the json tags, else the field's own in lower
// case; a type with UnmarshalText takes a string.
//
// # Errors
//
// A wrong value names its JSON Pointer: "/limits/0/rate: want a whole number".
// An unknown or repeated member is an error.
func Decode(data []byte, v any) error {
	if len(data) == 0 {
		return nil
	}
	tree, err := parse(data)
	if err != nil {
		return err
	}
	if tree.kind == kindNull {
		return nil
	}
	return assign(tree, reflect.ValueOf(v).Elem(), "")
}

func fail(pointer, why string) error {
	if pointer == "" {
		pointer = "/"
	}
	return errors.New(pointer + ": " + why)
}

func want(v value, what, pointer string) error {
	return fail(pointer, "want "+what+", have "+v.kind.String())
}

func assign(v value, dst reflect.Value, pointer string) error {
	if v.kind == kindNull {
		return nil
	}
	if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if v.kind != kindString {
			return want(v, "a string", pointer)
		}
		if err := u.UnmarshalText([]byte(v.text)); err != nil {
			return fail(pointer, err.Error())
		}
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		if dst.IsNil() {
			dst.Set(reflect.New(dst.Type().Elem()))
		}
		return assign(v, dst.Elem(), pointer)
	case reflect.Struct:
		return assignStruct(v, dst, pointer)
	case reflect.Slice:
		return assignSlice(v, dst, pointer)
	case reflect.Map:
		return assignMap(v, dst, pointer)
	}
	return assignScalar(v, dst, pointer)
}

func assignScalar(v value, dst reflect.Value, pointer string) error {
	switch dst.Kind() {
	case reflect.String:
		if v.kind != kindString {
			return want(v, "a string", pointer)
		}
		dst.SetString(v.text)
	case reflect.Bool:
		if v.kind != kindBool {
			return want(v, "true or false", pointer)
		}
		dst.SetBool(v.truth)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(v.text, 10, 64)
		if v.kind != kindNumber {
			return want(v, "a whole number", pointer)
		}
		if err != nil || dst.OverflowInt(n) {
			return fail(pointer, "want a whole number in range")
		}
		dst.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(v.text, 10, 64)
		if v.kind != kindNumber {
			return want(v, "a whole number", pointer)
		}
		if err != nil || dst.OverflowUint(n) {
			return fail(pointer, "want a whole number in range, not negative")
		}
		dst.SetUint(n)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(v.text, 64)
		if v.kind != kindNumber || err != nil {
			return want(v, "a number", pointer)
		}
		dst.SetFloat(n)
	default:
		return fail(pointer, "the filter's configuration has a field of type "+dst.Type().String()+", which cannot be read")
	}
	return nil
}

func assignSlice(v value, dst reflect.Value, pointer string) error {
	if v.kind != kindArray {
		return want(v, "a list", pointer)
	}
	list := reflect.MakeSlice(dst.Type(), len(v.items), len(v.items))
	for i, item := range v.items {
		if err := assign(item, list.Index(i), pointer+"/"+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	dst.Set(list)
	return nil
}

func assignMap(v value, dst reflect.Value, pointer string) error {
	if v.kind != kindObject || dst.Type().Key().Kind() != reflect.String {
		return want(v, "an object", pointer)
	}
	m := reflect.MakeMap(dst.Type())
	for _, item := range v.members {
		e := reflect.New(dst.Type().Elem()).Elem()
		if err := assign(item.value, e, pointer+"/"+item.name); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(item.name).Convert(dst.Type().Key()), e)
	}
	dst.Set(m)
	return nil
}

func assignStruct(v value, dst reflect.Value, pointer string) error {
	if v.kind != kindObject {
		return want(v, "an object", pointer)
	}
	seen := make(map[string]bool, len(v.members))
	for _, item := range v.members {
		at := pointer + "/" + item.name
		field, ok := fieldByName(dst.Type(), item.name)
		if !ok {
			return fail(at, "unknown field; known: "+strings.Join(fieldNames(dst.Type()), ", "))
		}
		if seen[item.name] {
			return fail(at, "given twice")
		}
		seen[item.name] = true
		if err := assign(item.value, dst.Field(field), at); err != nil {
			return err
		}
	}
	return nil
}

func fieldByName(t reflect.Type, name string) (int, bool) {
	for i := range t.NumField() {
		if n, ok := nameOf(t.Field(i)); ok && n == name {
			return i, true
		}
	}
	return 0, false
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if n, ok := nameOf(t.Field(i)); ok {
			names = append(names, n)
		}
	}
	if names == nil {
		names = []string{"none"}
	}
	return names
}

func nameOf(f reflect.StructField) (string, bool) {
	if !f.IsExported() {
		return "", false
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch name {
	case "-":
		return "", false
	case "":
		return strings.ToLower(f.Name), true
	}
	return name, true
}
