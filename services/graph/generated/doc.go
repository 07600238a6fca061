// Package generated is what gqlgen makes of ../schema.graphqls: how a query is
// taken apart and its answer put together. Nothing here is written by hand but
// this comment; `make generate` writes it anew.
//
// What a field answers is left to package resolve.
package generated
