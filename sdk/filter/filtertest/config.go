package filtertest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// configText is a configuration as JSON: text as it is, a struct without its
// zero fields, for an operator would not write those.
func configText(config any) (string, error) {
	if text, ok := config.(string); ok {
		return text, nil
	}
	b, err := json.Marshal(written(reflect.ValueOf(config)))
	if err != nil {
		return "", fmt.Errorf("encode config: %w", err)
	}
	return string(b), nil
}

func written(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	if _, ok := v.Interface().(encoding.TextMarshaler); ok {
		return v.Interface()
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return written(v.Elem())
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = written(v.Index(i))
		}
		return list
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = written(v.MapIndex(k))
		}
		return m
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			if f.IsExported() && name != "-" && !v.Field(i).IsZero() {
				m[name] = written(v.Field(i))
			}
		}
		return m
	}
	return v.Interface()
}
