package config

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// places knows where in the file each value stands. Its keys are paths such
// as "routes[3].match.path". What comes from an anchor stands where the anchor
// is: that is what has to be changed.
type places struct {
	file string
	at   map[string]place
	// anchors are those seen so far, by name.
	anchors map[string]ast.Node
}

type place struct{ line, column int }

// maxPlaces bounds what aliases of aliases can grow to.
const maxPlaces = 200_000

func findPlaces(file string, data []byte) places {
	p := places{file: file, at: map[string]place{}, anchors: map[string]ast.Node{}}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return p // the strict decoder has said so already
	}
	for _, doc := range tree.Docs {
		p.walk("", doc.Body)
	}
	p.anchors = nil
	return p
}

func (p *places) walk(path string, n ast.Node) {
	if len(p.at) > maxPlaces {
		return
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		p.mapping(path, n.Values)
	case *ast.MappingValueNode:
		p.mapping(path, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		for i, v := range n.Values {
			element := path + "[" + strconv.Itoa(i) + "]"
			p.mark(element, v)
			p.walk(element, v)
		}
	case *ast.AnchorNode:
		p.walk(path, n.Value)
		// Known only now: an alias within its own anchor leads nowhere.
		p.anchors[tokenValue(n.Name)] = n.Value
	case *ast.AliasNode:
		p.walk(path, p.anchors[tokenValue(n.Value)])
	case *ast.TagNode:
		p.walk(path, n.Value)
	}
}

// mapping marks the keys of a mapping, then those that it merges in ("<<")
// and has not itself.
func (p *places) mapping(path string, values []*ast.MappingValueNode) {
	var merged []ast.Node
	own := map[string]bool{}
	for _, v := range values {
		if v.Key.Type() == ast.MergeKeyType {
			merged = append(merged, v.Value)
			continue
		}
		own[tokenValue(v.Key)] = true
		p.pair(path, v)
	}
	for _, n := range merged {
		p.merge(path, n, own)
	}
}

func (p *places) merge(path string, n ast.Node, own map[string]bool) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		for _, v := range n.Values {
			p.merge(path, v, own)
		}
	case *ast.AliasNode:
		p.merge(path, p.anchors[tokenValue(n.Value)], own)
	case *ast.AnchorNode:
		p.merge(path, n.Value, own)
		p.anchors[tokenValue(n.Name)] = n.Value
	case *ast.MappingNode:
		p.mergePairs(path, n.Values, own)
	case *ast.MappingValueNode:
		p.mergePairs(path, []*ast.MappingValueNode{n}, own)
	}
}

func (p *places) mergePairs(path string, values []*ast.MappingValueNode, own map[string]bool) {
	var fresh []*ast.MappingValueNode
	for _, v := range values {
		if v.Key.Type() == ast.MergeKeyType || !own[tokenValue(v.Key)] {
			fresh = append(fresh, v)
		}
	}
	for _, v := range fresh {
		if v.Key.Type() != ast.MergeKeyType {
			own[tokenValue(v.Key)] = true
		}
	}
	p.mapping(path, fresh)
}

// tokenValue is the text of a key or a name, without quotes.
func tokenValue(n ast.Node) string {
	if n == nil {
		return ""
	}
	if token := n.GetToken(); token != nil {
		return token.Value
	}
	return n.String()
}

func (p *places) pair(path string, v *ast.MappingValueNode) {
	key := tokenValue(v.Key)
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
	all := make([]error, len(ps.list))
	for i, e := range ps.list {
		all[i] = e
	}
	return Join(all...)
}

// ErrorAt returns an error whose text starts with the file, line and column of
// path, for example "filters.token", or with the file alone where that is not
// known. It is for checks that come after [Load].
func (g *Gateway) ErrorAt(path string, err error) error {
	at, _ := g.places.find(path)
	return &errorAt{file: g.places.file, at: at, err: err}
}
