package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// schemaURL is what the filter's schema calls itself, where it needs to.
const schemaURL = "gatehouse:config"

// maxViolations bounds an answer to a configuration that is wrong everywhere.
const maxViolations = 32

// sealedLoader keeps a filter's schema from reading anything: it was written
// by a stranger.
type sealedLoader struct{}

// Load implements jsonschema.URLLoader.
func (sealedLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("references to other documents (%s) are not followed", url)
}

// checkConfig compares a filter's configuration with the filter's schema.
//
// # Errors
//
// One line for each violation: "config/limits/0/rate: want at least 1".
func checkConfig(config, schema []byte) error {
	if len(schema) == 0 || string(schema) == "null" {
		return nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return fmt.Errorf("config_schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(sealedLoader{})
	if err := compiler.AddResource(schemaURL, document); err != nil {
		return fmt.Errorf("config_schema: %w", oneLine(err))
	}
	compiled, err := compiler.Compile(schemaURL)
	if err != nil {
		return fmt.Errorf("config_schema: %w", oneLine(err))
	}
	if len(bytes.TrimSpace(config)) == 0 {
		// No configuration is an empty one: what is required is missed.
		config = []byte("{}")
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("config: %w", err)
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](compiled.Validate(value))
	if !ok {
		return nil
	}
	var found []error
	for _, line := range violations(nil, invalid, document) {
		found = append(found, errors.New(line))
	}
	return errors.Join(found...)
}

// violations lists what is wrong, each with its place below the configuration.
func violations(found []string, e *jsonschema.ValidationError, schema any) []string {
	if len(found) >= maxViolations {
		return found
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		return append(found, place(e.InstanceLocation)+alternatives(e))
	case *kind.Required:
		for _, name := range k.Missing {
			found = append(found, place(append(slices.Clip(e.InstanceLocation), name))+"is required")
		}
		return found
	case *kind.AdditionalProperties:
		known := knownFields(schema, e)
		for _, name := range slices.Sorted(slices.Values(k.Properties)) {
			found = append(found, place(append(slices.Clip(e.InstanceLocation), name))+"unknown field"+known)
		}
		return found
	}
	for _, cause := range e.Causes {
		found = violations(found, cause, schema)
	}
	if len(e.Causes) > 0 {
		return found
	}
	return append(found, place(e.InstanceLocation)+reason(e.ErrorKind))
}

func place(at []string) string {
	return strings.Join(append([]string{"config"}, at...), "/") + ": "
}

// alternatives says what would do, where none of several forms fits.
func alternatives(e *jsonschema.ValidationError) string {
	var reasons []string
	for _, cause := range e.Causes {
		for len(cause.Causes) > 0 {
			cause = cause.Causes[0]
		}
		text := reason(cause.ErrorKind)
		if len(cause.InstanceLocation) > len(e.InstanceLocation) {
			text = strings.Join(cause.InstanceLocation[len(e.InstanceLocation):], "/") + ": " + text
		}
		if !slices.Contains(reasons, text) {
			reasons = append(reasons, text)
		}
	}
	if len(reasons) == 0 {
		return "more than one form fits"
	}
	return strings.Join(reasons, ", or ")
}

func reason(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		names := make([]string, len(k.Want))
		for i, want := range k.Want {
			names[i] = typeName(want)
		}
		return "want " + strings.Join(names, " or ") + ", have " + typeName(k.Got)
	case *kind.Minimum:
		return "want at least " + k.Want.RatString()
	case *kind.Maximum:
		return "want at most " + k.Want.RatString()
	case *kind.Enum:
		words := make([]string, len(k.Want))
		for i, want := range k.Want {
			words[i] = fmt.Sprint(want)
		}
		return "want one of " + strings.Join(words, ", ")
	case *kind.MinItems:
		return fmt.Sprintf("want at least %d elements, have %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("want at most %d elements, have %d", k.Want, k.Got)
	case *kind.MinLength:
		return fmt.Sprintf("want at least %d characters, have %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("want at most %d characters, have %d", k.Want, k.Got)
	case *kind.MinProperties:
		return fmt.Sprintf("want at least %d members, have %d", k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("want at most %d members, have %d", k.Want, k.Got)
	case *kind.Pattern:
		return fmt.Sprintf("%q does not match %s", k.Got, k.Want)
	}
	return oneLine(errors.New(k.LocalizedString(message.NewPrinter(language.English)))).Error()
}

func typeName(name string) string {
	switch name {
	case "integer":
		return "a whole number"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "null":
		return "null"
	case "boolean":
		return "true or false"
	}
	return "a " + name
}

// knownFields names the fields that an object may have, from the schema of the
// violation.
func knownFields(schema any, e *jsonschema.ValidationError) string {
	_, pointer, _ := strings.Cut(e.SchemaURL, "#")
	for _, token := range strings.Split(pointer, "/") {
		if token == "" {
			continue
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch node := schema.(type) {
		case map[string]any:
			schema = node[token]
		case []any:
			index := 0
			if _, err := fmt.Sscanf(token, "%d", &index); err != nil || index < 0 || index >= len(node) {
				return ""
			}
			schema = node[index]
		default:
			return ""
		}
	}
	object, _ := schema.(map[string]any)
	properties, _ := object["properties"].(map[string]any)
	if len(properties) == 0 {
		return ""
	}
	return "; known: " + strings.Join(slices.Sorted(maps.Keys(properties)), ", ")
}
