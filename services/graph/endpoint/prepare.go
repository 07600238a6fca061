package endpoint

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"gatehouse.example/services/graph"
	"gatehouse.example/services/graph/limit"
)

// prepare parses, bounds and validates an operation. Nothing of it was answered
// when it returns.
func (e *Endpoint) prepare(ctx context.Context, in request) (operation *graphql.OperationContext, errs gqlerror.List) {
	defer func() {
		// gqlparser panics on some values that it cannot read.
		if panicked := recover(); panicked != nil {
			_ = e.recovered(ctx, panicked)
			operation, errs = nil, coded(graph.CodeValidationFailed, gqlerror.Errorf("the operation cannot be read"))
		}
	}()
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: in.query}, limit.MaxTokens)
	if err != nil {
		if strings.Contains(err.Error(), "exceeded token limit") {
			return nil, coded(graph.CodeTokenLimit, gqlerror.Errorf("the document has more than %d tokens", limit.MaxTokens))
		}
		return nil, coded(graph.CodeParseFailed, asGraphQL(err))
	}
	if err := e.Limits.Shape(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	if errs := e.validate(doc); errs != nil {
		return nil, coded(graph.CodeValidationFailed, errs...)
	}
	chosen := doc.Operations.ForName(in.operationName)
	if chosen == nil {
		return nil, coded(graph.CodeValidationFailed, gqlerror.Errorf("operationName must name one of the document's operations"))
	}
	ctx = withPrepared(graphql.StartOperationTrace(ctx), doc)
	operation, errs = e.exec.CreateOperationContext(ctx, &graphql.RawParams{
		Query: in.query, OperationName: in.operationName, Variables: in.variables,
	})
	if errs != nil { // what is left to find is a variable's value
		return nil, coded(graph.CodeBadInput, errs...)
	}
	// Everybody who comes this far has a credential; the schema is no secret.
	operation.DisableIntrospection = false
	if err := e.Limits.Cost(doc, chosen, operation.Variables); err != nil {
		return nil, gqlerror.List{err}
	}
	return operation, nil
}

// validate applies the specification's rules, and refuses @defer, which no
// answer of ours can carry.
func (e *Endpoint) validate(doc *ast.QueryDocument) gqlerror.List {
	if len(doc.Operations) == 0 {
		return gqlerror.List{gqlerror.Errorf("the document has no operation")}
	}
	r := rules.NewDefaultRules()
	r.AddRule("NoDefer", func(observers *core.Events, addError core.AddErrFunc) {
		observers.OnDirective(func(_ *core.Walker, d *ast.Directive) {
			if d.Name == "defer" {
				addError(core.Message("@defer is not answered here"), core.At(d.Position))
			}
		})
	})
	return validator.ValidateWithRules(e.schema, doc, r)
}

// prepared hands the executor the document that prepare has validated, so that
// it does not do the same again.
type prepared struct{}

type preparedKey struct{}

func withPrepared(ctx context.Context, doc *ast.QueryDocument) context.Context {
	return context.WithValue(ctx, preparedKey{}, doc)
}

func (prepared) Get(ctx context.Context, _ string) (*ast.QueryDocument, bool) {
	doc, ok := ctx.Value(preparedKey{}).(*ast.QueryDocument)
	return doc, ok
}

func (prepared) Add(context.Context, string, *ast.QueryDocument) {}
