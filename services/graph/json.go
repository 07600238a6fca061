package graph

import (
	"errors"
	"io"

	"github.com/99designs/gqlgen/graphql"
)

// JSON is one JSON value as a service sent it; nil is null.
type JSON []byte

var (
	_ graphql.Marshaler   = JSON(nil)
	_ graphql.Unmarshaler = (*JSON)(nil)
)

// UnmarshalJSON keeps data, which encoding/json has checked.
func (j *JSON) UnmarshalJSON(data []byte) error {
	*j = append((*j)[:0], data...)
	return nil
}

// MarshalGQL writes the value.
func (j JSON) MarshalGQL(w io.Writer) {
	if len(j) == 0 {
		j = JSON("null")
	}
	_, _ = w.Write(j) // into memory
}

// UnmarshalGQL refuses: no field takes a JSON value.
func (j *JSON) UnmarshalGQL(any) error { return errors.New("JSON is no input") }
