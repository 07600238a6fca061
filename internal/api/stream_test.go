package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/problem"
)

// streams serves text as a stream of events.
func streams(t testing.TB, text string) *api.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			t.Errorf("Accept: %s", r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return api.New(api.Options{Base: s.URL, HTTP: s.Client()})
}

func events(t testing.TB, c *api.Client) ([]api.ServerEvent, error) {
	t.Helper()
	s, err := c.Events(t.Context(), "/stream")
	if err != nil {
		t.Fatal(err)
	}
	var all []api.ServerEvent
	err = s.Each(func(e api.ServerEvent) error { all = append(all, e); return nil })
	return all, err
}

func TestEvents(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []api.ServerEvent
	}{
		"nothing":           {"", nil},
		"comments":          {":\n\n: x\n\n", nil},
		"one":               {"id: 7\nevent: a\ndata: b\n\n", []api.ServerEvent{{ID: "7", Name: "a", Data: "b"}}},
		"a message":         {"data:b\n\n", []api.ServerEvent{{Name: "message", Data: "b"}}},
		"several lines":     {"data: a\ndata:  b\ndata\n\n", []api.ServerEvent{{Name: "message", Data: "a\n b\n"}}},
		"the id stays":      {"id: 1\ndata: a\n\ndata: b\n\n", []api.ServerEvent{{ID: "1", Name: "message", Data: "a"}, {ID: "1", Name: "message", Data: "b"}}},
		"a name alone":      {"event: a\n\ndata: b\n\n", []api.ServerEvent{{Name: "message", Data: "b"}}},
		"carriage returns":  {"event: a\r\ndata: b\r\n\r\n", []api.ServerEvent{{Name: "a", Data: "b"}}},
		"half of one":       {"data: a\n\ndata: b\n", []api.ServerEvent{{Name: "message", Data: "a"}}},
		"an unknown member": {"retry: 5\nx: y\ndata: a\n\n", []api.ServerEvent{{Name: "message", Data: "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := events(t, streams(t, test.text))
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := events(t, streams(t, "data: "+strings.Repeat("x", 1<<20)+"\n\n")); err == nil {
		t.Error("a line without end was read")
	}
}

func TestEventsStopWithTheirHandler(t *testing.T) {
	s, err := streams(t, "data: a\n\ndata: b\n\n").Events(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	if err := s.Each(func(api.ServerEvent) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

func TestEventsThatDoNotBegin(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			<-r.Context().Done()
			return
		}
		problem.Write(w, r, problem.New(http.StatusForbidden, "no", ""))
	}))
	defer s.Close()
	c := api.New(api.Options{Base: s.URL, Timeout: 50 * time.Millisecond})
	var p *problem.Problem
	if _, err := c.Events(t.Context(), "/refused"); !errors.As(err, &p) || p.Code != "no" {
		t.Errorf("error %v", err)
	}
	if _, err := c.Events(t.Context(), "/late"); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	s.Close()
	if _, err := c.Events(t.Context(), "/gone"); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func TestEventsOutliveTheTimeoutOfACall(t *testing.T) {
	goOn := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-goOn
		_, _ = io.WriteString(w, "data: late\n\n")
	}))
	defer s.Close()
	const timeout = 100 * time.Millisecond
	c := api.New(api.Options{Base: s.URL, Timeout: timeout, HTTP: &http.Client{Timeout: timeout}})
	stream, err := c.Events(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(3*timeout, func() { close(goOn) })
	var got string
	if err := stream.Each(func(e api.ServerEvent) error { got = e.Data; return nil }); err != nil || got != "late" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEventsEndWithTheirContext(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: a\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := api.New(api.Options{Base: s.URL}).Events(ctx, "/")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Each(func(api.ServerEvent) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestTheCallersHeaderGoesInsteadOfTheToken(t *testing.T) {
	var got http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		_, _ = io.WriteString(w, "{}")
	}))
	defer s.Close()
	c := api.New(api.Options{
		Base:   s.URL,
		Token:  func() (string, error) { return "ours", nil },
		Caller: func(_ context.Context, h http.Header) { h.Set("Authorization", "Bearer theirs") },
	})
	if err := c.Do(t.Context(), http.MethodGet, "/", nil, nil); err != nil {
		t.Fatal(err)
	}
	if got.Get("Authorization") != "Bearer theirs" {
		t.Errorf("Authorization: %v", got["Authorization"])
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("id: 1\nevent: a\ndata: b\n\n:\n\n")
	f.Add("data\ndata:\n\n\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := events(t, streams(t, text))
		for _, e := range got {
			if e.Name == "" || strings.ContainsAny(e.ID+e.Name, "\n") {
				t.Errorf("%+v", e)
			}
		}
	})
}
