package rest_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// operation is one operation of the OpenAPI document.
type operation struct {
	id, method, path string
	parameters       []parameter
	// body is the schema of the JSON body; nil if there is none.
	body         map[string]any
	contentTypes []string
	bodyRequired bool
	// answers are the schemas of the answers by status or "default"; nil where
	// an answer has no body.
	answers map[string]*jsonschema.Schema
}

type parameter struct {
	name, in string
	required bool
	schema   map[string]any
}

// document is the OpenAPI document as a client reads it.
type document struct {
	root       map[string]any
	operations []operation
}

// member returns the object at the path of names.
func member(v any, names ...string) map[string]any {
	for _, name := range names {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	object, _ := v.(map[string]any)
	return object
}

// resolve follows a $ref within the document.
func (d document) resolve(schema map[string]any) map[string]any {
	for schema != nil {
		ref, ok := schema["$ref"].(string)
		if !ok {
			break
		}
		schema = member(d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return schema
}

func readDocument(t *testing.T, f *fixture) document {
	t.Helper()
	a := f.call(t, "", "GET", "/v1/openapi.json", "")
	d := document{root: a.want(t, 200)}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	const url = "test:///openapi.json"
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(url, value); err != nil {
		t.Fatal(err)
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B")
	for _, path := range slices.Sorted(maps.Keys(member(d.root, "paths"))) {
		for _, method := range slices.Sorted(maps.Keys(member(d.root, "paths", path))) {
			raw := member(d.root, "paths", path, method)
			op := operation{method: strings.ToUpper(method), path: path, answers: map[string]*jsonschema.Schema{}}
			op.id, _ = raw["operationId"].(string)
			parameters, _ := raw["parameters"].([]any)
			for _, p := range parameters {
				p, _ := p.(map[string]any)
				name, _ := p["name"].(string)
				in, _ := p["in"].(string)
				required, _ := p["required"].(bool)
				op.parameters = append(op.parameters, parameter{name, in, required, member(p, "schema")})
			}
			op.bodyRequired, _ = member(raw, "requestBody")["required"].(bool)
			op.contentTypes = slices.Sorted(maps.Keys(member(raw, "requestBody", "content")))
			for _, media := range op.contentTypes {
				op.body = member(raw, "requestBody", "content", media, "schema")
			}
			for status, answer := range member(raw, "responses") {
				op.answers[status] = nil
				for media := range member(answer, "content") {
					pointer := url + "#/paths/" + escape.Replace(path) + "/" + method + "/responses/" + status + "/content/" + escape.Replace(media) + "/schema"
					if op.answers[status], err = compiler.Compile(pointer); err != nil {
						t.Fatalf("%s %s: schema of %s: %v", op.method, path, status, err)
					}
				}
			}
			d.operations = append(d.operations, op)
		}
	}
	return d
}

// TestOpenAPI holds the document against what OpenAPI 3.1 demands, and against
// what is served.
func TestOpenAPI(t *testing.T) {
	f := setUp(t)
	d := readDocument(t, f)
	if d.root["openapi"] != "3.1.0" || member(d.root, "info")["title"] == "" || member(d.root, "info")["version"] == "" {
		t.Errorf("openapi = %v, info = %v", d.root["openapi"], d.root["info"])
	}
	if schemes := member(d.root, "components", "securitySchemes"); len(schemes) == 0 || d.root["security"] == nil {
		t.Errorf("security = %v, schemes = %v", d.root["security"], schemes)
	}
	seen := map[string]bool{}
	served := []string{"GET /v1/openapi.json"}
	for _, op := range d.operations {
		name := op.method + " " + op.path
		served = append(served, name)
		if op.id == "" || seen[op.id] {
			t.Errorf("%s: operationId %q is empty or not its own", name, op.id)
		}
		seen[op.id] = true
		checkOperation(t, d, op, name)
	}
	slices.Sort(served)
	if got := slices.Sorted(slices.Values(f.api.Operations())); !slices.Equal(got, served) {
		t.Errorf("served are %v, documented %v", got, served)
	}
	for _, name := range []string{
		"POST /v1/users/{id}/restore", "GET /v1/users/{id}/preferences/{namespace}", "PATCH /v1/me/preferences/{namespace}", "GET /v1/me/preferences",
	} {
		if !slices.Contains(served, name) {
			t.Errorf("%s is not there", name)
		}
	}
	for _, gone := range []string{"ErrorModel", "ErrorDetail"} {
		if member(d.root, "components", "schemas", gone) != nil {
			t.Errorf("schema %s of huma is documented, but never sent", gone)
		}
	}
	text, _ := json.Marshal(d.root)
	if strings.Contains(string(text), "octet-stream") || strings.Contains(string(text), "$schema") {
		t.Error("traces of huma's defaults")
	}
	references(t, d, d.root)
}

// TestDocumentedRemoval: what null removes may be null, and nothing else.
func TestDocumentedRemoval(t *testing.T) {
	f := setUp(t)
	d := readDocument(t, f)
	schema := func(names ...string) map[string]any {
		return member(d.root, append([]string{"components", "schemas"}, names...)...)
	}
	nullable := func(object map[string]any) []string {
		names := []string{}
		for name, one := range member(object, "properties") {
			if kinds, ok := member(one)["type"].([]any); ok && slices.Contains(kinds, "null") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	profile := slices.Sorted(maps.Keys(schema("Profile", "properties")))
	for name, c := range map[string]struct {
		object map[string]any
		want   []string
	}{
		"user patch":            {schema("UserPatch"), []string{"phone", "profile", "status_reason", "username"}},
		"its profile":           {schema("UserPatch", "properties", "profile"), profile},
		"profile patch":         {schema("ProfilePatch"), profile},
		"its address":           {schema("ProfilePatch", "properties", "address"), slices.Sorted(maps.Keys(schema("Address", "properties")))},
		"role patch":            {schema("RolePatch"), []string{"description", "inherits", "permissions"}},
		"profile":               {schema("Profile"), []string{}},
		"address":               {schema("Address"), []string{}},
		"user":                  {schema("User"), []string{}},
		"what a new user takes": {schema("NewUser"), []string{}},
	} {
		if got := nullable(c.object); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v may be null, want %v", name, got, c.want)
		}
	}
	ada := f.person(t, "ada")
	path := "/v1/users/" + ada.ID.String()
	f.call(t, "admin", "PATCH", path, `{"phone":"+442071838750","profile":{"address":{"locality":"London"}}}`).want(t, 200)
	f.call(t, "ada", "PATCH", path+"/profile", `{"address":{"locality":null,"country":"UK"},"nickname":null}`).want(t, 200)
	bare := f.call(t, "admin", "PATCH", path, `{"username":null,"phone":null,"profile":null,"status_reason":null}`).want(t, 200)
	if bare["username"] != nil || bare["phone"] != nil || len(member(bare["profile"])) != 0 {
		t.Errorf("null removes: %v", bare)
	}
	for _, body := range []string{`{"email":null}`, `{"status":null}`} {
		f.call(t, "admin", "PATCH", path, body).problem(t, 422, "invalid")
	}
}

// TestDocumentedStatuses names the problems of one operation of each kind; the
// property-based test holds all against what is answered.
func TestDocumentedStatuses(t *testing.T) {
	d := readDocument(t, setUp(t))
	for _, op := range d.operations {
		want := map[string]string{
			"listUsers": "200 400 401 403", "getUser": "200 304 400 401 403 404", "createUser": "201 400 401 403 409 413 415 422",
			"updateUser": "200 400 401 403 404 409 412 413 415 422", "deleteMe": "204 400 401 403 404 409 412",
			"authorize": "200 400 401 403 413 415 422", "deletePreferences": "204 400 401 403 404 412 422",
		}[op.id]
		got := strings.TrimSuffix(strings.Join(slices.Sorted(maps.Keys(op.answers)), " "), " default")
		if want != "" && got != want {
			t.Errorf("%s: %s, want %s", op.id, got, want)
		}
	}
}

func checkOperation(t *testing.T, d document, op operation, name string) {
	t.Helper()
	raw := member(d.root, "paths", op.path, strings.ToLower(op.method))
	if summary, _ := raw["summary"].(string); summary == "" {
		t.Errorf("%s: no summary", name)
	}
	if security, ok := raw["security"]; ok {
		t.Errorf("%s: has a security of its own: %v", name, security)
	}
	success := false
	for status := range op.answers {
		success = success || strings.HasPrefix(status, "2")
		if description, _ := member(raw, "responses", status)["description"].(string); description == "" {
			t.Errorf("%s: answer %s has no description", name, status)
		}
	}
	if !success || op.answers["default"] == nil {
		t.Errorf("%s: answers = %v", name, slices.Sorted(maps.Keys(op.answers)))
	}
	var places []string
	for _, p := range op.parameters {
		if len(p.schema) == 0 || p.in == "path" && !p.required {
			t.Errorf("%s: parameter %+v", name, p)
		}
		if p.in == "path" {
			places = append(places, "{"+p.name+"}")
		}
		if slices.Contains(places, p.in+p.name) {
			t.Errorf("%s: parameter %s twice", name, p.name)
		}
		places = append(places, p.in+p.name)
	}
	for segment := range strings.SplitSeq(op.path, "/") {
		if strings.HasPrefix(segment, "{") && !slices.Contains(places, segment) {
			t.Errorf("%s: %s is not documented", name, segment)
		}
	}
	takes := op.method == http.MethodPost || op.method == http.MethodPut || op.method == http.MethodPatch
	if takes != (op.body != nil) {
		t.Errorf("%s: body = %v", name, op.body)
	}
}

// references fails for a $ref that leads nowhere.
func references(t *testing.T, d document, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && (!strings.HasPrefix(ref, "#/") || d.resolve(v) == nil) {
			t.Errorf("%s leads nowhere", ref)
		}
		for _, one := range v {
			references(t, d, one)
		}
	case []any:
		for _, one := range v {
			references(t, d, one)
		}
	}
}
