package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EnvPrefix starts the variables that set a key: GATEHOUSE_AUTH__LISTEN sets
// auth.listen, two underscores stand for each dot. A variable with this prefix
// that sets no key is an error, but for those that belong to others:
//
//   - GATEHOUSE_CONFIG, the configuration file for the command line
//   - GATEHOUSE_TEST_…, settings of the tests
//   - GATEHOUSE_…_PLUGIN, by which a plugin knows that we started it
//   - GATEHOUSE_SERVICE_HOST, GATEHOUSE_PORT_8080_TCP and the like, which
//     Kubernetes sets in every pod for a service named "gatehouse"
const EnvPrefix = "GATEHOUSE_"

// envNest separates the keys of a path in a variable's name.
const envNest = "__"

func (l *layers) environment(env []string) {
	values := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, EnvPrefix) && !foreignVariable(name) {
			values[name] = value
		}
	}
	for _, name := range sortedKeys(values) {
		path := strings.Split(strings.ToLower(strings.TrimPrefix(name, EnvPrefix)), envNest)
		l.set("environment "+name, path, values[name])
	}
}

// foreignVariable reports whether a variable with our prefix sets no key.
func foreignVariable(name string) bool {
	rest := strings.TrimPrefix(name, EnvPrefix)
	if strings.Contains(rest, envNest) {
		return false
	}
	if rest == "CONFIG" || strings.HasPrefix(rest, "TEST_") || strings.HasSuffix(rest, "_PLUGIN") {
		return true
	}
	return regexp.MustCompile(`^(.*_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`).MatchString(rest)
}

// lookup returns the type of the value at path below t. problem says why there
// is none.
func lookup(t reflect.Type, path []string) (found reflect.Type, rest []string, problem string) {
	for i, name := range path {
		at := strings.Join(path[:i+1], separator)
		switch t.Kind() {
		case reflect.Struct:
			types, names := keysOf(t)
			inner, ok := types[name]
			if !ok {
				for j := range names {
					names[j] = strings.Join(append(slices.Clone(path[:i]), names[j]), separator)
				}
				return nil, nil, fmt.Sprintf("unknown key %q%s", at, suggest(at, names))
			}
			t = inner
		case reflect.Map:
			if name == "" {
				return nil, nil, fmt.Sprintf("%q ends without a name", at)
			}
			t = t.Elem()
		case reflect.Interface:
			// Anything may be below a value of any type.
		default:
			return nil, nil, fmt.Sprintf("%q is a value and has no keys", strings.Join(path[:i], separator))
		}
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return nil, nil, fmt.Sprintf("%q is a section; set one of its keys", strings.Join(path, separator))
	}
	return t, nil, ""
}

// parseText reads a value from the environment or a flag. A value of any type
// becomes what it replaces: a number stays a number.
func parseText(text string, t reflect.Type, before any) (any, error) {
	if t.Kind() == reflect.Interface {
		if t = reflect.TypeOf(before); t == nil {
			return text, nil
		}
	}
	var v any
	var err error
	switch {
	case t == secretType:
		return Secret(text), nil
	case t == bytesType:
		return ParseBytes(text)
	case t == durationType:
		v, err = time.ParseDuration(text)
	case t.Kind() == reflect.String:
		return text, nil
	case t.Kind() == reflect.Bool:
		v, err = strconv.ParseBool(text)
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		v, err = strconv.ParseInt(text, 10, t.Bits())
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		v, err = strconv.ParseUint(text, 10, t.Bits())
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		v, err = strconv.ParseFloat(text, t.Bits())
	default:
		return nil, fmt.Errorf("a value of this kind can only be set in the file")
	}
	if err != nil {
		return nil, fmt.Errorf("%q is not %s", text, wanted(t))
	}
	return v, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
