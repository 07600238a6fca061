package filter

// OneOrMore is a list of strings in a configuration, for which one string may
// stand: "route", or ["route", "source_address"].
type OneOrMore []string

// OneOrMore marks the type for the reader of configurations.
func (OneOrMore) OneOrMore() {}
