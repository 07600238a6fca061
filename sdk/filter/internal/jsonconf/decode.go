package jsonconf

import (
	"encoding"
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// Decode reads data into v, a pointer. Nothing at all and null count as {}.
// Field names are those of the json tags, else the field's own in lower case; a
// type with UnmarshalText takes a string; a missing member takes the default
// tag. null counts as missing.
//
// # Errors
//
// A wrong value names its JSON Pointer (RFC 6901): "/limits/0/rate: want an
// integer, have a string". An unknown, repeated or missing member is an error,
// and so is a value that the tags forbid.
func Decode(data []byte, v any) error {
	var tree value
	if len(data) != 0 {
		var err error
		if tree, err = parse(data); err != nil {
			return err
		}
	}
	dst := reflect.ValueOf(v).Elem()
	if tree.kind == kindNull && dst.Kind() == reflect.Struct {
		tree.kind = kindObject
	}
	return assign(tree, dst, "")
}

func fail(pointer, why string) error { return errors.New(pointer + ": " + why) }

// escape makes a member's name a part of a JSON Pointer.
func escape(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
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
		return assignSlice(listed(v, dst.Type()), dst, pointer)
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

// OneOrMore is what a slice implements for which one string may stand instead
// of a list.
type OneOrMore interface{ OneOrMore() }

func isOneOrMore(t reflect.Type) bool { return t.Implements(reflect.TypeFor[OneOrMore]()) }

// listed makes a list of the one string that stands for it.
func listed(v value, t reflect.Type) value {
	if v.kind == kindString && isOneOrMore(t) {
		return value{kind: kindArray, items: []value{v}}
	}
	return v
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
		if err := assign(item.value, e, pointer+"/"+escape(item.name)); err != nil {
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
	t := dst.Type()
	seen := make([]bool, t.NumField())
	for _, item := range v.members {
		at := pointer + "/" + escape(item.name)
		field, ok := fieldByName(t, item.name)
		if !ok {
			return fail(at, "unknown field; known: "+strings.Join(fieldNames(t), ", "))
		}
		if seen[field] {
			return fail(at, "given twice")
		}
		if item.kind == kindNull {
			continue
		}
		seen[field] = true
		if err := assign(item.value, dst.Field(field), at); err != nil {
			return err
		}
		if err := rulesOf(t.Field(field)).check(listed(item.value, t.Field(field).Type), at); err != nil {
			return err
		}
	}
	for i := range seen {
		if err := absent(t.Field(i), dst.Field(i), seen[i], pointer); err != nil {
			return err
		}
	}
	return nil
}

// absent gives a field that was not there its default.
func absent(f reflect.StructField, dst reflect.Value, seen bool, pointer string) error {
	name, ok := nameOf(f)
	if seen || !ok {
		return nil
	}
	at, r := pointer+"/"+escape(name), rulesOf(f)
	switch {
	case r.required:
		return fail(at, "is missing")
	case r.given:
		v, err := presetOf(r, plain(f.Type))
		if err != nil {
			return fail(at, "the filter's own default: "+err.Error())
		}
		return assign(v, dst, at)
	case f.Type.Kind() == reflect.Struct && !isText(f.Type):
		return fillDefaults(dst, at)
	}
	return nil
}

// presetOf returns the default of a field of type t: JSON, or a string's text.
func presetOf(r rules, t reflect.Type) (value, error) {
	if t.Kind() == reflect.String || isText(t) {
		return value{kind: kindString, text: r.preset}, nil
	}
	return parse([]byte(r.preset))
}

// fillDefaults gives the fields of a struct that was not there their defaults;
// what is required in it counts only where it is there.
func fillDefaults(dst reflect.Value, pointer string) error {
	for i := range dst.NumField() {
		f := dst.Type().Field(i)
		if f.Tag.Get("required") == "true" {
			continue
		}
		if err := absent(f, dst.Field(i), false, pointer); err != nil {
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
