package telemetry_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"gatehouse.example/internal/telemetry"
)

// logBuffer may be written by the server while the test reads.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func setup(t *testing.T, o telemetry.Options) (*telemetry.Telemetry, *logBuffer) {
	t.Helper()
	var log logBuffer
	o.Output, o.Level = &log, "debug"
	tel, err := telemetry.Setup(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tel, &log
}

func serve(t *testing.T, tel *telemetry.Telemetry, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(telemetry.Middleware("user", tel)(handler))
	t.Cleanup(server.Close)
	return server.URL
}

func do(t *testing.T, method, address string, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestRequestID(t *testing.T) {
	tel, log := setup(t, telemetry.Options{Service: "user"})
	address := serve(t, tel, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, telemetry.RequestID(r.Context()))
	}))
	response, body := do(t, "GET", address, http.Header{"X-Request-Id": {"abc-1.2:3"}})
	if body != "abc-1.2:3" || response.Header.Get("X-Request-Id") != body {
		t.Errorf("context %q, header %q", body, response.Header.Get("X-Request-Id"))
	}
	if !strings.Contains(log.String(), `"request_id":"abc-1.2:3"`) {
		t.Errorf("log: %s", log)
	}
	for _, bad := range []string{"", "with space", `quote"`, strings.Repeat("a", 129), "ümlaut", "<script>"} {
		response, body := do(t, "GET", address, http.Header{"X-Request-Id": {bad}})
		if body == bad || len(body) != 36 || response.Header.Get("X-Request-Id") != body {
			t.Errorf("%q became %q", bad, body)
		}
	}
	if telemetry.RequestID(context.Background()) != "" {
		t.Error("a request id out of nowhere")
	}
}

func TestMetricsAreBounded(t *testing.T) {
	tel, _ := setup(t, telemetry.Options{})
	address := serve(t, tel, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
		}
	}))
	do(t, "GET", address+"/a", nil)
	do(t, "GET", address+"/b", nil)
	do(t, "GET", address+"/missing", nil)
	for _, method := range []string{"BREW", "PROPFIND", "get"} {
		do(t, method, address, nil)
	}
	w := httptest.NewRecorder()
	telemetry.MetricsHandler(tel.Registry).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`gatehouse_http_requests_total{method="GET",service="user",status="200"} 2`,
		`gatehouse_http_requests_total{method="GET",service="user",status="404"} 1`,
		`gatehouse_http_requests_total{method="OTHER",service="user",status="200"} 3`,
		`gatehouse_http_request_duration_seconds_count{method="GET",service="user"} 3`,
		`go_goroutines`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is missing in\n%s", want, w.Body)
		}
	}
}

func TestServicesShareARegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	one, _ := setup(t, telemetry.Options{Service: "auth", Registry: registry})
	two, _ := setup(t, telemetry.Options{Service: "user", Registry: registry})
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, tel := range map[string]*telemetry.Telemetry{"auth": one, "user": two} {
		telemetry.Middleware(name, tel)(ok).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
	w := httptest.NewRecorder()
	telemetry.MetricsHandler(registry).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, name := range []string{"auth", "user"} {
		if !strings.Contains(w.Body.String(), `gatehouse_http_requests_total{method="GET",service="`+name+`",status="200"} 1`) {
			t.Errorf("%s is not counted", name)
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	tel, log := setup(t, telemetry.Options{})
	address := serve(t, tel, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/late":
			_, _ = io.WriteString(w, strings.Repeat("x", 10000))
			w.(http.Flusher).Flush()
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic("token Bearer hushhushhush")
	}))
	response, body := do(t, "GET", address, nil)
	var p struct{ Status int }
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != 500 || response.StatusCode != 500 ||
		response.Header.Get("Content-Type") != "application/problem+json" || strings.Contains(body, "hush") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	for _, path := range []string{"/late", "/abort"} {
		response, err := http.Get(address + path)
		if err == nil {
			_, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
		}
		if err == nil {
			t.Errorf("%s looks like a whole answer", path)
		}
	}
	text := log.String()
	if strings.Contains(text, "hush") || strings.Count(text, "handler panicked") != 2 || !strings.Contains(text, "http_test.go") {
		t.Errorf("log: %s", text)
	}
}

func TestTraceContinues(t *testing.T) {
	tel, log := setup(t, telemetry.Options{})
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	address := serve(t, tel, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, trace.SpanContextFromContext(r.Context()).TraceID().String())
	}))
	_, body := do(t, "GET", address, http.Header{"Traceparent": {"00-" + id + "-00f067aa0ba902b7-01"}})
	if body != id || !strings.Contains(log.String(), `"trace_id":"`+id+`"`) {
		t.Errorf("%s; %s", body, log)
	}
}

func TestTracesAreExported(t *testing.T) {
	received := make(chan []byte, 4)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v1/traces" {
			received <- body
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	var log logBuffer
	tel, err := telemetry.Setup(context.Background(), telemetry.Options{Service: "user", OTLPEndpoint: collector.URL, SampleRatio: 1, Output: &log})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/users/{id}", func(http.ResponseWriter, *http.Request) {})
	telemetry.Middleware("user", tel)(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v1/users/7", nil))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := tel.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case body := <-received:
		for _, want := range []string{"gatehouse-user", "/v1/users/{id}"} {
			if !bytes.Contains(body, []byte(want)) {
				t.Errorf("%q is not in the export", want)
			}
		}
	default:
		t.Error("nothing was exported")
	}
	if _, err := telemetry.Setup(context.Background(), telemetry.Options{OTLPEndpoint: "nowhere"}); err == nil {
		t.Error("an endpoint that is no URL")
	}
}

func TestStreamsPass(t *testing.T) {
	tel, _ := setup(t, telemetry.Options{})
	next := make(chan struct{})
	address := serve(t, tel, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		controller := http.NewResponseController(w)
		if err := controller.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
		for i := range 2 {
			if i > 0 {
				<-next
			}
			_, _ = io.WriteString(w, "data: x\n")
			if err := controller.Flush(); err != nil {
				t.Error(err)
			}
		}
	}))
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	if !lines.Scan() {
		t.Error("the first event waits for the second")
	}
	close(next)
	if !lines.Scan() {
		t.Error("the second event is missing")
	}
}

func TestHealthIsQuiet(t *testing.T) {
	var log logBuffer
	tel, err := telemetry.Setup(context.Background(), telemetry.Options{Output: &log})
	if err != nil {
		t.Fatal(err)
	}
	handler := telemetry.Middleware("user", tel)(http.NotFoundHandler())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/healthz", nil))
	if log.String() != "" {
		t.Errorf("log: %s", &log)
	}
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x?token=hush", nil))
	if !strings.Contains(log.String(), `"path":"/x"`) || strings.Contains(log.String(), "hush") {
		t.Errorf("log: %s", &log)
	}
}
