package config

import (
	"errors"
	"fmt"
	"regexp"
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
	return errors.Join(all...)
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
