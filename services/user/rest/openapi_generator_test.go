package rest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// generator makes requests for the operations of a document: valid ones, out
// of the schemas and of what earlier answers told, and spoilt ones.
type generator struct {
	*rand.Rand
	document document
	// known are values that earlier answers had, by member name.
	known map[string][]string
	made  int
}

// request is one request in the form that is sent.
type request struct {
	method, path, body string
	headers            []string
}

func (g *generator) request(op operation) request {
	spoilt := g.IntN(3) == 0
	r := request{method: op.method, path: op.path}
	query := url.Values{}
	for _, p := range op.parameters {
		spoil := spoilt && g.IntN(3) == 0
		switch p.in {
		case "path":
			value := g.parameter(p, spoil)
			if value == "" || strings.Trim(value, ".") == "" {
				value = "x" // an empty or dotted segment is another path
			}
			r.path = strings.ReplaceAll(r.path, "{"+p.name+"}", url.PathEscape(value))
		case "query":
			if p.required || g.IntN(4) == 0 {
				query.Set(p.name, g.parameter(p, spoil))
			}
		case "header":
			if g.IntN(6) == 0 {
				r.headers = append(r.headers, p.name, g.header(p.name))
			}
		}
	}
	if spoilt && g.IntN(6) == 0 {
		query.Set(g.text(), g.text())
	}
	if len(query) > 0 {
		r.path += "?" + query.Encode()
	}
	if op.body == nil || !op.bodyRequired && g.IntN(2) == 0 {
		return r
	}
	r.headers = append(r.headers, "Content-Type", op.contentTypes[g.IntN(len(op.contentTypes))])
	value := g.value(op.body, "", 0)
	if spoilt {
		value = g.spoil(value, 0)
	}
	data, _ := json.Marshal(value)
	if spoilt && g.IntN(3) == 0 {
		data = g.damage(data)
	}
	r.body = string(data)
	return r
}

func (g *generator) parameter(p parameter, spoil bool) string {
	if spoil {
		return g.text()
	}
	if p.name == "ids" {
		return strings.Join(g.pick("id", 1+g.IntN(3)), ",")
	}
	if p.name == "id" && g.IntN(4) == 0 {
		return "me"
	}
	if p.in == "path" || p.name == "cursor" || p.name == "role" || p.name == "username" {
		return g.pick(p.name, 1)[0]
	}
	return fmt.Sprint(g.value(p.schema, p.name, 0))
}

// pick returns n values of that name which the service has told, or new ones.
func (g *generator) pick(name string, n int) []string {
	values := make([]string, n)
	for i := range values {
		if known := g.known[name]; len(known) > 0 && g.IntN(8) > 0 {
			// The latest are the likeliest to be there still.
			values[i] = known[max(0, len(known)-1-g.IntN(6))]
			continue
		}
		values[i] = fmt.Sprint(g.named(name))
	}
	return values
}

func (g *generator) header(name string) string {
	switch {
	case strings.HasPrefix(name, "If-"):
		return append(g.pick("etag", 1), "*", `"1"`, `W/"1"`, `"x", "2"`, ",")[g.IntN(6)]
	default:
		return []string{"k1", "k2", "with space", strings.Repeat("k", 300), uuid.NewString()}[g.IntN(5)]
	}
}

// value makes a value that the schema allows, for a member of that name.
func (g *generator) value(schema map[string]any, name string, depth int) any {
	schema = g.document.resolve(schema)
	if enum, ok := schema["enum"].([]any); ok {
		return enum[g.IntN(len(enum))]
	}
	kind, _ := schema["type"].(string)
	if kinds, ok := schema["type"].([]any); ok {
		kind, _ = kinds[g.IntN(len(kinds))].(string)
	}
	switch kind {
	case "object":
		return g.object(schema, depth)
	case "array":
		items := []any{}
		for range g.IntN(3) {
			items = append(items, g.value(member(schema, "items"), strings.TrimSuffix(name, "s"), depth+1))
		}
		return items
	case "integer", "number":
		low, _ := schema["minimum"].(float64)
		high, ok := schema["maximum"].(float64)
		if !ok {
			high = low + 1000
		}
		return int(low) + g.IntN(int(high-low)+1)
	case "boolean":
		return g.IntN(2) == 0
	case "string":
		return g.str(schema, name)
	case "null":
		return nil
	}
	return g.anything(depth)
}

func (g *generator) object(schema map[string]any, depth int) any {
	object := map[string]any{}
	properties := member(schema, "properties")
	required, _ := schema["required"].([]any)
	for name, property := range properties {
		if slices.Contains(required, any(name)) || g.IntN(3) == 0 {
			object[name] = g.value(property.(map[string]any), name, depth+1)
		}
	}
	if len(properties) == 0 && depth < 4 {
		for range g.IntN(4) {
			object[g.text()] = g.anything(depth + 1)
		}
	}
	return object
}

