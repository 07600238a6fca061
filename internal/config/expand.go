package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxExpanded bounds what the aliases of a document may make of it.
const maxExpanded = 100_000

// expander replaces aliases and merge keys of a document by what they stand
// for. The YAML library can follow them too, but lets "<<" override keys that
// stand before it, and gives the alias of a section the Go type of its anchor.
type expander struct {
	file     string
	anchors  map[string]expanded
	problems []positioned
}

type expanded struct {
	node ast.Node
	size int
}

// expand returns the node without anchors, aliases, tags and merge keys, and how
// many nodes there are in it. An anchor is known after its node only: it cannot
// contain itself.
func (x *expander) expand(node ast.Node) expanded {
	switch n := node.(type) {
	case *ast.AnchorNode:
		value := x.expand(n.Value)
		x.anchors[n.Name.GetToken().Value] = value
		return value
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if target, ok := x.anchors[name]; ok {
			return target
		}
		x.problems = append(x.problems, problemAt(x.file, node, "no anchor &%s stands before this alias", name))
		return expanded{ast.Null(n.GetToken()), 1}
	case *ast.TagNode:
		return x.expand(n.Value)
	case *ast.SequenceNode:
		size := 1
		for i, item := range n.Values {
			value := x.expand(item)
			n.Values[i], size = value.node, x.bounded(item, size+value.size)
		}
		return expanded{n, size}
	case *ast.MappingNode:
		return x.mapping(n, n.Values)
	case *ast.MappingValueNode:
		return x.mapping(ast.Mapping(n.GetToken(), false), []*ast.MappingValueNode{n})
	case nil:
		return expanded{}
	default:
		return expanded{n, 1}
	}
}

func (x *expander) mapping(n *ast.MappingNode, entries []*ast.MappingValueNode) expanded {
	own := make([]*ast.MappingValueNode, 0, len(entries))
	var merged []*ast.MappingValueNode
	size := 1
	for _, entry := range entries {
		value := x.expand(entry.Value)
		size = x.bounded(entry, size+1+value.size)
		if entry.Key.IsMergeKey() {
			merged = append(merged, x.mergeable(entry.Value, value.node)...)
			continue
		}
		if value.node != nil {
			entry.Value = value.node
		}
		own = append(own, entry)
	}
	// A key of the mapping itself wins, then that of the first merged mapping.
	seen := map[string]bool{}
	for _, entry := range own {
		seen[entry.Key.GetToken().Value] = true
	}
	for _, entry := range merged {
		if key := entry.Key.GetToken().Value; !seen[key] {
			seen[key] = true
			own = append(own, entry)
		}
	}
	n.Values = own
	return expanded{n, size}
}

// mergeable returns the entries that "<<" adds: those of a mapping, or of a list
// of mappings.
func (x *expander) mergeable(at, node ast.Node) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.SequenceNode:
		var entries []*ast.MappingValueNode
		for _, item := range n.Values {
			entries = append(entries, x.mergeable(item, item)...)
		}
		return entries
	case *ast.NullNode:
		return nil
	default:
		x.problems = append(x.problems, problemAt(x.file, at, "expected a section to merge, found %s", describe(node)))
		return nil
	}
}

// bounded returns size, or reports once that the document grows too large and
// returns what keeps the count from overflowing.
func (x *expander) bounded(at ast.Node, size int) int {
	if size <= maxExpanded {
		return size
	}
	const message = "the aliases make the document too large"
	for _, p := range x.problems {
		if strings.HasSuffix(p.Message, message) {
			return maxExpanded
		}
	}
	x.problems = append(x.problems, problemAt(x.file, at, message))
	return maxExpanded
}

// problemAt is a problem at the place of a node.
func problemAt(file string, node ast.Node, format string, args ...any) positioned {
	tk := firstToken(node)
	p := positioned{Problem: Problem{Where: place(file, tk), Message: fmt.Sprintf(format, args...)}}
	if tk != nil && tk.Position != nil {
		p.line, p.column = tk.Position.Line, tk.Position.Column
	}
	return p
}
