package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// DecodeStrict decodes one YAML document into v, a pointer to a struct. Keys
// that v does not have and values of another type are errors; all of them are
// reported, each in a line that starts with "FILE:LINE:COLUMN: ". Types that
// unmarshal themselves do, a time.Duration is a text such as "5m", and null or
// an empty section leaves v's value as it is. The error wraps [Problem]s.
func DecodeStrict(file string, data []byte, v any) error {
	body, problems := parseDocument(file, data)
	c := &checker{file: file, problems: problems, origin: map[string]string{}}
	if body != nil {
		c.value(body, reflect.TypeOf(v), nil)
	}
	if len(c.problems) > 0 {
		return join(sortByPlace(c.problems))
	}
	if body == nil {
		return nil
	}
	// The parser refused duplicate keys.
	if err := yaml.NodeToValue(body, v, yaml.DisallowUnknownField()); err != nil {
		return problemOf(file, body, err).Problem
	}
	return nil
}

// parseDocument returns the one document of a file without aliases, or nil if
// there is none or it cannot be used.
func parseDocument(file string, data []byte) (ast.Node, []positioned) {
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, []positioned{problemOf(file, nil, err)}
	}
	var body ast.Node
	for _, document := range parsed.Docs {
		if document.Body == nil || document.Body.Type() == ast.NullType {
			continue
		}
		if body != nil {
			return nil, []positioned{problemAt(file, document.Body, "there is a second document; one file holds one")}
		}
		body = document.Body
	}
	if body == nil {
		return nil, nil
	}
	x := &expander{file: file, anchors: map[string]expanded{}}
	whole := x.expand(body)
	if whole.size >= maxExpanded {
		return nil, x.problems
	}
	return whole.node, x.problems
}

func place(file string, tk *token.Token) string {
	if tk == nil || tk.Position == nil {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, tk.Position.Line, tk.Position.Column)
}

// checker compares a document with a Go type and keeps what is right of it.
type checker struct {
	file     string
	problems []positioned
	// origin says where each value stands, by its path joined with dots.
	origin map[string]string
}

func (c *checker) report(node ast.Node, format string, args ...any) {
	c.problems = append(c.problems, problemAt(c.file, node, format, args...))
}

// firstToken returns the token at which a reader would look for the node. The
// token of a mapping is the colon after its first key.
func firstToken(node ast.Node) *token.Token {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return firstToken(n.Values[0])
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return node.GetToken()
}

// value checks the node against t and returns what it holds: a
// map[string]any for a section, []any for a list, else a t. ok is false if
// there is nothing to use.
func (c *checker) value(node ast.Node, t reflect.Type, path []string) (v any, ok bool) {
	if node == nil || node.Type() == ast.NullType {
		return nil, false
	}
	t = deref(t)
	c.origin[strings.Join(path, ".")] = place(c.file, firstToken(node))
	if t != durationType && decodesItself(t) {
		return c.custom(node, t)
	}
	mapping, isMap := node.(ast.MapNode)
	list, isList := node.(*ast.SequenceNode)
	switch kind := t.Kind(); {
	case kind == reflect.Struct || kind == reflect.Map:
		if !isMap {
			c.report(node, "expected a section with keys, found %s", describe(node))
			return nil, false
		}
		return c.section(mapping, t, path), true
	case kind == reflect.Slice || kind == reflect.Array:
		if !isList {
			c.report(node, "expected a list, found %s", describe(node))
			return nil, false
		}
		return c.list(list, t.Elem(), path), true
	case kind == reflect.Interface && isMap:
		return c.section(mapping, reflect.TypeFor[map[string]any](), path), true
	case kind == reflect.Interface && isList:
		return c.list(list, t, path), true
	case isMap || isList:
		c.report(node, "expected %s, found %s", wanted(t), describe(node))
		return nil, false
	default:
		return c.scalar(node, t)
	}
}

func (c *checker) section(mapping ast.MapNode, t reflect.Type, path []string) map[string]any {
	var types map[string]reflect.Type
	var names []string
	if t.Kind() == reflect.Struct {
		types, names = keysOf(t)
	}
	out := map[string]any{}
	for entries := mapping.MapRange(); entries.Next(); {
		key := entries.Key()
		name := key.GetToken().Value
		inner, known := types[name]
		switch {
		case t.Kind() == reflect.Map:
			inner = t.Elem()
		case !known:
			c.report(key, "unknown key %q%s", name, suggest(name, names))
			continue
		}
		if v, ok := c.value(entries.Value(), inner, append(slices.Clone(path), name)); ok {
			out[name] = v
		}
	}
	return out
}

func (c *checker) list(list *ast.SequenceNode, t reflect.Type, path []string) []any {
	out := make([]any, 0, len(list.Values))
	for i, item := range list.Values {
		if v, ok := c.value(item, t, append(slices.Clone(path), fmt.Sprint(i))); ok {
			out = append(out, v)
		}
	}
	return out
}

// scalar decodes a single value. goccy/go-yaml would also read "1" as a number
// and 1 as true; what stands in the file is more likely a mistake.
func (c *checker) scalar(node ast.Node, t reflect.Type) (any, bool) {
	fits := true
	kind := node.Type()
	switch {
	case t == durationType:
		_, err := time.ParseDuration(node.GetToken().Value)
		fits = err == nil
	case t.Kind() == reflect.Bool:
		fits = kind == ast.BoolType
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		fits = kind == ast.IntegerType
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		fits = kind == ast.IntegerType || kind == ast.FloatType
	}
	if !fits {
		c.report(node, "%s is not %s", describe(node), wanted(t))
		return nil, false
	}
	v := reflect.New(t)
	if err := yaml.NodeToValue(node, v.Interface()); err != nil {
		c.report(node, "%s does not fit into %s", describe(node), wanted(t))
		return nil, false
	}
	return v.Elem().Interface(), true
}

func (c *checker) custom(node ast.Node, t reflect.Type) (any, bool) {
	v := reflect.New(t)
	err := yaml.NodeToValue(node, v.Interface(), yaml.Strict())
	if err == nil {
		return v.Elem().Interface(), true
	}
	if rewritesPositions(t) || !errors.As(err, new(yaml.Error)) {
		c.report(node, "%s", firstLine(err.Error()))
	} else {
		c.problems = append(c.problems, problemOf(c.file, node, err))
	}
	return nil, false
}

// problemOf turns an error of the YAML library into a line of ours.
func problemOf(file string, node ast.Node, err error) positioned {
	p := positioned{Problem: Problem{Where: file, Message: firstLine(err.Error())}}
	var tk *token.Token
	if node != nil {
		tk = node.GetToken()
	}
	if located, ok := errors.AsType[yaml.Error](err); ok {
		p.Message = firstLine(located.GetMessage())
		if t := located.GetToken(); t != nil {
			tk = t
		}
	}
	p.Where = place(file, tk)
	if tk != nil && tk.Position != nil {
		p.line, p.column = tk.Position.Line, tk.Position.Column
	}
	return p
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

func wanted(t reflect.Type) string {
	switch {
	case t == durationType:
		return `a duration such as "30s", "5m" or "1h30m"`
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return "a whole number"
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		return "a whole number of 0 or more"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.String:
		return "a text"
	default:
		return "a " + t.String()
	}
}

func describe(node ast.Node) string {
	switch node.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "a section with keys"
	case ast.SequenceType:
		return "a list"
	case ast.StringType, ast.LiteralType:
		return fmt.Sprintf("%q", node.GetToken().Value)
	default:
		return node.GetToken().Value
	}
}
