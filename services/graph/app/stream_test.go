package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/config"
	"gatehouse.example/internal/identity"
)

// inbox is an email service whose stream says what a test sends.
type inbox struct {
	events chan string
	// gone is closed when the stream's reader is.
	gone chan struct{}
}

func newInbox(f *fixture) *inbox {
	in := &inbox{events: make(chan string), gone: make(chan struct{})}
	f.email.routes["/v1/notifications/stream"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		out := http.NewResponseController(w)
		_, _ = io.WriteString(w, ":\n\nevent: unread\ndata: {\"unread\":3}\n\n")
		_ = out.Flush()
		defer close(in.gone)
		for {
			select {
			case event, more := <-in.events:
				if !more {
					return
				}
				_, _ = io.WriteString(w, event)
				_ = out.Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	return in
}

// subscribe sends ada's operation and returns its events, "name data" each;
// comments are left out.
func (f *fixture) subscribe(query string) (resp *http.Response, next func() string) {
	f.t.Helper()
	r := f.request(post(query))
	r.Header.Set("Accept", "text/event-stream")
	resp, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		f.t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	return resp, func() string {
		name := ""
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = rest
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return strings.TrimSpace(name + " " + data)
			}
		}
		return "end"
	}
}

func want(t *testing.T, next func() string, events ...string) {
	t.Helper()
	for _, event := range events {
		if got := next(); got != event {
			t.Fatalf("event\n got %s\nwant %s", got, event)
		}
	}
}

func TestSubscription(t *testing.T) {
	f := setUp(t)
	in := newInbox(f)
	_, next := f.subscribe(`subscription { notifications { id title data } }`)
	for i := range 3 {
		in.events <- fmt.Sprintf("id: %d\nevent: notification\ndata: %s\n\n:\n\n", i, strings.ReplaceAll(notification, `"n1"`, fmt.Sprintf(`"n%d"`, i)))
		want(t, next, fmt.Sprintf(`next {"data":{"notifications":{"id":"n%d","title":"New sign-in","data":{"device":"Firefox"}}}}`, i))
	}
	close(in.events)
	want(t, next, "complete", "end")
	f.email.mu.Lock()
	defer f.email.mu.Unlock()
	if c := f.email.calls[0]; c.peer != "graph" || c.subject != ada {
		t.Errorf("the stream was opened by %+v", c)
	}
}

func TestSubscriptionToTheCount(t *testing.T) {
	f := setUp(t)
	in := newInbox(f)
	_, next := f.subscribe(`subscription { n: unreadNotifications }`)
	want(t, next, `next {"data":{"n":3}}`)
	in.events <- "event: notification\ndata: " + notification + "\n\nevent: other\ndata: x\n\nevent: unread\ndata: {\"unread\":4}\n\n"
	want(t, next, `next {"data":{"n":4}}`)
}

func TestAClientThatHangsUpEndsTheStream(t *testing.T) {
	f := setUp(t)
	in := newInbox(f)
	resp, next := f.subscribe(`subscription { unreadNotifications }`)
	want(t, next, `next {"data":{"unreadNotifications":3}}`)
	resp.Body.Close()
	<-in.gone
}

func TestAServerThatStopsEndsTheStream(t *testing.T) {
	f := setUp(t)
	in := newInbox(f)
	_, next := f.subscribe(`subscription { unreadNotifications }`)
	want(t, next, `next {"data":{"unreadNotifications":3}}`)
	f.app.Drain()
	<-in.gone
	want(t, next, "complete", "end")
}

func TestAStreamThatBreaksOff(t *testing.T) {
	f := setUp(t)
	in := newInbox(f)
	_, next := f.subscribe(`subscription { unreadNotifications }`)
	want(t, next, `next {"data":{"unreadNotifications":3}}`)
	in.events <- "event: unread\ndata: {\"unread\"\n\n"
	want(t, next, "complete", "end")
}

func TestStreamsThatCannotBegin(t *testing.T) {
	f := setUp(t)
	for name, test := range map[string]struct {
		query string
		route http.HandlerFunc
		event string
	}{
		"refused":     {`subscription { notifications { id } }`, refuse(http.StatusTooManyRequests, "too many streams"), `"code":"RATE_LIMITED"`},
		"ended":       {`subscription { notifications { id } }`, refuse(http.StatusUnauthorized, "x"), `"code":"UNAUTHENTICATED"`},
		"unavailable": {`subscription { notifications { id } }`, refuse(http.StatusServiceUnavailable, "x"), `"code":"SERVICE_UNAVAILABLE"`},
		"invalid":     {`subscription { notifications { password } }`, nil, `"code":"GRAPHQL_VALIDATION_FAILED"`},
		"too deep":    {`{ me ` + strings.Repeat("{ me ", 20) + strings.Repeat("}", 20) + `}`, nil, `"code":"DEPTH_LIMIT"`},
	} {
		t.Run(name, func(t *testing.T) {
			f.email.routes["/v1/notifications/stream"] = test.route
			_, next := f.subscribe(test.query)
			if got := next(); !strings.HasPrefix(got, `next {`) || !strings.Contains(got, test.event) {
				t.Errorf("event %s, want %s", got, test.event)
			}
			want(t, next, "complete", "end")
		})
	}
}

func TestAQueryAsAStream(t *testing.T) {
	f := setUp(t)
	_, next := f.subscribe(`{ me { email } }`)
	want(t, next, `next {"data":{"me":{"email":"ada@example.com"}}}`, "complete", "end")
}

func TestAQueryAsAStreamHasItsTime(t *testing.T) {
	f := setUp(t, func(c *config.Graph) { c.Timeout = 1500 * time.Millisecond })
	f.auth.hangs.Store(true)
	_, next := f.subscribe(`{ me { email sessions { id } } }`)
	got := next()
	if !strings.Contains(got, `"code":"TIMEOUT"`) || !strings.Contains(got, `{"data":{"me":{"email":"ada@example.com","sessions":null}}`) {
		t.Errorf("event %s", got)
	}
	want(t, next, "complete", "end")
}

func TestOnlyPeopleFollowNotifications(t *testing.T) {
	f := setUp(t)
	r := f.request(post(`subscription { notifications { id } }`))
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer "+f.token(identity.Principal{Kind: identity.KindClient, Subject: "app", ClientID: "app"}))
	_, body := f.send(r)
	if !strings.Contains(string(body), `"code":"FORBIDDEN"`) || !strings.Contains(string(body), "event: complete") {
		t.Errorf("%s", body)
	}
	if asked := f.email.asked(); asked != nil {
		t.Errorf("the email service was asked for %v", asked)
	}
}

func TestLongLived(t *testing.T) {
	f := setUp(t)
	for accept, want := range map[string]bool{
		"text/event-stream": true, "application/json, text/event-stream;q=0.1": true,
		"text/event-stream;q=0": false, "*/*": false, "": false, "text/*": false,
	} {
		r := f.request("")
		r.Header.Set("Accept", accept)
		if got := f.app.LongLived(r); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
