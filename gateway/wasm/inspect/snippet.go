package inspect

import (
	"fmt"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// Snippet is the entry for gateway.yaml that suits the module, or "" where it
// is not supported.
func (r *Report) Snippet() string {
	if !r.Supported {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "filters:\n  %s:\n    module: %q\n", r.entryName(), r.Module)
	if !strings.HasPrefix(r.Module, "builtin:") {
		fmt.Fprintf(&b, "    sha256: %q\n", r.SHA256)
	}
	if len(r.Grants) > 0 {
		fmt.Fprintf(&b, "    grants: [%s]\n", strings.Join(r.Grants, ", "))
	}
	for _, g := range r.Grants {
		if g == filterv1.GrantHTTP {
			b.WriteString("    http: {allow: []} # where it may send requests to\n")
		}
	}
	if len(r.ConfigSchema) > 0 {
		fmt.Fprintf(&b, "    config: %s # see config_schema\n", example(r.ConfigSchema))
	}
	return b.String()
}

// entryName is a key that YAML needs no quotes for.
func (r *Report) entryName() string {
	name := r.Name
	if name == "" {
		name = r.Module[strings.LastIndexAny(r.Module, ":/\\")+1:]
		name = strings.TrimSuffix(name, ".wasm")
	}
	name = strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return '-'
	}, name), "-")
	if strings.Trim(name, "-0123456789") == "" { // YAML would read a number
		return "mine"
	}
	return name
}