func (g *generator) str(schema map[string]any, name string) string {
	if g.IntN(5) > 0 {
		if s, ok := g.named(name).(string); ok {
			return s
		}
	}
	if examples, ok := schema["examples"].([]any); ok && g.IntN(2) == 0 {
		if s, ok := examples[0].(string); ok {
			return s
		}
	}
	text := []rune(g.text())
	if limit, ok := schema["maxLength"].(float64); ok && len(text) > int(limit) {
		text = text[:int(limit)]
	}
	return string(text)
}

// named makes a plausible value for a member of that name; nil for one that
// anything suits.
func (g *generator) named(name string) any {
	g.made++
	switch name {
	case "id", "user_id":
		return uuid.NewString()
	case "email":
		return fmt.Sprintf("g%d@example.com", g.made)
	case "username", "name", "role":
		return fmt.Sprintf("g%d", g.made)
	case "namespace":
		return []string{"ui", "mail.rules", "a-1"}[g.IntN(3)]
	case "permission":
		return []string{"users:read", "articles:write", "articles:*"}[g.IntN(3)]
	case "inherit":
		return g.pick("name", 1)[0]
	case "phone", "phone_number":
		return "+44 20 7183 8750"
	case "profile", "picture", "website":
		return "https://example.com/" + url.PathEscape(g.text())
	case "birthdate":
		return "1815-12-10"
	case "zoneinfo":
		return "Europe/London"
	case "locale":
		return "en-GB"
	}
	return nil
}

func (g *generator) anything(depth int) any {
	switch g.IntN(8) {
	case 0:
		return nil
	case 1:
		return g.IntN(2) == 0
	case 2:
		return g.NormFloat64() * 1e9
	case 3:
		return json.RawMessage([]string{"1e308", "-0", "1e-300", "123456789012345678901234567890", "0.10"}[g.IntN(5)])
	case 4, 5:
		if depth < 4 {
			return map[string]any{g.text(): g.anything(depth + 1)}
		}
	case 6:
		if depth < 4 {
			return []any{g.anything(depth + 1), g.anything(depth + 1)}
		}
	}
	return g.text()
}

var alphabet = []string{
	"a", "B", "7", " ", "/", "~", "%", "_", "\\", "'", "\"", "<", "ä", "ß", "😀", "\u202e", "\u0301", "\x01", "\n", "\x7f", "--", ".", "@", "..", "$", "?",
}

func (g *generator) text() string {
	if g.IntN(40) == 0 {
		return strings.Repeat(alphabet[g.IntN(len(alphabet))], 100*g.IntN(60))
	}
	var b strings.Builder
	for range g.IntN(8) {
		b.WriteString(alphabet[g.IntN(len(alphabet))])
	}
	return b.String()
}

// spoil puts somewhere into the value what does not belong there.
func (g *generator) spoil(value any, depth int) any {
	object, ok := value.(map[string]any)
	if !ok || len(object) == 0 || depth > 0 && g.IntN(3) == 0 {
		return []any{
			nil, true, -1, 1e300, "", "\x00", []any{}, map[string]any{}, []any{map[string]any{"a": nil}}, strings.Repeat("x", 70_000),
			json.RawMessage("1e999999"), json.RawMessage("1e-99999"), json.RawMessage(`"\ud800"`), json.RawMessage(strings.Repeat("[", 500) + strings.Repeat("]", 500)),
		}[g.IntN(14)]
	}
	switch g.IntN(5) {
	case 0:
		object[g.text()] = g.anything(0)
	case 1:
		for name := range object {
			delete(object, name)
			object[strings.ToUpper(name)] = g.anything(0)
			break
		}
	default:
		for name, one := range object {
			object[name] = g.spoil(one, depth+1)
			break
		}
	}
	return object
}

// damage breaks the encoded body.
func (g *generator) damage(data []byte) []byte {
	at := g.IntN(len(data))
	switch g.IntN(4) {
	case 0:
		return data[:at]
	case 1:
		return append(data, data...)
	case 2:
		data[at] = byte(g.IntN(256))
	default:
		data = slices.Insert(data, at, byte(g.IntN(256)))
	}
	return data
}

// learn keeps what an answer tells about what is there.
func (g *generator) learn(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, one := range v {
			s, ok := one.(string)
			switch {
			case !ok:
				g.learn(one)
			case name == "next_cursor":
				g.known["cursor"] = append(g.known["cursor"], s)
			case name == "id", name == "username", name == "name", name == "namespace":
				g.known[name] = append(g.known[name], s)
			}
		}
	case []any:
		for _, one := range v {
			g.learn(one)
		}
	}
}
