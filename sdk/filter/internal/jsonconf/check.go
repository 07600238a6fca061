package jsonconf

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// Check looks at the tags of a configuration's type, and at whether each field
// can be read at all: a mistake there is the filter's author's, who hears of it
// before anyone writes a configuration.
//
// # Errors
//
// The first mistake, with the Go name of its field: "Config.Retries: default
// \"abc\": want a whole number".
func Check(t reflect.Type) error { return checkType(t, t.Name(), 0) }

// plain is what t is where pointers and, for lists, elements do not matter.
func plain(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer && !isText(t) {
		t = t.Elem()
	}
	return t
}

func checkType(t reflect.Type, at string, depth int) error {
	t = plain(t)
	if isText(t) || depth > maxDepth {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice:
		return checkType(t.Elem(), at, depth+1)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return errors.New(at + ": the keys of a map have to be strings")
		}
		return checkType(t.Elem(), at, depth+1)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if _, ok := nameOf(f); !ok {
				continue
			}
			field := strings.TrimPrefix(at+"."+f.Name, ".")
			if err := checkTags(f, field); err != nil {
				return err
			}
			if err := checkType(f.Type, field, depth+1); err != nil {
				return err
			}
		}
	case reflect.Array, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.Func, reflect.Interface, reflect.UnsafePointer, reflect.Uintptr:
		return errors.New(at + ": a configuration cannot be read into a " + t.String())
	}
	return nil
}

func checkTags(f reflect.StructField, at string) error {
	r, t := rulesOf(f), plain(f.Type)
	bad := func(tag, value, why string) error {
		return errors.New(at + ": " + tag + " " + strconv.Quote(value) + ": " + why)
	}
	if v, given := f.Tag.Lookup("required"); given && v != "true" && v != "false" {
		return bad("required", v, "want true or false")
	}
	if words := t.Kind() == reflect.String || isText(t) || t.Kind() == reflect.Slice && plain(t.Elem()).Kind() == reflect.String; !words {
		if r.enum != "" {
			return bad("enum", r.enum, "it is for strings and lists of strings")
		}
		if r.pattern != "" {
			return bad("pattern", r.pattern, "it is for strings and lists of strings")
		}
	}
	for tag, value := range map[string]string{"min": r.min, "max": r.max} {
		if value == "" {
			continue
		}
		if why := checkBound(t, value); why != "" {
			return bad(tag, value, why)
		}
	}
	low, errLow := strconv.ParseFloat(r.min, 64)
	if high, err := strconv.ParseFloat(r.max, 64); err == nil && errLow == nil && low > high {
		return bad("min", r.min, "it is more than max")
	}
	if !r.given {
		return nil
	}
	v, err := presetOf(r, t)
	if err == nil {
		err = assign(v, reflect.New(f.Type).Elem(), "")
	}
	if err == nil {
		err = r.check(listed(v, t), "")
	}
	if err != nil {
		return bad("default", r.preset, strings.TrimPrefix(err.Error(), ": "))
	}
	return nil
}

// checkBound says why value bounds no t, or "".
func checkBound(t reflect.Type, value string) string {
	switch {
	case t.Kind() == reflect.Bool || t.Kind() == reflect.Struct || isText(t):
		return "it is for numbers, strings, lists and maps"
	case t.Kind() == reflect.String || t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		if _, err := strconv.ParseUint(value, 10, 31); err != nil {
			return "want a whole number that is not negative"
		}
		return ""
	}
	v, err := parse([]byte(value))
	if err != nil || v.kind != kindNumber {
		return "want a number"
	}
	return ""
}
