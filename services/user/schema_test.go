package user_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/services/user"
)

const attributesSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["department"],
	"additionalProperties": false,
	"properties": {
		"department": {"enum": ["sales", "works"]},
		"hired": {"type": "string", "format": "date"},
		"badge": {"type": "integer", "minimum": 1},
		"a/b": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": true}
	},
	"$defs": {"tag": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}}
}`

func document(t *testing.T, text string) user.Document {
	t.Helper()
	var d user.Document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAttributes(t *testing.T) {
	schema, err := user.CompileSchema("attributes.json", []byte(attributesSchema))
	if err != nil {
		t.Fatal(err)
	}
	accounts := user.NewAccounts(onlyInsert{}, user.Options{Attributes: schema})
	for name, c := range map[string]struct {
		value string
		want  []string
	}{
		"good":            {`{"department":"sales","hired":"2020-02-29","badge":7,"a/b":["x"]}`, nil},
		"missing":         {`{"badge":7}`, []string{"/department"}},
		"unknown":         {`{"department":"sales","x":1,"y":2}`, []string{"/x", "/y"}},
		"format":          {`{"department":"sales","hired":"2021-02-29"}`, []string{"/hired"}},
		"once a place":    {`{"department":"sales","a/b":["X-LONG-ONE"]}`, []string{"/a~1b/0"}},
		"several":         {`{"department":1,"badge":0.5,"a/b":["x","x"]}`, []string{"/a~1b", "/badge", "/department"}},
		"large":           {`{"department":"sales","a/b":["` + strings.Repeat("x", 17<<10) + `"]}`, []string{"", "/a~1b/0"}},
		"number too big":  {`{"department":"sales","badge":1e999999}`, []string{"/badge"}},
		"number too fine": {`{"department":"sales","badge":1e-20000}`, []string{"/badge"}},
		"deep":            {`{"department":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, []string{"/department", "/department" + strings.Repeat("/0", 31)}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := accounts.Create(t.Context(), user.New{Email: "a@example.com", Profile: user.Profile{Attributes: document(t, c.value)}})
			var bad *user.Invalid
			if !errors.As(err, &bad) && err != nil {
				t.Fatal(err)
			}
			places := map[string]bool{}
			if bad != nil {
				for _, v := range bad.Violations {
					places[strings.TrimPrefix(v.Pointer, "/profile/attributes")] = true
				}
			}
			if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(places))); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestNoAttributesWithoutASchema(t *testing.T) {
	accounts := user.NewAccounts(onlyInsert{}, user.Options{})
	_, _, err := accounts.Create(t.Context(), user.New{Email: "a@example.com", Profile: user.Profile{Attributes: user.Document{"a": 1}}})
	var bad *user.Invalid
	if !errors.As(err, &bad) || bad.Violations[0].Pointer != "/profile/attributes" {
		t.Errorf("error = %v", err)
	}
}

func TestBadSchemas(t *testing.T) {
	for name, text := range map[string]string{
		"empty":        ``,
		"not JSON":     `{`,
		"no schema":    `{"type": "objekt"}`,
		"a file":       `{"$ref": "file:///etc/passwd"}`,
		"a neighbour":  `{"$ref": "other.json"}`,
		"the network":  `{"$ref": "https://example.com/schema.json"}`,
		"bad pattern":  `{"properties": {"a": {"pattern": "("}}}`,
		"wrong anchor": `{"$ref": "#/$defs/none"}`,
	} {
		if _, err := user.CompileSchema("/etc/gatehouse/profile.json", []byte(text)); err == nil || !strings.Contains(err.Error(), "/etc/gatehouse/profile.json") {
			t.Errorf("%s: error = %v, want one that names the file", name, err)
		}
	}
}

// TestMergePatch are the examples of RFC 7396, appendix A, whose target and
// patch are objects, and what an array keeps.
func TestMergePatch(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{}`, `{"a":[{"b":null}]}`, `{"a":[{"b":null}]}`},
		{`{"n":1}`, `{"n":12345678901234567890}`, `{"n":12345678901234567890}`},
	} {
		target := document(t, c[0])
		if diff := cmp.Diff(document(t, c[2]), target.Patch(document(t, c[1]))); diff != "" {
			t.Errorf("%s with %s:\n%s", c[0], c[1], diff)
		}
		if diff := cmp.Diff(document(t, c[0]), target); diff != "" {
			t.Errorf("%s with %s changed the target:\n%s", c[0], c[1], diff)
		}
	}
}

// FuzzDocument: what is read can be written, and reads the same again.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{`{}`, `null`, `{"a":[1e5,"\ud800",{"":null}]}`, `{"a":1}x`, `[]`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d, again user.Document
		if json.Unmarshal(data, &d) != nil {
			return
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(d, again); diff != "" {
			t.Error(diff)
		}
		_ = d.Patch(again)
	})
}

// onlyInsert is a store that takes every new user.
type onlyInsert struct{ user.Store }

func (onlyInsert) Insert(_ context.Context, u user.User, _ user.Trail, _ *user.IdempotencyKey) (user.User, bool, error) {
	return u, false, nil
}

func TestPreferenceSchema(t *testing.T) {
	schema, err := user.CompileSchema("ui.json", []byte(`{"properties":{"theme":{"enum":["light","dark"]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	p := user.NewPreferences(&onePreference{}, map[string]*user.Schema{"ui": schema}, nil)
	change := func(namespace, text string) error {
		_, err := p.Change(t.Context(), uuid.New(), namespace, func(user.User, *user.Preference) (user.Document, error) { return document(t, text), nil })
		return err
	}
	var bad *user.Invalid
	if err := change("ui", `{"theme":"pink"}`); !errors.As(err, &bad) || bad.Violations[0].Pointer != "/theme" {
		t.Errorf("against the schema: %v", err)
	}
	for _, c := range [][2]string{{"ui", `{"theme":"dark"}`}, {"other", `{"theme":"pink"}`}, {"ui", `{}`}} {
		if err := change(c[0], c[1]); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	if err := change("ui", `{"x":"`+strings.Repeat("x", 33<<10)+`"}`); !errors.As(err, &bad) || bad.Violations[0].Pointer != "" {
		t.Errorf("large: %v", err)
	}
	for _, name := range []string{"", "UI", "-x", "a b", "a/b", strings.Repeat("x", 65)} {
		if err := change(name, `{}`); !errors.Is(err, user.ErrPreferenceNotFound) {
			t.Errorf("namespace %q: %v", name, err)
		}
	}
}

// onePreference is a store in which nothing is set.
type onePreference struct{ user.PreferenceStore }

func (onePreference) ChangePreference(_ context.Context, _ uuid.UUID, _ string, change func(user.User, *user.Preference) (*user.Preference, error)) error {
	_, err := change(user.User{}, nil)
	return err
}
