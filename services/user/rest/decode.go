package rest

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse.example/internal/problem"
	"gatehouse.example/services/user"
)

// decode reads a body that the schema of T describes. Types, missing and
// unknown members are violations.
func decode[T any](a *api, raw []byte) (T, error) {
	var into T
	if err := a.check(raw, reflect.TypeFor[T]()); err != nil {
		return into, err
	}
	if err := json.Unmarshal(raw, &into); err != nil {
		return into, problem.New(http.StatusUnprocessableEntity, codeInvalid, "the body has a value of the wrong type")
	}
	return into, nil
}

// merge applies a merge patch (RFC 7396), which the schema of P describes, to
// the representation current.
func merge[P, T any](a *api, current T, raw []byte) (T, error) {
	var merged T
	if err := a.check(raw, reflect.TypeFor[P]()); err != nil {
		return merged, err
	}
	before, err := json.Marshal(current)
	if err != nil {
		return merged, err
	}
	var target user.Document
	if err := json.Unmarshal(before, &target); err != nil {
		return merged, err
	}
	patch, err := document(raw)
	if err != nil {
		return merged, err
	}
	result, err := json.Marshal(target.Patch(patch))
	if err != nil {
		return merged, err
	}
	if err := json.Unmarshal(result, &merged); err != nil {
		return merged, problem.New(http.StatusUnprocessableEntity, codeInvalid, "the patch makes a value of the wrong type")
	}
	return merged, nil
}

// check holds raw against the schema of the type, by huma's validation and an
// exact comparison of the members' names: huma and encoding/json ignore their
// case, so that "Email" would be a second email.
func (a *api) check(raw []byte, body reflect.Type) error {
	schema := a.bodies[body.Name()]
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return problem.New(http.StatusBadRequest, "malformed", "the body is not JSON")
	}
	var res huma.ValidateResult
	huma.Validate(a.schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &res)
	var found []problem.Violation
	for _, err := range res.Errors {
		if d, ok := err.(huma.ErrorDetailer); ok {
			found = append(found, violation(&huma.ErrorDetail{Location: "body." + d.ErrorDetail().Location, Message: d.ErrorDetail().Message}))
		}
	}
	found = append(found, a.misspelt("", schema, value)...)
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(x, y problem.Violation) int { return strings.Compare(x.Pointer+x.Detail, y.Pointer+y.Detail) })
	return problem.New(http.StatusUnprocessableEntity, codeInvalid, "the body does not have the expected form").With(found...)
}

// misspelt reports members that are known only if case is ignored.
func (a *api) misspelt(at string, schema *huma.Schema, value any) []problem.Violation {
	schema = a.resolve(schema)
	object, ok := value.(map[string]any)
	if !ok || schema == nil {
		return nil
	}
	var found []problem.Violation
	for name, member := range object {
		here := at + "/" + escapes.Replace(name)
		if known, ok := schema.Properties[name]; ok {
			found = append(found, a.misspelt(here, known, member)...)
			continue
		}
		for property := range schema.Properties {
			if strings.EqualFold(property, name) {
				found = append(found, problem.Violation{Pointer: here, Detail: "unexpected property; did you mean " + property + "?"})
			}
		}
	}
	return found
}
