package user

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Schema is a JSON Schema (draft 2020-12, formats asserted) that documents are
// held against when they are written. Nothing that is stored is ever held
// against it, so that a new schema leaves old values readable. It is safe for
// concurrent use.
type Schema struct{ compiled *jsonschema.Schema }

// CompileSchema reads the JSON Schema in data. name, the file's, begins every
// error. The schema must be in one file: it refers to no other.
func CompileSchema(name string, data []byte) (*Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: not JSON: %w", name, err)
	}
	const url = "schema:///document"
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.UseLoader(noFiles{})
	if err := compiler.AddResource(url, document); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	compiled, err := compiler.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("%s: not a JSON Schema: %w", name, err)
	}
	return &Schema{compiled: compiled}, nil
}

// noFiles refuses references out of a schema.
type noFiles struct{}

func (noFiles) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is another document, and a schema refers to none", url)
}

// check notes below prefix what the schema does not allow, at most one violation
// for each place.
func (s *Schema) check(prefix string, d Document, bad *Invalid) {
	// The validator knows the types of encoding/json, not ours.
	err := s.compiled.Validate(map[string]any(d))
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		seen := map[string]bool{}
		for _, v := range violations(nil, invalid) {
			if at := prefix + v.Pointer; !seen[at] {
				seen[at] = true
				bad.Add(at, v.Detail)
			}
		}
	default:
		bad.Add(prefix, "cannot be held against its schema")
	}
}

var english = message.NewPrinter(language.English)

// violations collects the leaves of the tree of causes, sorted by place.
func violations(found []Violation, e *jsonschema.ValidationError) []Violation {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			found = violations(found, cause)
		}
		slices.SortStableFunc(found, func(x, y Violation) int { return strings.Compare(x.Pointer, y.Pointer) })
		return found
	}
	at := ""
	for _, token := range e.InstanceLocation {
		at += "/" + pointerEscapes.Replace(token)
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			found = append(found, Violation{Pointer: at + "/" + pointerEscapes.Replace(name), Detail: "is missing"})
		}
		return found
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			found = append(found, Violation{Pointer: at + "/" + pointerEscapes.Replace(name), Detail: "is not known here"})
		}
		return found
	case *kind.Format:
		return append(found, Violation{Pointer: at, Detail: "must be of the format " + k.Want})
	}
	detail := e.ErrorKind.LocalizedString(english)
	if len(detail) > maxDetailBytes {
		detail = "is not what the schema allows"
	}
	return append(found, Violation{Pointer: at, Detail: detail})
}

// maxDetailBytes keeps a value that the validator quotes from filling an answer.
const maxDetailBytes = 300

var _ json.Unmarshaler = (*Document)(nil)
