package filtertest

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// Apply implements host.Exchange.
func (g *gateway) Apply(ops []byte) filterv1.Status {
	var all []filterv1.Operation
	for r := filterv1.NewReader(bytes.Clone(ops)); r.Len() > 0; {
		o := r.Operation()
		if !r.OK() {
			return g.refuse(filterv1.StatusBadArgument, "malformed operation")
		}
		switch o.Op {
		case filterv1.OpSetHeader, filterv1.OpAddHeader, filterv1.OpRemoveHeader:
			if name := string(o.Name); g.hidden(name) {
				return g.refuse(filterv1.StatusNotGranted, "not granted: "+grantOf(name))
			}
		}
		if o.Op != filterv1.OpReply && (bytes.ContainsAny(o.Name, "\r\n\x00") || bytes.ContainsAny(o.Value, "\r\n\x00")) {
			return g.refuse(filterv1.StatusBadArgument, "a control byte")
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

// needsBody traps as the gateway does: there is no status that could say it.
func (g *gateway) needsBody(what string, kind uint32) {
	grant := filterv1.GrantRequestBody
	if kind == 1 {
		grant = filterv1.GrantResponseBody
	}
	if !g.grants[grant] && !g.grants[filterv1.GrantBody] {
		panic(what + " needs the grant " + grant + ": add it under grants")
	}
}

// ReadBody implements host.Messages.
func (g *gateway) ReadBody(kind uint32, buf []byte) (int, bool) {
	g.needsBody("read_body", kind)
	rest := (*g.body(kind))[g.read[kind]:]
	n := copy(buf, rest)
	g.read[kind] += n
	return n, n == len(rest)
}

// WriteBody implements host.Messages.
func (g *gateway) WriteBody(kind uint32, p []byte) {
	g.needsBody("write_body", kind)
	b := g.body(kind)
	if !g.written[kind] {
		*b, g.read[kind], g.written[kind] = "", 0, true
	}
	*b += string(p)
}

// StatusCode implements host.Messages.
func (g *gateway) StatusCode() uint32 { return uint32(g.response.Status) }

// SetStatusCode implements host.Messages.
func (g *gateway) SetStatusCode(code uint32) { g.response.Status = int(code) }

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

// SetHeader implements host.Messages.
func (g *gateway) SetHeader(kind uint32, name, value string) { g.header(kind).Set(name, value) }

// AddHeader implements host.Messages.
func (g *gateway) AddHeader(kind uint32, name, value string) { g.header(kind).Add(name, value) }

// RemoveHeader implements host.Messages.
func (g *gateway) RemoveHeader(kind uint32, name string) { g.header(kind).Del(name) }
