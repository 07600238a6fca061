package filtertest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
)

// Apply implements host.Exchange.
func (g *gateway) Apply(ops []byte) filterv1.Status {
	if g.responding {
		return g.refuse(filterv1.StatusBadArgument, "apply is for the request phase")
	}
	var all []filterv1.Operation
	replies := 0
	for r := filterv1.NewReader(bytes.Clone(ops)); r.Len() > 0; {
		o := r.Operation()
		if !r.OK() || len(all) == maxOperations {
			return g.refuse(filterv1.StatusBadArgument, fmt.Sprintf("operation %d is malformed", len(all)))
		}
		if o.Op == filterv1.OpReply {
			replies++
		}
		if grant, why := g.check(&o, replies); grant != "" {
			return g.refuse(filterv1.StatusNotGranted, "not granted: "+grant)
		} else if why != "" {
			return g.refuse(filterv1.StatusBadArgument, fmt.Sprintf("operation %d: %s", len(all), why))
		}
		all = append(all, o)
	}
	for _, o := range all {
		g.perform(o)
	}
	return filterv1.StatusOK
}

func (g *gateway) perform(o filterv1.Operation) {
	name, value := string(o.Name), string(o.Value)
	switch o.Op {
	case filterv1.OpSetHeader:
		g.request.Header.Set(name, value)
	case filterv1.OpAddHeader:
		g.request.Header.Add(name, value)
	case filterv1.OpRemoveHeader:
		g.request.Header.Del(name)
	case filterv1.OpSetMethod:
		g.request.Method = name
	case filterv1.OpSetURI:
		g.request.URI = name
	case filterv1.OpSetAttribute:
		g.request.Attributes[name] = value
	case filterv1.OpReply:
		g.answered = true
		g.response = Response{Status: int(o.Status), Header: http.Header{}, Body: value}
		if name != "" {
			g.response.Header.Set("Content-Type", name)
		}
	default:
		g.deferred = append(g.deferred, o)
	}
}

// applyDeferred makes the changes of the response's header, once.

func (g *gateway) applyDeferred() {
	h := g.response.Header
	for _, o := range g.deferred {
		name, value := string(o.Name), string(o.Value)
		switch o.Op {
		case filterv1.OpSetResponseHeader:
			h.Set(name, value)
		case filterv1.OpAddResponseHeader:
			h.Add(name, value)
		case filterv1.OpRemoveResponseHeader:
			h.Del(name)
		case filterv1.OpMergeResponseHeader:
			have := strings.Join(h.Values(name), ", ")
			listed := slices.ContainsFunc(strings.Split(have, ","), func(s string) bool {
				return strings.EqualFold(strings.TrimSpace(s), value)
			})
			switch {
			case have == "":
				h.Set(name, value)
			case !listed:
				h.Set(name, have+", "+value)
			}
		}
	}
	g.deferred = nil
}

func (g *gateway) body(kind uint32) *string {
	if kind == 0 {
		return &g.request.Body
	}
	return &g.response.Body
}

func (g *gateway) header(kind uint32) http.Header {
	if kind == 0 {
		return g.request.Header
	}
	return g.response.Header
}

// bodyState is how far the filter is with a body: reading goes on in what was
// there first, whatever is written.
type bodyState struct {
	reading, written bool
	source           string
}

// What the ABI has no status for traps, with the gateway's words.

func (g *gateway) mustBeAsked(what string) {
	if g.responding {
		panic("can't change " + what + " after the next handler")
	}
}

func (g *gateway) mustBuffer(what string) {
	if g.responding && g.features&host.FeatureBufferResponse == 0 {
		panic("can't use " + what + " after the next handler unless buffer_response is enabled")
	}
}

func (g *gateway) needsBody(what string, kind uint32) {
	grant := filterv1.GrantRequestBody
	if kind == host.KindResponse {
		grant = filterv1.GrantResponseBody
	}
	if !g.grants[grant] && !g.grants[filterv1.GrantBody] {
		panic(what + " needs the grant " + grant + ": add it under grants")
	}
}

// ReadBody implements host.Messages.
func (g *gateway) ReadBody(kind uint32, buf []byte) (int, bool) {
	switch {
	case kind == host.KindResponse:
		g.mustBuffer("the response's body")
	case g.responding && g.features&host.FeatureBufferRequest == 0:
		panic("can't read the request's body after the next handler unless buffer_request is enabled")
	}
	if len(buf) == 0 {
		panic("read_body into an empty buffer")
	}
	g.needsBody("read_body", kind)
	state := &g.bodies[kind]
	if !state.reading {
		state.reading, state.source = true, *g.body(kind)
	}
	n := copy(buf, state.source)
	state.source = state.source[n:]
	return n, state.source == ""
}

// WriteBody implements host.Messages.
func (g *gateway) WriteBody(kind uint32, p []byte) {
	if kind == host.KindRequest {
		g.mustBeAsked("the request's body")
	} else {
		g.mustBuffer("the response's body")
	}
	g.needsBody("write_body", kind)
	b := g.body(kind)
	if state := &g.bodies[kind]; !state.written {
		*b, state.written = "", true
	}
	if len(*b)+len(p) > maxBody {
		panic("write body: body too large")
	}
	*b += string(p)
}

// StatusCode implements host.Messages.
func (g *gateway) StatusCode() uint32 { return uint32(g.response.Status) }

// SetStatusCode implements host.Messages.
func (g *gateway) SetStatusCode(code uint32) {
	g.mustBuffer("the status code")
	if code < 200 || code > 999 {
		panic(fmt.Sprintf("set_status_code: %d is no status of a final response (200 to 999)", int32(code)))
	}
	g.response.Status = int(code)
}

// HeaderValues implements host.Messages.
func (g *gateway) HeaderValues(kind uint32, name string, buf []byte) (count, length int) {
	all := ""
	if g.hidden(name) {
		return 0, 0
	}
	for _, v := range g.header(kind).Values(name) {
		all += v + "\x00"
		count++
	}
	return count, put(buf, all)
}

// changeable returns the header of a kind where name may be set to value.
func (g *gateway) changeable(kind uint32, name, value string) http.Header {
	if kind == host.KindRequest {
		g.mustBeAsked("the request's header")
	} else {
		g.mustBuffer("the response's header")
	}
	if why := checkField(name, value); why != "" {
		panic(why)
	}
	if g.hidden(name) && !strings.EqualFold(name, "Set-Cookie") {
		panic("changing " + name + " needs the grant " + g.grantOf(name) + ": add it under grants")
	}
	return g.header(kind)
}

// SetHeader implements host.Messages.
func (g *gateway) SetHeader(kind uint32, name, value string) {
	g.changeable(kind, name, value).Set(name, value)
}

// AddHeader implements host.Messages.
func (g *gateway) AddHeader(kind uint32, name, value string) {
	g.changeable(kind, name, value).Add(name, value)
}

// RemoveHeader implements host.Messages.
func (g *gateway) RemoveHeader(kind uint32, name string) {
	g.changeable(kind, name, "").Del(name)
}
