package filterrun

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	kitv1 "gatehouse.example/pluginspec/filter/kit/v1"
)

// compare returns what of a result is not as expected, a line each.
func (e *Expect) compare(r *kitv1.Result) []string {
	var d differences
	switch {
	case r.Trap != "" && e.Trap == "":
		d.add("the filter trapped: %s", r.Trap)
		return d
	case e.Trap != "" && !strings.Contains(r.Trap, e.Trap):
		d.add("trap %q, want %q", r.Trap, e.Trap)
	}
	if e.Answered != nil && *e.Answered != r.Answered {
		d.add("answered by the filter: %v, want %v", r.Answered, *e.Answered)
	}
	if e.Status != 0 && e.Status != r.Response.Status {
		d.add("status %d, want %d", r.Response.Status, e.Status)
	}
	d.header("response header", r.Response.Header, e.Header)
	d.text("response body", string(r.Response.Body), e.Body)
	if m := e.Request.Method; m != "" && m != r.Request.Method {
		d.add("method %s, want %s", r.Request.Method, m)
	}
	if u := e.Request.URI; u != "" && u != r.Request.URI {
		d.add("uri %s, want %s", r.Request.URI, u)
	}
	d.header("request header", r.Request.Header, e.Request.Header)
	d.text("request body", string(r.Request.Body), e.Request.Body)
	attributes := http.Header{}
	for name, value := range r.Request.Attributes {
		attributes[name] = []string{value}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		d.value("attribute", name, attributes[name], e.Attributes[name])
	}
	return d
}

type differences []string

func (d *differences) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d *differences) text(what, have string, want *string) {
	if want != nil && *want != have {
		d.add("%s %q, want %q", what, have, *want)
	}
}

func (d *differences) header(what string, have http.Header, want map[string]*string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		d.value(what, name, have.Values(name), want[name])
	}
}

func (d *differences) value(what, name string, have []string, want *string) {
	joined := strings.Join(have, ", ")
	switch {
	case want == nil && len(have) > 0:
		d.add("%s %s is %q, want none", what, name, joined)
	case want != nil && len(have) == 0:
		d.add("%s %s is missing, want %q", what, name, *want)
	case want != nil && joined != *want:
		d.add("%s %s is %q, want %q", what, name, joined, *want)
	}
}
