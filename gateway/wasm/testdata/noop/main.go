// Command noop is a filter that does nothing, for benchmarks.
package main

import "gatehouse.example/sdk/filter"

type noop struct{}

func (noop) HandleRequest(*filter.Request) filter.Action { return filter.Next }

var _ = filter.Register("noop", func(*filter.Setup, struct{}) (noop, error) { return noop{}, nil })

func main() {}
