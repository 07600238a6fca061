package validate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/gateway/config"
	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/validate"
)

func check(t *testing.T, schema, body string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte(schema), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := validate.New(config.Body{MaxBytes: 1 << 20, Schema: file})
	if err != nil {
		t.Fatal(err)
	}
	var ex exchange.Exchange
	ex.Request.Body.SetBytes([]byte(body))
	p := v.Check(&ex)
	if p == nil {
		return nil
	}
	found := map[string]string{}
	for _, violation := range p.Errors {
		found[violation.Pointer] = violation.Detail
	}
	return found
}

func TestViolationsNamePlaces(t *testing.T) {
	const schema = `{"type":"object","required":["a~b","c"],"properties":{
		"list":{"items":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}},
		"when":{"format":"date-time"}}}`
	got := check(t, schema, `{"c":1,"list":[{"id":1},{"id":"x"},{}],"when":"soon"}`)
	for pointer, detail := range map[string]string{
		"/a~0b": "is required", "/list/1/id": "got string, want integer", "/list/2/id": "is required", "/when": "date-time",
	} {
		if !strings.Contains(got[pointer], detail) {
			t.Errorf("%s: %q", pointer, got[pointer])
		}
	}
	if len(got) != 4 {
		t.Errorf("%v", got)
	}
	if got := check(t, schema, `{"a~b":1,"c":2}`); got != nil {
		t.Errorf("a good body: %v", got)
	}
}

func TestViolationsAreBounded(t *testing.T) {
	body := "[" + strings.TrimSuffix(strings.Repeat(`"x",`, 1000), ",") + "]"
	if got := check(t, `{"items":{"type":"integer"}}`, body); len(got) == 0 || len(got) > 40 {
		t.Errorf("%d violations", len(got))
	}
}

func TestBadSchemas(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"not JSON": `{`, "not a schema": `{"type": 5}`, "remote reference": `{"$ref": "https://example.com/x.json"}`,
	} {
		file := filepath.Join(dir, "schema.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := validate.New(config.Body{Schema: file}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestShippedSchemas accepts what the services' documentation shows.
func TestShippedSchemas(t *testing.T) {
	for file, body := range map[string]string{
		"user.json":   `{"email":"ada@example.com","username":"ada","phone":"+442071838750","profile":{"name":"Ada"},"status":"active"}`,
		"client.json": `{"name":"Shop","type":"public","redirect_uris":["http://localhost:3000/cb"],"grant_types":["authorization_code","refresh_token"],"scopes":["openid"],"token_endpoint_auth_method":"none"}`,
	} {
		schema, err := os.ReadFile(filepath.Join("..", "..", "configs", "schemas", file))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string(nil), check(t, string(schema), body)); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}
