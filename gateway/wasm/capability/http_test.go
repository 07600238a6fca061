package capability

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

func encodeRequest(method, url, body string, fields ...string) []byte {
	b := filterv1.AppendString(filterv1.AppendString(nil, method), url)
	b = filterv1.AppendUint32(b, uint32(len(fields)/2))
	for _, f := range fields {
		b = filterv1.AppendString(b, f)
	}
	return filterv1.AppendString(b, body)
}

type httpAnswer struct {
	status uint32
	fields []string
	body   string
}

func decodeAnswer(t *testing.T, p []byte) httpAnswer {
	t.Helper()
	r := filterv1.NewReader(p)
	a := httpAnswer{status: r.Uint32()}
	for range r.Uint32() {
		a.fields = append(a.fields, string(r.Bytes())+": "+string(r.Bytes()))
	}
	if a.body = string(r.Bytes()); !r.OK() || r.Len() != 0 {
		t.Fatalf("malformed answer %q", p)
	}
	return a
}

func newCaller(t *testing.T, maxBody int64, allow ...string) (*HTTPCaller, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	callers := NewHTTPCallers(HTTPOptions{Registry: registry})
	t.Cleanup(callers.Close)
	h, err := callers.Of("f", allow, maxBody)
	if err != nil {
		t.Fatal(err)
	}
	return h, registry
}

func TestHTTPAllowVectors(t *testing.T) {
	var tables []struct {
		Name, Allow, URL   string
		Allowed, Malformed bool
	}
	readVectors(t, "http_allow.json", &tables)
	for _, c := range tables {
		t.Run(c.Name, func(t *testing.T) {
			h, _ := newCaller(t, 1000, c.Allow)
			r, err := readRequest(encodeRequest("GET", c.URL, ""))
			if c.Malformed != (err != nil) {
				t.Fatalf("%s: error %v", c.URL, err)
			}
			if err == nil && h.allows(r.URL) != c.Allowed {
				t.Errorf("%s below %s: %v", c.URL, c.Allow, !c.Allowed)
			}
		})
	}
}

func TestHTTPAllowIsChecked(t *testing.T) {
	callers := NewHTTPCallers(HTTPOptions{})
	for _, text := range []string{"", "api.example", "ftp://api.example", "http://api.example", "http://10.0.0.1", "https://u@api.example", "https://api.example/?q", "https://api.example/#f", "https://api.example/a/../b"} {
		if _, err := callers.Of("f", []string{"https://fine.example", text}, 1); err == nil || !strings.HasPrefix(err.Error(), "http/allow/1: ") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

func TestHTTPCall(t *testing.T) {
	var got *http.Request
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		w.Header().Set("X-Answer", "yes")
		w.Header().Set("Location", "http://169.254.169.254/")
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, "moved")
	}))
	defer server.Close()
	h, registry := newCaller(t, 1000, server.URL+"/v1")
	p, refusal := h.Call(t.Context(), nil, encodeRequest("POST", server.URL+"/v1/x?q=1", "hello", "X-One", "1", "X-One", "2", "user-agent", "mine"), 0)
	if refusal != nil {
		t.Fatal(refusal.Reason)
	}
	a := decodeAnswer(t, p)
	if a.status != 302 || a.body != "moved" || !slices.Contains(a.fields, "x-answer: yes") {
		t.Errorf("answer %+v", a)
	}
	if got.Method != "POST" || got.RequestURI != "/v1/x?q=1" || body != "hello" || !slices.Equal(got.Header["X-One"], []string{"1", "2"}) || got.UserAgent() != "mine" || got.ContentLength != 5 {
		t.Errorf("request %+v, body %q", got, body)
	}
	_, _ = h.Call(t.Context(), nil, encodeRequest("GET", server.URL+"/v2?secret", ""), 0)
	want := map[string]float64{"f answered": 1, "f not_granted": 1}
	if diff := cmp.Diff(want, gather(t, registry, "gatehouse_filter_http_calls_total")); diff != "" {
		t.Error(diff)
	}
}

