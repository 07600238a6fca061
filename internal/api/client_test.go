package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/telemetry"
)

type message struct {
	Text string `json:"text"`
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func TestDoSendsAndDecodes(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer tok" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Request-Id") != "req-1" {
			t.Errorf("header = %v", r.Header)
		}
		if r.Method != http.MethodPut || r.URL.String() != "/x?y=z" || string(data) != `{"text":"in"}` {
			t.Errorf("%s %s %s", r.Method, r.URL, data)
		}
		_, _ = io.WriteString(w, `{"text":"out"}`)
	})
	c := api.New(api.Options{Base: url + "/", Token: func() (string, error) { return "tok", nil }})
	var out message
	if err := c.Do(telemetry.WithRequestID(t.Context(), "req-1"), http.MethodPut, "/x?y=z", message{"in"}, &out); err != nil || out.Text != "out" {
		t.Errorf("out = %+v, %v", out, err)
	}
	var raw []byte
	if err := c.Do(telemetry.WithRequestID(t.Context(), "req-1"), http.MethodPut, "/x?y=z", message{"in"}, &raw); err != nil || string(raw) != `{"text":"out"}` {
		t.Errorf("raw = %s, %v", raw, err)
	}
}

func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		contentType, body, code string
	}{
		"problem":       {"application/problem+json; charset=utf-8", `{"status":200,"code":"email_taken","title":"Conflict"}`, "email_taken"},
		"plain text":    {"text/plain", "boo", ""},
		"broken":        {"application/problem+json", "{", ""},
		"nothing":       {"", "", ""},
		"JSON of mine?": {"application/json", `{"code":"email_taken"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, c.body)
			})
			err := api.New(api.Options{Base: url}).Do(t.Context(), http.MethodGet, "/", nil, nil)
			var p *problem.Problem
			if !errors.As(err, &p) || p.Status != http.StatusConflict || p.Code != c.code {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestRetriesOnlyWhatIsSafe(t *testing.T) {
	for _, c := range []struct {
		method string
		tries  int32
	}{{http.MethodGet, 3}, {http.MethodPut, 3}, {http.MethodDelete, 3}, {http.MethodPost, 1}, {http.MethodPatch, 1}} {
		t.Run(c.method, func(t *testing.T) {
			var tries atomic.Int32
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				tries.Add(1)
				hangUp(w)
			})
			// A transport of its own: a reused connection that dies makes
			// net/http itself send again.
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			err := api.New(api.Options{Base: url, HTTP: client}).Do(t.Context(), c.method, "/", message{"x"}, nil)
			var p *problem.Problem
			if !errors.Is(err, api.ErrUnavailable) || !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable {
				t.Errorf("error = %v", err)
			}
			if tries.Load() != c.tries {
				t.Errorf("sent %d times, want %d", tries.Load(), c.tries)
			}
		})
	}
}

func TestRecoversFromOneLostConnection(t *testing.T) {
	var tries atomic.Int32
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if tries.Add(1) == 1 {
			hangUp(w)
			return
		}
		_ = json.NewEncoder(w).Encode(message{"there"})
	})
	var out message
	err := api.New(api.Options{Base: url, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}).
		Do(t.Context(), http.MethodGet, "/", nil, &out)
	if err != nil || out.Text != "there" {
		t.Errorf("out = %+v, %v", out, err)
	}
}

func TestNothingListens(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	url := s.URL
	s.Close()
	err := api.New(api.Options{Base: url}).Do(t.Context(), http.MethodPost, "/", nil, nil)
	if !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("error = %v", err)
	}
}

func TestTimeoutAndCancellation(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := api.New(api.Options{Base: url, Timeout: 50 * time.Millisecond, Attempts: 2})
	begin := time.Now()
	if err := c.Do(t.Context(), http.MethodGet, "/", nil, nil); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("error = %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Do(ctx, http.MethodGet, "/", nil, nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, api.ErrUnavailable) {
		t.Errorf("the caller gave up, but error = %v", err)
	}
}

func TestBoundsTheAnswer(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `"`+strings.Repeat("x", 5<<20)+`"`)
	})
	var out string
	if err := api.New(api.Options{Base: url, Attempts: 1}).Do(t.Context(), http.MethodGet, "/", nil, &out); err == nil {
		t.Error("an endless answer was read")
	}
}
