package filter

import (
	"gatehouse.example/sdk/filter/internal/host"
)

// Response is the response that a filter with a response phase sees. To change
// it, or to read its body, call [Setup.BufferResponse] where the filter is made;
// without, those methods panic (in other languages the gateway says "unless
// buffer_response is enabled"). Header fields that do not depend on the response
// need neither: see [Request.SetResponseHeader].
type Response struct {
	host  host.Caller
	setup *Setup
	// Failed is true where the upstream could not be reached.
	Failed bool
	buf    []byte
}

// mustBuffer panics where the response goes by without waiting for the filter.
func (w *Response) mustBuffer(method string) {
	if !w.setup.buffersResponse {
		panic("filter: Response." + method + " needs Setup.BufferResponse: call it in the function that makes the filter")
	}
}

// Status returns the status code.
func (w *Response) Status() int { return int(w.host.StatusCode()) }

// SetStatus changes the status code, to 200 and above. It needs
// [Setup.BufferResponse].
func (w *Response) SetStatus(code int) {
	w.mustBuffer("SetStatus")
	w.host.SetStatusCode(uint32(code))
}

// Header returns the first value of the field, or "". It is valid until the
// next call.
func (w *Response) Header(name string) string {
	count, n := w.host.HeaderValues(host.KindResponse, name, w.buf)
	if n > len(w.buf) {
		w.buf = make([]byte, n)
		count, n = w.host.HeaderValues(host.KindResponse, name, w.buf)
	}
	if count == 0 {
		return ""
	}
	for i, c := range w.buf[:n] {
		if c == 0 {
			return view(w.buf[:i])
		}
	}
	return view(w.buf[:n])
}

// SetHeader replaces a header field. It needs [Setup.BufferResponse].
func (w *Response) SetHeader(name, value string) {
	w.mustBuffer("SetHeader")
	w.host.SetHeader(host.KindResponse, name, value)
}

// AddHeader appends a header field. It needs [Setup.BufferResponse].
func (w *Response) AddHeader(name, value string) {
	w.mustBuffer("AddHeader")
	w.host.AddHeader(host.KindResponse, name, value)
}

// RemoveHeader removes a header field. It needs [Setup.BufferResponse].
func (w *Response) RemoveHeader(name string) {
	w.mustBuffer("RemoveHeader")
	w.host.RemoveHeader(host.KindResponse, name)
}

// ReadBody reads the next part of the body into buf and reports whether that
// was the last. It needs the grant "body.response" and [Setup.BufferResponse].
func (w *Response) ReadBody(buf []byte) (n int, eof bool) {
	w.mustBuffer("ReadBody")
	return w.host.ReadBody(host.KindResponse, buf)
}

// WriteBody replaces the body; further calls append. It needs the grant
// "body.response" and [Setup.BufferResponse].
func (w *Response) WriteBody(p []byte) {
	w.mustBuffer("WriteBody")
	w.host.WriteBody(host.KindResponse, p)
}
