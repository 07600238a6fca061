package filter

import (
	"math"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
)

// HTTP sends requests to where the operator lets the filter: to addresses below
// those under http.allow. The client waits meanwhile, and the instance serves
// no other request, so ask rarely and keep answers in a [KV].
type HTTP struct {
	host            host.Caller
	request, answer []byte
}

// HTTP returns what sends requests. Name the grant with Needs("http").
//
// # Errors
//
// The operator has not granted "http".
func (s *Setup) HTTP() (*HTTP, error) {
	// Nothing is no request: a host that lets the filter call says so.
	if n := s.host.HTTPCall(nil, 0); filterv1.Status(-n) != filterv1.StatusBadArgument {
		return nil, s.refused("http")
	}
	return &HTTP{host: s.host, answer: make([]byte, 4<<10)}, nil
}

// HeaderField is a header field.
type HeaderField struct{ Name, Value string }

// HTTPRequest is a request that a filter sends.
type HTTPRequest struct {
	// Method is GET where it is empty.
	Method string
	// URL is https://HOST/PATH, below one of http.allow. http is for the
	// machine itself.
	URL string
	// Header holds the fields, but for Host, Content-Length and those that are
	// for one connection, which are the gateway's.
	Header []HeaderField
	Body   []byte
	// Timeout bounds the call; zero leaves that to limits.host_time, which
	// always does.
	Timeout time.Duration
}

// HTTPResponse is an answer. It is valid until the next Do and until the handler
// returns.
type HTTPResponse struct {
	// Status is the status code. Redirects are not followed.
	Status int
	// Body is the whole body, at most 1 MiB.
	Body   []byte
	fields []byte
}

// Header returns the first value of the field, or "".
func (r *HTTPResponse) Header(name string) string {
	for d := filterv1.NewReader(r.fields); d.Len() > 0; {
		field, value := d.Bytes(), d.Bytes()
		if len(field) == len(name) && equalFold(field, name) {
			return view(value)
		}
	}
	return ""
}

// HTTPError says why there is no answer.
type HTTPError struct {
	// Status is StatusUnavailable where nobody answers in time, StatusTooLarge
	// for an answer larger than allowed, StatusNotGranted for a URL that is not
	// listed, StatusBadArgument for a malformed request.
	Status Status
	// Reason is for logs, never for clients.
	Reason string
}

// Error implements error.
func (e *HTTPError) Error() string { return "http: " + e.Status.String() + ": " + e.Reason }

// Do sends a request and waits for its answer.
//
// # Errors
//
// An [*HTTPError].
func (h *HTTP) Do(r HTTPRequest) (HTTPResponse, error) {
	if r.Method == "" {
		r.Method = "GET"
	}
	b := filterv1.AppendString(h.request[:0], r.Method)
	b = filterv1.AppendUint32(filterv1.AppendString(b, r.URL), uint32(len(r.Header)))
	for _, f := range r.Header {
		b = filterv1.AppendString(filterv1.AppendString(b, f.Name), f.Value)
	}
	h.request = filterv1.AppendBytes(b, r.Body)
	n := h.host.HTTPCall(h.request, uint32(min(max(milliseconds(r.Timeout), 0), math.MaxUint32)))
	if n < 0 {
		reason := make([]byte, 1<<10)
		return HTTPResponse{}, &HTTPError{Status(-n), string(reason[:min(h.host.LastError(reason), len(reason))])}
	}
	if n > len(h.answer) {
		h.answer = make([]byte, n)
	}
	d := filterv1.NewReader(h.answer[:max(h.host.HTTPResponse(h.answer), 0)])
	answer := HTTPResponse{Status: int(d.Uint32())}
	count := d.Uint32()
	rest := d
	for range count {
		d.Bytes()
		if d.Bytes(); !d.OK() {
			break
		}
	}
	answer.fields = rest.Take(rest.Len() - d.Len())
	if answer.Body = d.Bytes(); !d.OK() {
		panic("filter: malformed answer of http_call")
	}
	return answer, nil
}
