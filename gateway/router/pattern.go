package router

import (
	"fmt"
	"strings"

	"gatehouse.example/gateway/exchange"
)

// pattern is a parsed path of a route.
type pattern struct {
	segments []string // anySegment stands for a {name}
	prefix   bool
}

// parsePattern reads "/exact", "/x/{name}/y" and "/prefix/*".
func parsePattern(path string) (pattern, error) {
	var p pattern
	if !strings.HasPrefix(path, "/") {
		return p, fmt.Errorf("path %q does not start with a slash", path)
	}
	rest := path
	if strings.HasSuffix(rest, "/*") {
		p.prefix = true
		rest = strings.TrimSuffix(rest, "/*")
		if rest == "" {
			return p, nil
		}
	}
	if strings.ContainsAny(rest, "*?%") {
		return p, fmt.Errorf("path %q: \"*\" may only be the last segment, and a path is written decoded and without a query", path)
	}
	for segment := range strings.SplitSeq(rest[1:], "/") {
		name, isParam, err := parameter(segment)
		if err != nil {
			return p, fmt.Errorf("path %q: %w", path, err)
		}
		switch {
		case isParam && name == "":
			return p, fmt.Errorf("path %q: a {name} has no name", path)
		case isParam:
			p.segments = append(p.segments, anySegment)
		default:
			p.segments = append(p.segments, segment)
		}
	}
	// The same rules as for a request: a path that no request can have would
	// be a route that silently never matches.
	probe := strings.NewReplacer("{", "", "}", "").Replace(rest)
	if _, err := exchange.CleanPath(probe); err != nil {
		return p, fmt.Errorf("path %q: %w", path, err)
	}
	return p, nil
}

// anySegment stands for a {name} in [pattern].segments: no real segment holds
// a slash.
const anySegment = "/"

func parameter(segment string) (name string, ok bool, err error) {
	if strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") {
		name = segment[1 : len(segment)-1]
		ok = true
	} else {
		name = segment
	}
	if strings.ContainsAny(name, "{}") {
		return "", false, fmt.Errorf("%q: a {name} stands for a whole segment", segment)
	}
	return name, ok, nil
}
