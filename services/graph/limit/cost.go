package limit

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"gatehouse.example/services/graph"
)

// maxNamespaces is how many preferences a user can have.
const maxNamespaces = 64

// Cost refuses an operation that costs too much, or asks a list for more or
// less than it can give. Its document was validated and its variables coerced.
// Fields under @skip and @include count whatever the condition.
func (l Limits) Cost(doc *ast.QueryDocument, op *ast.OperationDefinition, variables map[string]any) *gqlerror.Error {
	b := &bill{doc: doc, variables: variables, fragments: map[string]int{}}
	total := b.selection(op.SelectionSet)
	if b.err != nil {
		return b.err
	}
	if total > l.MaxCost {
		return refuse(graph.CodeCostLimit, op.Position, "the operation costs %s; %d is the most: ask for fewer fields, or set lower limits", count(total), l.MaxCost)
	}
	return nil
}

type bill struct {
	doc       *ast.QueryDocument
	variables map[string]any
	// fragments has the cost of those that were counted.
	fragments map[string]int
	err       *gqlerror.Error
}

func (b *bill) selection(set ast.SelectionSet) int {
	total := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			total += b.field(s)
		case *ast.InlineFragment:
			total += b.selection(s.SelectionSet)
		case *ast.FragmentSpread:
			total += b.fragment(s.Name)
		default:
			panic(fmt.Sprintf("a selection of type %T", selection))
		}
		total = min(total, tooMuch)
	}
	return total
}

func (b *bill) fragment(name string) int {
	cost, counted := b.fragments[name]
	if f := b.doc.Fragments.ForName(name); !counted && f != nil {
		cost = b.selection(f.SelectionSet)
		b.fragments[name] = cost
	}
	return cost
}

func (b *bill) field(f *ast.Field) int {
	below := b.selection(f.SelectionSet)
	times := b.items(f)
	if below > 0 && times > tooMuch/below {
		return tooMuch
	}
	return 1 + times*below
}

// items returns how often what is below the field may be answered.
func (b *bill) items(f *ast.Field) int {
	if f.Definition != nil && f.Definition.Arguments.ForName("limit") != nil {
		limit, ok := whole(b.argument(f, "limit"))
		if !ok || limit < 1 || limit > graph.MaxLimit {
			if b.err == nil {
				b.err = refuse(graph.CodeBadInput, f.Position, "limit of %s is 1 to %d", f.Name, graph.MaxLimit)
			}
			return 1
		}
		return limit
	}
	if f.ObjectDefinition != nil && f.ObjectDefinition.Name == "User" && f.Name == "preferences" && b.argument(f, "namespace") == nil {
		return maxNamespaces
	}
	return 1
}

// argument returns a coerced argument; nil where it is null or cannot be read
// ([ast.Field.ArgumentMap] panics on a number that is too big).
func (b *bill) argument(f *ast.Field, name string) any {
	if given := f.Arguments.ForName(name); given != nil {
		value, set := b.variables[given.Value.Raw]
		if given.Value.Kind != ast.Variable {
			literal, err := given.Value.Value(b.variables)
			value, set = literal, true
			if err != nil {
				value = nil
			}
		}
		if set {
			return value
		}
	}
	value, err := f.Definition.Arguments.ForName(name).DefaultValue.Value(nil)
	if err != nil {
		return nil
	}
	return value
}

// whole returns a coerced Int, literal or variable.
func whole(value any) (int, bool) {
	switch n := value.(type) {
	case int:
		return n, true
	case int64:
		return int(n), true
	case json.Number:
		i, err := strconv.Atoi(n.String())
		return i, err == nil
	default:
		return 0, false
	}
}