func TestHTTPCallRefuses(t *testing.T) {
	const url = "https://api.example/v1"
	h, _ := newCaller(t, 1000, url, "https://169.254.169.254/")
	whole := encodeRequest("GET", url, "body", "A", "b")
	for _, c := range []struct {
		name    string
		request []byte
		want    filterv1.Status
	}{
		{"nothing", nil, filterv1.StatusBadArgument},
		{"cut", whole[:len(whole)-1], filterv1.StatusBadArgument},
		{"more than a request", append(slices.Clone(whole), 0), filterv1.StatusBadArgument},
		{"too many fields", filterv1.AppendUint32(filterv1.AppendString(filterv1.AppendString(nil, "GET"), url), 1<<31), filterv1.StatusBadArgument},
		{"no method", encodeRequest("", url, ""), filterv1.StatusBadArgument},
		{"a method with a line break", encodeRequest("GET / HTTP/1.1\r\nX: y", url, ""), filterv1.StatusBadArgument},
		{"CONNECT", encodeRequest("CONNECT", url, ""), filterv1.StatusBadArgument},
		{"TRACE", encodeRequest("TRACE", url, ""), filterv1.StatusBadArgument},
		{"a value with a line break", encodeRequest("GET", url, "", "A", "b\r\nC: d"), filterv1.StatusBadArgument},
		{"a name with a colon", encodeRequest("GET", url, "", "A:", "b"), filterv1.StatusBadArgument},
		{"Host", encodeRequest("GET", url, "", "HOST", "b"), filterv1.StatusBadArgument},
		{"Transfer-Encoding", encodeRequest("GET", url, "", "Transfer-Encoding", "chunked"), filterv1.StatusBadArgument},
		{"Content-Length", encodeRequest("GET", url, "", "Content-Length", "1"), filterv1.StatusBadArgument},
		{"Connection", encodeRequest("GET", url, "", "Connection", "close"), filterv1.StatusBadArgument},
		{"elsewhere", encodeRequest("GET", "https://other.example/?secret", ""), filterv1.StatusNotGranted},
		{"link-local, even where it is listed", encodeRequest("GET", "https://169.254.169.254/?secret", ""), filterv1.StatusUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, refusal := h.Call(t.Context(), nil, c.request, time.Second)
			if refusal == nil || refusal.Status != c.want || refusal.Reason == nil || strings.Contains(refusal.Reason.Error(), "secret") {
				t.Errorf("%+v, want %s", refusal, c.want)
			}
		})
	}
}

func TestHTTPCallIsBounded(t *testing.T) {
	hung := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			_, _ = w.Write(make([]byte, 1001))
		case "/huge":
			_, _ = w.Write(make([]byte, MaxHTTPAnswerBytes+1))
		case "/fits":
			_, _ = w.Write(make([]byte, 1000))
		case "/slow":
			<-r.Context().Done()
			hung <- struct{}{}
		}
	}))
	defer server.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	nobody := "http://" + closed.Addr().String()
	h, _ := newCaller(t, 1000, server.URL, nobody)
	h.slots = make(chan struct{}, 1)
	call := func(ctx context.Context, url string, timeout time.Duration) filterv1.Status {
		_, refusal := h.Call(ctx, nil, encodeRequest("GET", url, ""), timeout)
		return refusedWith(refusal)
	}
	for url, want := range map[string]filterv1.Status{
		server.URL + "/fits": filterv1.StatusOK, server.URL + "/large": filterv1.StatusTooLarge,
		server.URL + "/huge": filterv1.StatusTooLarge, nobody + "/": filterv1.StatusUnavailable,
	} {
		if s := call(t.Context(), url, 0); s != want {
			t.Errorf("%s: %s, want %s", url, s, want)
		}
	}
	if s := call(t.Context(), server.URL+"/slow", 20*time.Millisecond); s != filterv1.StatusUnavailable {
		t.Errorf("a silent server: %s", s)
	}
	<-hung
	// The client hangs up.
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan filterv1.Status)
	go func() { first <- call(ctx, server.URL+"/slow", 0) }()
	for len(h.slots) == 0 {
		time.Sleep(time.Millisecond)
	}
	if s := call(t.Context(), server.URL+"/fits", 20*time.Millisecond); s != filterv1.StatusUnavailable {
		t.Errorf("one call too many: %s", s)
	}
	cancel()
	if s := <-first; s != filterv1.StatusUnavailable {
		t.Errorf("after the client has gone: %s", s)
	}
	<-hung
	if s := call(t.Context(), server.URL+"/fits", 0); s != filterv1.StatusOK {
		t.Errorf("after all: %s", s)
	}
}

func TestUnansweredHidesTheURL(t *testing.T) {
	_, err := http.Get("http://127.0.0.1:1/?token=secret")
	if err == nil || !strings.Contains(err.Error(), "secret") {
		t.Fatalf("the error of net/http has changed: %v", err)
	}
	if r := unanswered(err); strings.Contains(r.Reason.Error(), "secret") || errors.Is(r.Reason, context.Canceled) {
		t.Error(r.Reason)
	}
}
