package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse.example/internal/config"
)

// chain returns n fragments, each of which spreads the next one twice.
func chain(n int, last string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " fragment f%d on User { ...f%d ...f%d }", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment f%d on User { %s }", n, last)
	return b.String()
}

func aliases(n int, field string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d: %s", i, field)
	}
	return b.String()
}

func TestRefusedQueries(t *testing.T) {
	f := setUp(t, func(c *config.Graph) { c.MaxDepth = 4 })
	for _, test := range []struct {
		name, query string
		variables   map[string]any
		code        string
	}{
		{"syntax", `{ me { id }`, nil, "GRAPHQL_PARSE_FAILED"},
		{"NUL", "{ me { id\u0000 } }", nil, "GRAPHQL_PARSE_FAILED"},
		{"binary", "\u0001\u0002", nil, "GRAPHQL_PARSE_FAILED"},
		{"only a comment", `# nothing`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"only a fragment", `fragment f on User { id }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"mutation", `mutation { x }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"schema", `type Query { x: Int }`, nil, "GRAPHQL_PARSE_FAILED"},
		{"unknown field", `{ me { password } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"long unknown field", `{ me { ` + strings.Repeat("x", 50000) + ` } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"no selection", `{ me }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"unknown argument", `{ me { sessions(first: 1) { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"argument of the wrong type", `{ me { sessions(limit: "a") { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"missing argument", `{ user { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"unknown fragment", `{ me { ...f } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"cycle", `{ me { ...f } } fragment f on User { ...g } fragment g on User { ...f }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"cycle of itself", `{ me { ...f } } fragment f on User { id ...f }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"conflict", `{ me { a: id a: email } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"two operations without a name", `query a { me { id } } query b { me { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"defer", `{ me { ... @defer { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"undefined variable", `{ user(id: $id) { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"variable without value", `query($id: ID!) { user(id: $id) { id } }`, nil, "BAD_USER_INPUT"},
		{"variable is null", `query($id: ID!) { user(id: $id) { id } }`, map[string]any{"id": nil}, "BAD_USER_INPUT"},
		{"variable of the wrong type", `query($id: ID!) { user(id: $id) { id } }`, map[string]any{"id": map[string]any{"a": 1}}, "BAD_USER_INPUT"},
		{"variable is a fraction", `query($n: Int!) { me { sessions(limit: $n) { id } } }`, map[string]any{"n": 1.5}, "BAD_USER_INPUT"},
		{"variable is a list", `query($n: Int!) { me { sessions(limit: $n) { id } } }`, map[string]any{"n": []int{1, 2}}, "BAD_USER_INPUT"},
		{"limit 0", `{ me { sessions(limit: 0) { id } } }`, nil, "BAD_USER_INPUT"},
		{"limit -1", `{ me { notifications(limit: -1) { unreadCount } } }`, nil, "BAD_USER_INPUT"},
		{"limit 201", `{ me { sessions(limit: 201) { id } } }`, nil, "BAD_USER_INPUT"},
		{"limit beyond 64 bits", `{ me { sessions(limit: 99999999999999999999) { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"limit by default", `query($n: Int! = 1000) { me { sessions(limit: $n) { id } } }`, nil, "BAD_USER_INPUT"},
		{"deep", `{ me { notifications { items { id } } profile { address { country } } } __typename ... { ... { me { profile { address { country { x } } } } } } }`, nil, "DEPTH_LIMIT"},
		{"deep by fragments", `{ me { ...f } } fragment f on User { profile { ...g } } fragment g on Profile { address { country { x } } }`, nil, "DEPTH_LIMIT"},
		{"very deep", strings.Repeat("{ me ", 300) + strings.Repeat("}", 300), nil, "DEPTH_LIMIT"},
		{"deep introspection", `{ __type(name: "User") ` + strings.Repeat("{ ofType ", 20) + "{ name }" + strings.Repeat("}", 20) + "}", nil, "DEPTH_LIMIT"},
		{"wide introspection", `{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"aliases", `{ me { ` + aliases(21, "id") + ` } }`, nil, "ALIAS_LIMIT"},
		{"aliases of everything", `{` + aliases(150, "me { id }") + ` }`, nil, "ALIAS_LIMIT"},
		{"aliases by fragments", `{ me { ...f0 } }` + chain(30, "a: id b: id"), nil, "ALIAS_LIMIT"},
		{"directives", `{ me { ` + strings.Repeat("id @include(if: true) ", 51) + `} }`, nil, "DIRECTIVE_LIMIT"},
		{"directives by fragments", `{ me { ...f0 } }` + chain(30, "id @skip(if: false)"), nil, "DIRECTIVE_LIMIT"},
		{"cost of one list", `{ me { notifications(limit: 200) { items { id category type title body link data createdAt readAt } } } }`, nil, "COST_LIMIT"},
		{"cost by a variable", `query($n: Int!) { me { notifications(limit: $n) { items { id category type title body link data createdAt readAt } } } }`, map[string]any{"n": 200}, "COST_LIMIT"},
		{"cost of preferences", `{ me { ` + aliases(12, "preferences { namespace value updatedAt }") + ` } }`, nil, "COST_LIMIT"},
		{"cost by fragments", `{ me { ...f0 } }` + chain(40, "id email"), nil, "COST_LIMIT"},
		{"tokens", `{ me { ` + strings.Repeat("id ", 3000) + `} }`, nil, "TOKEN_LIMIT"},
		{"tokens in a value", `{ user(id: [` + strings.Repeat("1 ", 10000) + `]) { id } }`, nil, "TOKEN_LIMIT"},
		{"a deep value", `{ user(id: ` + strings.Repeat("[", 10000) + `) { id } }`, nil, "TOKEN_LIMIT"},
		{"nothing but braces", strings.Repeat("{", 60000), nil, "GRAPHQL_PARSE_FAILED"},
		{"very deep indeed", strings.Repeat("{ me ", 5000), nil, "TOKEN_LIMIT"},
		{"subscription as JSON", `subscription { notifications { id } }`, nil, "NOT_ACCEPTABLE"},
		{"two fields of a subscription", `subscription { notifications { id } unreadNotifications }`, nil, "GRAPHQL_VALIDATION_FAILED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := f.request(post(test.query, test.variables))
			r.Header.Set("Accept", "application/json")
			resp, body := f.send(r)
			want := http.StatusBadRequest
			if test.code == "NOT_ACCEPTABLE" {
				want = http.StatusNotAcceptable
			}
			if resp.StatusCode != want || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
			}
			a := parse(t, body)
			if len(a.Errors) == 0 || a.Data != nil || len(body) > 20000 {
				t.Fatalf("%.2000s", body)
			}
			for _, e := range a.Errors {
				if e.Extensions.Code != test.code {
					t.Errorf("%s (%s), want %s", e.Extensions.Code, e.Message, test.code)
				}
			}
		})
	}
	for _, s := range []*fake{f.user, f.auth, f.email} {
		if asked := s.asked(); asked != nil {
			t.Errorf("%s was asked for %v", s.name, asked)
		}
	}
}

func TestWhatIsJustWithinTheLimits(t *testing.T) {
	f := setUp(t)
	for name, query := range map[string]string{
		"aliases":               `{ me { ` + aliases(20, "id") + ` } }`,
		"depth":                 `{ me { profile { address { country } } } }`,
		"cost":                  `{ me { notifications(limit: 200) { items { id category type title body link data createdAt } } } }`,
		"fragments":             `{ me { ...f0 } }` + chain(8, "id"),
		"one of two operations": `query a { me { id } } query b { me { email } }`,
		"repeated":              `{ me { ` + strings.Repeat("id ", 900) + `} }`,
		"conditions":            `query($no: Boolean! = false) { me { id @skip(if: true) email @include(if: $no) } }`,
	} {
		t.Run(name, func(t *testing.T) {
			body := post(query)
			if name == "one of two operations" {
				body = strings.TrimSuffix(body, "}") + `,"operationName":"b","extensions":{},"variables":null}`
			}
			resp, answered := f.send(f.request(body))
			if a := parse(t, answered); resp.StatusCode != http.StatusOK || len(a.Errors) > 0 {
				t.Errorf("%d %s", resp.StatusCode, answered)
			}
		})
	}
}

func TestIntrospection(t *testing.T) {
	f := setUp(t)
	a := f.ask(introspection)
	if len(a.Errors) > 0 {
		t.Fatalf("errors: %v", a.Errors)
	}
	for _, want := range []string{`"NotificationPage"`, `Whether the person has proven that the address is its own.`, `"unreadCount"`} {
		if !strings.Contains(string(a.Data), want) {
			t.Errorf("%s is missing", want)
		}
	}
}

// introspection is what tools ask for (graphql-js, getIntrospectionQuery).
const introspection = `query IntrospectionQuery { __schema {
	description queryType { name } mutationType { name } subscriptionType { name }
	types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } }
} }
fragment FullType on __Type {
	kind name description specifiedByURL
	fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
	inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
	enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
	ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`
