// Package limit says what a query may ask for before any of it is answered: how
// deep it nests, how many aliases and directives it has, and what it costs.
//
// A fragment counts wherever it is spread, as if it stood there; each is
// measured once, so that a query of fragments that spread one another twice is
// no more work than any other. Parsing, with its bound on tokens, and validation
// are left to the endpoint.
package limit

import (
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"gatehouse.example/services/graph"
)

const (
	// MaxTokens bounds a document. The standard introspection query has 300. The
	// time of validation grows with the square of the fields (0.1 s at this
	// bound).
	MaxTokens = 1000
	// MaxDirectives bounds @skip and @include in one operation.
	MaxDirectives = 50
	// MaxIntrospectionDepth bounds what is below __schema and __type instead of
	// Limits.MaxDepth: the standard query unwraps types nine times.
	MaxIntrospectionDepth = 20

	// tooMuch is where counting ends: no limit is above it.
	tooMuch = 1 << 30
)

// Limits are the bounds of one operation.
type Limits struct {
	// MaxDepth bounds how many fields are nested.
	MaxDepth int
	// MaxCost bounds the sum of the fields, those of a list times its limit.
	MaxCost int
	// MaxAliases bounds the fields with an alias.
	MaxAliases int
}

// refuse returns an error with the code, at a place in the query.
func refuse(code graph.Code, at *ast.Position, format string, args ...any) *gqlerror.Error {
	err := gqlerror.ErrorPosf(at, format, args...)
	err.Extensions = map[string]any{"code": string(code)}
	return err
}

// shape is what part of a query looks like.
type shape struct{ depth, introspection, aliases, directives int }

// Shape refuses a document that nests too deep or has too many aliases or
// directives. It was parsed, not validated: unknown fragments and cycles, which
// validation will refuse, count as nothing.
func (l Limits) Shape(doc *ast.QueryDocument) *gqlerror.Error {
	m := &measure{doc: doc, fragments: map[string]shape{}}
	for _, op := range doc.Operations {
		s := m.selection(op.SelectionSet)
		s.directives += len(op.Directives)
		switch {
		case s.depth > l.MaxDepth:
			return refuse(graph.CodeDepthLimit, op.Position, "the operation nests %s deep; %d is the most", count(s.depth), l.MaxDepth)
		case s.introspection > MaxIntrospectionDepth:
			return refuse(graph.CodeDepthLimit, op.Position, "the introspection nests %s deep; %d is the most", count(s.introspection), MaxIntrospectionDepth)
		case s.aliases > l.MaxAliases:
			return refuse(graph.CodeAliasLimit, op.Position, "the operation has %s aliases; %d is the most", count(s.aliases), l.MaxAliases)
		case s.directives > MaxDirectives:
			return refuse(graph.CodeDirectiveLimit, op.Position, "the operation has %s directives; %d is the most", count(s.directives), MaxDirectives)
		}
	}
	return nil
}

func count(n int) string {
	if n >= tooMuch {
		return "more than a billion"
	}
	return strconv.Itoa(n)
}

type measure struct {
	doc *ast.QueryDocument
	// fragments has the shape of those that were measured, or are being.
	fragments map[string]shape
}

func (m *measure) selection(set ast.SelectionSet) shape {
	var sum shape
	for _, s := range set {
		one := m.one(s)
		sum.depth = max(sum.depth, one.depth)
		sum.introspection = max(sum.introspection, one.introspection)
		sum.aliases = min(sum.aliases+one.aliases, tooMuch)
		sum.directives = min(sum.directives+one.directives, tooMuch)
	}
	return sum
}

func (m *measure) one(selection ast.Selection) shape {
	switch s := selection.(type) {
	case *ast.Field:
		below := m.selection(s.SelectionSet)
		below.depth++
		if s.Name == "__schema" || s.Name == "__type" {
			below.introspection = max(below.introspection, below.depth)
			below.depth = 1
		}
		if s.Alias != "" && s.Alias != s.Name {
			below.aliases++
		}
		below.directives += len(s.Directives)
		return below
	case *ast.InlineFragment:
		below := m.selection(s.SelectionSet)
		below.directives += len(s.Directives)
		return below
	case *ast.FragmentSpread:
		below := m.fragment(s.Name)
		below.directives += len(s.Directives)
		return below
	default:
		panic(fmt.Sprintf("a selection of type %T", selection))
	}
}

func (m *measure) fragment(name string) shape {
	if s, ok := m.fragments[name]; ok {
		return s
	}
	f := m.doc.Fragments.ForName(name)
	if f == nil {
		return shape{}
	}
	m.fragments[name] = shape{} // what leads back here is a cycle
	s := m.selection(f.SelectionSet)
	s.directives += len(f.Directives)
	m.fragments[name] = s
	return s
}
