package load_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/graph"
	"gatehouse.example/services/graph/load"
	"gatehouse.example/services/graph/upstream"
)

// services answers what it was told to, and keeps what it was asked.
type services struct {
	fail error
	// hold, where it is set, is what every call waits for.
	hold chan struct{}

	mu     sync.Mutex
	asked  []string
	within atomic.Int32
	most   int32
}

func (s *services) ask(format string, args ...any) error {
	now := s.within.Add(1)
	s.mu.Lock()
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
	s.most = max(s.most, now)
	s.mu.Unlock()
	if s.hold != nil {
		<-s.hold
	}
	s.within.Add(-1)
	return s.fail
}

func (s *services) Me(context.Context) (*graph.Account, error) {
	return &graph.Account{ID: "me"}, s.ask("me")
}

func (s *services) User(_ context.Context, id string) (*graph.Account, error) {
	if id == "nobody" {
		return nil, errors.Join(s.ask("user %s", id), problem.New(http.StatusNotFound, "user_not_found", ""))
	}
	return &graph.Account{ID: id}, s.ask("user %s", id)
}

func (s *services) Users(_ context.Context, ids []string) (found []*graph.Account, err error) {
	slices.Sort(ids)
	for _, id := range ids {
		if id != "nobody" {
			found = append(found, &graph.Account{ID: id})
		}
	}
	return found, s.ask("users %s", strings.Join(ids, " "))
}

func (s *services) Permissions(_ context.Context, id string) ([]string, error) {
	if id == "panic" {
		panic("a fault")
	}
	return []string{id}, s.ask("permissions %s", id)
}

func (s *services) Preferences(_ context.Context, id string) ([]graph.Preference, error) {
	return nil, s.ask("preferences %s", id)
}

func (s *services) Sessions(_ context.Context, id string, limit int) ([]graph.Session, error) {
	return nil, s.ask("sessions %q %d", id, limit)
}

func (s *services) Notifications(_ context.Context, in upstream.Inbox) (*graph.NotificationPage, error) {
	return &graph.NotificationPage{}, s.ask("notifications %d", in.Limit)
}

func (s *services) Unread(context.Context) (int, error) { return 1, s.ask("unread") }

// wait is long enough for all keys of a test to come into one batch.
const wait = 100 * time.Millisecond

func loaders(s *services) *load.Loaders {
	return load.New(s, identity.Principal{Kind: identity.KindUser, Subject: "me"}, wait)
}

func TestAccountsAreAskedForTogether(t *testing.T) {
	for name, test := range map[string]struct {
		ids   []string
		asked []string
	}{
		"oneself":             {[]string{"me", "me"}, []string{"me"}},
		"one":                 {[]string{"a"}, []string{"user a"}},
		"nobody":              {[]string{"nobody"}, []string{"user nobody"}},
		"several":             {[]string{"b", "a", "b", "nobody"}, []string{"users a b nobody"}},
		"several and oneself": {[]string{"b", "me", "a"}, []string{"me", "users a b"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &services{}
			found, err := loaders(s).Accounts.LoadAll(t.Context(), test.ids)
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range test.ids {
				if id == "nobody" {
					if found[i] != nil {
						t.Errorf("nobody is %+v", found[i])
					}
				} else if found[i] == nil || found[i].ID != id {
					t.Errorf("%s is %+v", id, found[i])
				}
			}
			slices.Sort(s.asked)
			if diff := cmp.Diff(test.asked, s.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARefusalOfAListIsEverybodys(t *testing.T) {
	s := &services{fail: problem.New(http.StatusForbidden, "forbidden", "")}
	l := loaders(s)
	mine, a, b := l.Accounts.LoadThunk(t.Context(), "me"), l.Accounts.LoadThunk(t.Context(), "a"), l.Accounts.LoadThunk(t.Context(), "b")
	for _, thunk := range []func() (*graph.Account, error){mine, a, b} {
		if _, err := thunk(); !errors.Is(err, s.fail) {
			t.Errorf("error %v", err)
		}
	}
}

func TestASessionListIsAskedForOnce(t *testing.T) {
	s := &services{}
	l := loaders(s)
	keys := []load.SessionsOf{{UserID: "me", Limit: 5}, {UserID: "a", Limit: 5}, {UserID: "me", Limit: 5}, {UserID: "me", Limit: 6}}
	if _, err := l.Sessions.LoadAll(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.asked)
	if diff := cmp.Diff([]string{`sessions "" 5`, `sessions "" 6`, `sessions "a" 5`}, s.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestCallsAreBounded(t *testing.T) {
	s := &services{hold: make(chan struct{}, 100)}
	l := loaders(s)
	var keys []string
	for i := range 40 {
		keys = append(keys, fmt.Sprint(i))
		s.hold <- struct{}{}
	}
	if _, err := l.Permissions.LoadAll(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if len(s.asked) != 40 || s.most > 8 {
		t.Errorf("%d calls, %d at once", len(s.asked), s.most)
	}
}

func TestAServiceThatDoesNotAnswerIsLeftAlone(t *testing.T) {
	s := &services{fail: fmt.Errorf("call: %w", api.ErrUnavailable)}
	l := loaders(s)
	if _, err := l.Permissions.Load(t.Context(), "a"); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	if _, err := l.Preferences.Load(t.Context(), "b"); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	if _, err := l.Unread.Load(t.Context(), struct{}{}); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string{"permissions a", "unread"}, s.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	l := loaders(&services{})
	bad, good := l.Permissions.LoadThunk(t.Context(), "panic"), l.Permissions.LoadThunk(t.Context(), "a")
	if _, err := bad(); err == nil {
		t.Error("no error")
	}
	if found, err := good(); err != nil || !slices.Equal(found, []string{"a"}) {
		t.Errorf("the other key: %v, %v", found, err)
	}
}

func TestACallerThatGoesWaitsNoLonger(t *testing.T) {
	s := &services{hold: make(chan struct{})}
	defer close(s.hold)
	l := load.New(s, identity.Principal{}, 0)
	for i := range 8 {
		go func() { _, _ = l.Permissions.Load(t.Context(), fmt.Sprint(i)) }()
	}
	for s.within.Load() < 8 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Unread.Load(ctx, struct{}{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
