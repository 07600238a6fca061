package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// about is how an error of a filter says what it concerns: a path below the
// filter's entry, as in "config/limits/0/rate: want at least 1" (segments of
// a JSON Pointer, RFC 6901) or "limits.memory: too small".
var about = regexp.MustCompile(`^(config|grants|sha256|signature|limits|module|http|environment|directories|on_error)([/.][^: ]*)?: `)

// FilterError says where in the file that stands which an error of a filter's
// builder is about. Each line of err becomes an error of its own, at the value
// that it names or, where the file does not have that, at the nearest part
// around it.
func (g *Gateway) FilterError(name string, err error) error {
	entry := "filters." + name
	lines := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	if len(lines) == 1 {
		return g.ErrorAt(g.places.below(entry, lines[0]), fmt.Errorf("filter %q: %w", name, err))
	}
	all := make([]error, len(lines))
	for i, line := range lines {
		all[i] = g.ErrorAt(g.places.below(entry, line), fmt.Errorf("filter %q: %s", name, line))
	}
	return Join(all...)
}

// Join joins errors as errors.Join does, in the order of their places in the
// file; those without a place come first.
func Join(errs ...error) error {
	var flat []error
	for _, err := range errs {
		flat = append(flat, flatten(err)...)
	}
	slices.SortStableFunc(flat, func(a, b error) int {
		one, other := placeOf(a), placeOf(b)
		return cmp.Or(cmp.Compare(one.line, other.line), cmp.Compare(one.column, other.column))
	})
	return errors.Join(flat...)
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var flat []error
	for _, e := range joined.Unwrap() {
		flat = append(flat, flatten(e)...)
	}
	return flat
}

func placeOf(err error) place {
	if e, ok := errors.AsType[*errorAt](err); ok {
		return e.at
	}
	return place{}
}

// below returns the deepest path below entry that line names and the file has.
func (p *places) below(entry, line string) string {
	found := about.FindStringSubmatch(line)
	if found == nil {
		return entry
	}
	separator := "/"
	if strings.HasPrefix(found[2], ".") {
		separator = "."
	}
	path := entry
	for segment := range strings.SplitSeq(found[1]+found[2], separator) {
		next, ok := p.child(path, strings.NewReplacer("~1", "/", "~0", "~").Replace(segment))
		if !ok {
			break
		}
		path = next
	}
	return path
}

// child returns the path of a key or, for a number, an element below path.
func (p *places) child(path, segment string) (string, bool) {
	if i, err := strconv.Atoi(segment); err == nil && i >= 0 {
		element := path + "[" + strconv.Itoa(i) + "]"
		if _, ok := p.at[element]; ok {
			return element, true
		}
	}
	key := path + "." + segment
	_, ok := p.at[key]
	return key, ok
}
