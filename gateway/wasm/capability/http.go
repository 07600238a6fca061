package capability

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/outbound"
)

const (
	// MaxHTTPAnswerBytes bounds the body of an answer to http_call.
	MaxHTTPAnswerBytes = 1 << 20
	// maxHTTPCalls is how many calls of one filter may be under way.
	maxHTTPCalls = 64
	// maxHTTPTime bounds a call where nothing else does.
	maxHTTPTime = 30 * time.Second
)

// HTTPOptions are the options of [NewHTTPCallers].
type HTTPOptions struct {
	// Registry takes the metrics; nil means none.
	Registry prometheus.Registerer
	// TLS holds further authorities; nil trusts the system's.
	TLS *tls.Config
}

// HTTPCallers sends requests for filters. It is safe for concurrent use.
type HTTPCallers struct {
	client  *http.Client
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// NewHTTPCallers returns what makes callers.
func NewHTTPCallers(o HTTPOptions) *HTTPCallers {
	c := &HTTPCallers{
		client: outbound.NewClient(outbound.Options{
			OperatorNamed: true, Timeout: maxHTTPTime, MaxResponseBytes: MaxHTTPAnswerBytes, TLS: o.TLS,
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_filter_http_calls_total", Help: "Requests that filters have sent, by what became of them.",
		}, []string{"filter", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_filter_http_call_seconds", Help: "How long filters have waited for answers.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 7),
		}, []string{"filter"}),
	}
	// A filter sees a redirect, and asks again where it may.
	c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if o.Registry != nil {
		o.Registry.MustRegister(c.calls, c.seconds)
	}
	return c
}

// Close ends idle connections.
func (c *HTTPCallers) Close() { c.client.CloseIdleConnections() }

// Of returns the caller of a filter: allow lists where it may go, maxBody
// bounds an answer's body.
//
// # Errors
//
// An address in allow that is none, with its place.
func (c *HTTPCallers) Of(filter string, allow []string, maxBody int64) (*HTTPCaller, error) {
	h := &HTTPCaller{
		client: c.client, maxBody: min(maxBody, MaxHTTPAnswerBytes), slots: make(chan struct{}, maxHTTPCalls),
		calls: c.calls.MustCurryWith(prometheus.Labels{"filter": filter}), seconds: c.seconds.WithLabelValues(filter),
	}
	for i, text := range allow {
		p, err := parseAllowed(text)
		if err != nil {
			return nil, fmt.Errorf("http/allow/%d: %w", i, err)
		}
		h.allow = append(h.allow, p)
	}
	return h, nil
}

// HTTPCaller sends the requests of one filter to where it may go. It is safe
// for concurrent use.
type HTTPCaller struct {
	client  *http.Client
	allow   []allowed
	maxBody int64
	slots   chan struct{}
	calls   *prometheus.CounterVec
	seconds prometheus.Observer
}

// Call sends the request encoded in p and appends the encoded answer to dst.
// timeout bounds it beside ctx; zero does not.
func (h *HTTPCaller) Call(ctx context.Context, dst, p []byte, timeout time.Duration) ([]byte, *Refusal) {
	answer, refusal := h.call(ctx, dst, p, timeout)
	result := "answered"
	if refusal != nil {
		result = strings.ReplaceAll(refusal.Status.String(), " ", "_")
	}
	h.calls.WithLabelValues(result).Inc()
	return answer, refusal
}

func (h *HTTPCaller) call(ctx context.Context, dst, p []byte, timeout time.Duration) ([]byte, *Refusal) {
	request, err := readRequest(p)
	if err != nil {
		return nil, &Refusal{filterv1.StatusBadArgument, err}
	}
	if !h.allows(request.URL) {
		// Without the query, which may hold a secret.
		return nil, &Refusal{filterv1.StatusNotGranted, fmt.Errorf("%s://%s%s is not listed under http.allow", request.URL.Scheme, request.URL.Host, request.URL.EscapedPath())}
	}
	if timeout <= 0 || timeout > maxHTTPTime {
		timeout = maxHTTPTime
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, &Refusal{filterv1.StatusUnavailable, errors.New("too many calls of this filter are under way")}
	}
	start := time.Now()
	response, err := h.client.Do(request.WithContext(ctx))
	if err != nil {
		return nil, unanswered(err)
	}
	defer func() { _ = response.Body.Close() }()
	dst, err = appendAnswer(dst, response, h.maxBody)
	h.seconds.Observe(time.Since(start).Seconds())
	if err != nil {
		return nil, unanswered(err)
	}
	return dst, nil
}

// unanswered says why there is no answer, without the URL, which may hold a
// secret.
func unanswered(err error) *Refusal {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	status := filterv1.StatusUnavailable
	if errors.Is(err, outbound.ErrTooLarge) {
		status = filterv1.StatusTooLarge
	}
	return &Refusal{status, err}
}

func (h *HTTPCaller) allows(u *url.URL) bool {
	for i := range h.allow {
		if h.allow[i].covers(u) {
			return true
		}
	}
	return false
}

// appendAnswer appends the encoded answer, with a body of at most maxBody
// bytes.
func appendAnswer(dst []byte, r *http.Response, maxBody int64) ([]byte, error) {
	dst = filterv1.AppendUint32(dst, uint32(r.StatusCode))
	countAt, count := len(dst), uint32(0)
	dst = filterv1.AppendUint32(dst, 0)
	for name, values := range r.Header {
		for _, v := range values {
			dst = filterv1.AppendString(filterv1.AppendLower(dst, name), v)
			count++
		}
	}
	filterv1.AppendUint32(dst[:countAt], count)
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > maxBody {
		return nil, fmt.Errorf("%w: more than %d bytes", outbound.ErrTooLarge, maxBody)
	}
	return filterv1.AppendBytes(dst, body), nil
}
