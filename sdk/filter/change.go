package filter

import (
	"strconv"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/jsonconf"
)

// Changes are for HandleRequest; in HandleResponse each of these methods panics,
// and the methods of [Response] do what can be done. They are collected and made
// in one crossing when HandleRequest returns,
// all or none: a malformed one (a line break in a value, say) fails the
// request. Once HandleRequest has returned there is nothing that they could
// change.

// opMethods are the methods that make operations, for what authors are told.
var opMethods = [...]string{
	filterv1.OpSetHeader: "SetHeader", filterv1.OpAddHeader: "AddHeader", filterv1.OpRemoveHeader: "RemoveHeader",
	filterv1.OpSetMethod: "SetMethod", filterv1.OpSetURI: "SetURI", filterv1.OpSetAttribute: "SetAttribute",
	filterv1.OpSetResponseHeader: "SetResponseHeader", filterv1.OpAddResponseHeader: "AddResponseHeader",
	filterv1.OpRemoveResponseHeader: "RemoveResponseHeader", filterv1.OpMergeResponseHeader: "MergeResponseHeader",
	filterv1.OpReply: "Reply",
}

// mustBeAsked panics where the request has gone on: the change would be lost
// without a word.
func (r *Request) mustBeAsked(op filterv1.Op) {
	if r.responding {
		panic("filter: Request." + opMethods[op] + " in HandleResponse: the request has gone on; change the response by the methods of Response, with Setup.BufferResponse")
	}
}

func (r *Request) op(op filterv1.Op, name, value string) {
	r.mustBeAsked(op)
	r.ops = appendOp(r.ops, op, name, value)
}

// op1 is op for an operation of one operand.
func (r *Request) op1(op filterv1.Op, operand string) {
	r.mustBeAsked(op)
	r.ops = filterv1.AppendString(append(r.ops, byte(op)), operand)
}

func appendOp(ops []byte, op filterv1.Op, name, value string) []byte {
	return filterv1.AppendString(filterv1.AppendString(append(ops, byte(op)), name), value)
}

// SetHeader replaces a request header field.
func (r *Request) SetHeader(name, value string) { r.op(filterv1.OpSetHeader, name, value) }

// AddHeader appends a request header field.
func (r *Request) AddHeader(name, value string) { r.op(filterv1.OpAddHeader, name, value) }

// RemoveHeader removes a request header field.
func (r *Request) RemoveHeader(name string) { r.op1(filterv1.OpRemoveHeader, name) }

// SetMethod changes the method. The gateway checks what the request then needs
// as well.
func (r *Request) SetMethod(method string) { r.op1(filterv1.OpSetMethod, method) }

// SetURI changes path and query, in origin form. The gateway checks what the
// request then needs as well.
func (r *Request) SetURI(uri string) { r.op1(filterv1.OpSetURI, uri) }

// SetAttribute leaves a value for later filters and the access log.
func (r *Request) SetAttribute(name, value string) { r.op(filterv1.OpSetAttribute, name, value) }

// SetResponseHeader replaces a field of the response, whoever answers.
func (r *Request) SetResponseHeader(name, value string) {
	r.op(filterv1.OpSetResponseHeader, name, value)
}

// SetResponseHeaderBytes is SetResponseHeader for a value in a buffer.
func (r *Request) SetResponseHeaderBytes(name string, value []byte) {
	r.op(filterv1.OpSetResponseHeader, name, view(value))
}

// AddResponseHeaderBytes appends a field to the response, whoever answers.
func (r *Request) AddResponseHeaderBytes(name string, value []byte) {
	r.op(filterv1.OpAddResponseHeader, name, view(value))
}

// AddResponseHeader appends a field to the response, whoever answers.
func (r *Request) AddResponseHeader(name, value string) {
	r.op(filterv1.OpAddResponseHeader, name, value)
}

// RemoveResponseHeader removes a field from the response.
func (r *Request) RemoveResponseHeader(name string) {
	r.op1(filterv1.OpRemoveResponseHeader, name)
}

// MergeResponseHeader adds an element to a list in the response's header
// unless it is there: r.MergeResponseHeader("Vary", "Origin").
func (r *Request) MergeResponseHeader(name, element string) {
	r.op(filterv1.OpMergeResponseHeader, name, element)
}

// Reply answers the request; return what it returns. Header fields are those
// of SetResponseHeader and its like. An empty contentType sends none; status is
// 200 to 599. A second Reply fails the request.
func (r *Request) Reply(status int, contentType string, body []byte) Action {
	r.mustBeAsked(filterv1.OpReply)
	r.replied = true
	r.ops = append(r.ops, byte(filterv1.OpReply))
	r.ops = filterv1.AppendUint32(r.ops, uint32(status))
	r.ops = filterv1.AppendString(r.ops, contentType)
	r.ops = filterv1.AppendBytes(r.ops, body)
	return Stop
}

// Problem answers with problem details (RFC 9457). title is the status code's
// phrase, code the word that programs look at, detail a sentence for people.
func (r *Request) Problem(status int, title, code, detail string) Action {
	b := jsonconf.AppendString(append(r.scratch[:0], `{"type":"about:blank","title":`...), title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(status), 10)
	b = jsonconf.AppendString(append(b, `,"detail":`...), detail)
	b = jsonconf.AppendString(append(b, `,"code":`...), code)
	b = append(b, '}')
	r.scratch = b
	r.SetResponseHeader("Cache-Control", "no-store")
	return r.Reply(status, "application/problem+json", b)
}

func (r *Request) flush() {
	if len(r.ops) == 0 {
		return
	}
	if status := r.host.Apply(r.ops); status != filterv1.StatusOK {
		buf := make([]byte, 512)
		n := min(r.host.LastError(buf), len(buf))
		panic("filter: changes refused: " + status.String() + ": " + string(buf[:n]))
	}
	r.ops = r.ops[:0]
}
