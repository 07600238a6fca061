package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// places knows where in the file each value stands. Its keys are paths such
// as "routes[3].match.path".
type places struct {
	file string
	at   map[string]place
}

type place struct{ line, column int }

func findPlaces(file string, data []byte) places {
	p := places{file: file, at: map[string]place{}}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return p // the strict decoder has said so already
	}
	for _, doc := range tree.Docs {
		p.walk("", doc.Body)
	}
	return p
}

func (p *places) walk(path string, n ast.Node) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			p.pair(path, v)
		}
	case *ast.MappingValueNode:
		p.pair(path, n)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			element := path + "[" + strconv.Itoa(i) + "]"
			p.mark(element, v)
			p.walk(element, v)
		}
	case *ast.AnchorNode:
		p.walk(path, n.Value)
	case *ast.TagNode:
		p.walk(path, n.Value)
	}
}

func (p *places) pair(path string, v *ast.MappingValueNode) {
	key := v.Key.String()
	if token := v.Key.GetToken(); token != nil {
		key = token.Value
	}
	if path != "" {
		key = path + "." + key
	}
	p.mark(key, v.Key)
	p.walk(key, v.Value)
}

func (p *places) mark(path string, n ast.Node) {
	if n == nil {
		return
	}
	// A mapping's own token is its first colon; its first key is the place
	// that a reader looks for.
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if token := n.GetToken(); token != nil && token.Position != nil {
		p.at[path] = place{token.Position.Line, token.Position.Column}
	}
}

// find returns the place of path, or that of the nearest part around it.
func (p *places) find(path string) (place, bool) {
	for path != "" {
		if at, ok := p.at[path]; ok {
			return at, true
		}
		i := len(path) - 1
		for i > 0 && path[i] != '.' && path[i] != '[' {
			i--
		}
		path = path[:i]
	}
	return place{}, false
}

// errorAt is an error of the file that knows its place.
type errorAt struct {
	file string
	at   place
	err  error
}

func (e *errorAt) Error() string {
	if e.at.line == 0 {
		return e.file + ": " + e.err.Error()
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.file, e.at.line, e.at.column, e.err)
}

func (e *errorAt) Unwrap() error { return e.err }

// problems collects errors, so that one run shows all of them.
type problems struct {
	places *places
	list   []*errorAt
}

func (ps *problems) add(path, format string, args ...any) {
	at, _ := ps.places.find(path)
	ps.list = append(ps.list, &errorAt{file: ps.places.file, at: at, err: fmt.Errorf(format, args...)})
}

func (ps *problems) err() error {
	slices.SortStableFunc(ps.list, func(a, b *errorAt) int {
		if a.at.line != b.at.line {
			return a.at.line - b.at.line
		}
		return a.at.column - b.at.column
	})
	all := make([]error, len(ps.list))
	for i, e := range ps.list {
		all[i] = e
	}
	return errors.Join(all...)
}

// ErrorAt returns an error whose text starts with the file, line and column of
// path, for example "filters.token", or with the file alone where that is not
// known. It is for checks that come after [Load].
func (g *Gateway) ErrorAt(path string, err error) error {
	at, _ := g.places.find(path)
	return &errorAt{file: g.places.file, at: at, err: err}
}
