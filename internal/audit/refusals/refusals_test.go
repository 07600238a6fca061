package refusals_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/audit/refusals"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
)

// recorder keeps the records in memory.
type recorder struct {
	mu   sync.Mutex
	kept []audit.Record
}

func (r *recorder) Record(ctx context.Context, record audit.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.kept = append(r.kept, record)
	return nil
}

type fixture struct {
	recorder
	watcher *refusals.Watcher
	handler http.Handler
	now     time.Time
}

// setUp returns a watcher around an API that answers what the query asks for.
func setUp() *fixture {
	f := &fixture{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	f.watcher = refusals.New(refusals.Options{
		Service: "user", Recorder: f, Conflicts: []string{"last_admin"}, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return f.now },
	})
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, r *http.Request) {
		status := 0
		if _, err := fmt.Sscan(r.URL.Query().Get("status"), &status); err != nil {
			_, _ = w.Write([]byte("fine"))
			return
		}
		problem.Write(w, r, problem.New(status, r.URL.Query().Get("code"), "not for you"))
	}
	mux.HandleFunc("GET /v1/users/{id}", answer)
	mux.HandleFunc("/v1/other", answer)
	f.handler = f.watcher.Watch(mux)
	return f
}

var ada = identity.Principal{Kind: identity.KindUser, Subject: "ada", SessionID: "s1"}

func (f *fixture) call(p identity.Principal, method, path string) {
	r := httptest.NewRequest(method, path, nil)
	f.handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(identity.WithPrincipal(r.Context(), p)))
}

// told ends the watcher's work and returns what was recorded, one line each.
func (f *fixture) told(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.watcher.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	var lines []string
	for _, r := range f.kept {
		if r.Service != "user" || r.Action != refusals.Action || r.Outcome != audit.Denied || r.SubjectKind != "operation" {
			t.Errorf("record %+v", r)
		}
		lines = append(lines, fmt.Sprintf("%s: %s (%s) %s", r.ActorID, r.SubjectID, r.Details["path"], r.Details["code"]))
	}
	return lines
}

func TestWhatIsARefusal(t *testing.T) {
	for name, c := range map[string]struct {
		principal    identity.Principal
		method, path string
		want         []string
	}{
		"a 403":                {ada, "GET", "/v1/users/bob?status=403&code=forbidden", []string{"ada: GET /v1/users/{id} (/v1/users/bob) forbidden"}},
		"a 403 to HEAD":        {ada, "HEAD", "/v1/users/bob?status=403&code=forbidden", []string{"ada: HEAD /v1/users/{id} (/v1/users/bob) "}}, // has no body
		"a 403 of any method":  {ada, "PUT", "/v1/other?status=403&code=escalation", []string{"ada: PUT /v1/other (/v1/other) escalation"}},
		"a 403 without a code": {ada, "PUT", "/v1/other?status=403", []string{"ada: PUT /v1/other (/v1/other) "}},
		"a 409 of the list":    {ada, "GET", "/v1/users/bob?status=409&code=last_admin", []string{"ada: GET /v1/users/{id} (/v1/users/bob) last_admin"}},
		"another 409":          {ada, "GET", "/v1/users/bob?status=409&code=email_taken", nil},
		"a 404":                {ada, "GET", "/v1/users/bob?status=404&code=last_admin", nil},
		"a success":            {ada, "GET", "/v1/users/bob", nil},
		"nobody":               {identity.Principal{}, "GET", "/v1/users/bob?status=403", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp()
			f.call(c.principal, c.method, c.path)
			if diff := cmp.Diff(c.want, f.told(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRepetitions: the same to the same actor once a minute, and a harmless
// refusal hides no other.
func TestRepetitions(t *testing.T) {
	f := setUp()
	bob := identity.Principal{Kind: identity.KindUser, Subject: "bob"}
	for range 1000 {
		f.call(ada, "GET", "/v1/users/x?status=403&code=forbidden")
	}
	f.call(ada, "GET", "/v1/users/x?status=403&code=outranked")
	f.call(bob, "GET", "/v1/users/x?status=403&code=forbidden")
	f.now = f.now.Add(59 * time.Second)
	f.call(ada, "GET", "/v1/users/y?status=403&code=forbidden")
	f.now = f.now.Add(time.Second)
	f.call(ada, "GET", "/v1/users/z?status=403&code=forbidden")
	want := []string{
		"ada: GET /v1/users/{id} (/v1/users/x) forbidden", "ada: GET /v1/users/{id} (/v1/users/x) outranked",
		"bob: GET /v1/users/{id} (/v1/users/x) forbidden", "ada: GET /v1/users/{id} (/v1/users/z) forbidden",
	}
	if diff := cmp.Diff(want, f.told(t)); diff != "" {
		t.Error(diff)
	}
}

// TestBounds: what nobody records in time is dropped, and a long path is cut.
func TestBounds(t *testing.T) {
	f := setUp()
	for i := range 500 {
		f.call(identity.Principal{Kind: identity.KindClient, Subject: fmt.Sprint("c", i)}, "GET", "/v1/users/"+strings.Repeat("x", 5000)+"?status=403")
	}
	if got := f.told(t); len(got) != 256 || len(got[0]) > 300 {
		t.Errorf("%d records, the first %.400s", len(got), got[0])
	}
}
