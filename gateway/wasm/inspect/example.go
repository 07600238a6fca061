package inspect

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
)

// schema is what an example needs to know of a JSON Schema.
type schema struct {
	Type       any                        `json:"type"`
	Const      json.RawMessage            `json:"const"`
	Default    json.RawMessage            `json:"default"`
	Examples   []json.RawMessage          `json:"examples"`
	Enum       []json.RawMessage          `json:"enum"`
	Required   []string                   `json:"required"`
	Properties map[string]json.RawMessage `json:"properties"`
	Items      json.RawMessage            `json:"items"`
	MinItems   int                        `json:"minItems"`
	MinLength  int                        `json:"minLength"`
	Minimum    *float64                   `json:"minimum"`
	Pattern    string                     `json:"pattern"`
}

// Bounds of an example: the schema was written by a stranger.
const (
	maxExampleDepth = 8
	maxExampleParts = 16
)

// example returns the smallest configuration that a schema takes, in the form of
// JSON that is YAML too: the fields that are required, with a value that the
// operator has to look at. A pattern is only followed where it begins with
// plain text.
func example(text json.RawMessage) string { return exampleOf(text, maxExampleDepth) }

func exampleOf(text json.RawMessage, depth int) string {
	var s schema
	if depth == 0 || json.Unmarshal(text, &s) != nil {
		return "{}"
	}
	for _, given := range [][]json.RawMessage{{s.Const}, {s.Default}, s.Examples, s.Enum} {
		if len(given) > 0 && len(given[0]) > 0 {
			return string(given[0])
		}
	}
	kind, _ := s.Type.(string)
	if kinds, ok := s.Type.([]any); ok && len(kinds) > 0 {
		kind, _ = kinds[0].(string)
	}
	switch kind {
	case "string":
		return exampleString(&s)
	case "integer", "number":
		n := 1.0
		if s.Minimum != nil {
			n = *s.Minimum
		}
		if kind == "integer" {
			n = math.Ceil(n)
		}
		out, err := json.Marshal(n)
		if err != nil {
			return "1"
		}
		return string(out)
	case "boolean":
		return "false"
	case "array":
		item := exampleOf(s.Items, depth-1)
		return "[" + strings.Join(slices.Repeat([]string{item}, min(max(s.MinItems, 0), maxExampleParts)), ", ") + "]"
	}
	return exampleObject(&s, depth)
}

func exampleString(s *schema) string {
	value := ""
	if rest, ok := strings.CutPrefix(s.Pattern, "^"); ok {
		value = rest[:len(rest)-len(strings.TrimLeft(rest, "/abcdefghijklmnopqrstuvwxyz:-_"))]
	}
	if missing := min(s.MinLength, 1<<10) - len(value); missing > 0 {
		value += strings.Repeat("x", missing)
	}
	out, err := json.Marshal(value)
	if err != nil {
		return `""`
	}
	return string(out)
}

func exampleObject(s *schema, depth int) string {
	var parts []string
	for _, name := range s.Required[:min(len(s.Required), maxExampleParts)] {
		key, err := json.Marshal(name)
		if err != nil {
			continue
		}
		parts = append(parts, string(key)+": "+exampleOf(s.Properties[name], depth-1))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
