// Package load asks the services at most once a request for each thing,
// however many fields and aliases of a query want it, for several users in one
// call where a service offers that, and for only so many things at a time.
//
// What the calls are is left to package upstream; what a field makes of the
// answer to package resolve.
package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/vikstrous/dataloadgen"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/graph"
	"gatehouse.example/services/graph/upstream"
)

const (
	// Wait is how long a loader waits for further keys before it asks.
	Wait = time.Millisecond
	// maxCalls bounds the calls of one request that are under way at once: a
	// query over many users must not crowd out other callers' requests.
	maxCalls = 8
)

// Services is what is asked; *upstream.Services has it.
type Services interface {
	People
	Belongings
	Inbox
}

// People says who somebody is.
type People interface {
	Me(ctx context.Context) (*graph.Account, error)
	User(ctx context.Context, id string) (*graph.Account, error)
	Users(ctx context.Context, ids []string) ([]*graph.Account, error)
}

// Belongings is what a person has.
type Belongings interface {
	Permissions(ctx context.Context, id string) ([]string, error)
	Preferences(ctx context.Context, id string) ([]graph.Preference, error)
	Sessions(ctx context.Context, id string, limit int) ([]graph.Session, error)
}

// Inbox is the caller's notifications.
type Inbox interface {
	Notifications(ctx context.Context, in upstream.Inbox) (*graph.NotificationPage, error)
	Unread(ctx context.Context) (int, error)
}

var _ Services = (*upstream.Services)(nil)

// SessionsOf says which sessions are meant.
type SessionsOf struct {
	UserID string
	Limit  int
}

// Loaders belong to one request of one caller. They are safe for concurrent use.
type Loaders struct {
	// Accounts by user id; nil, without an error, where there is none.
	Accounts *dataloadgen.Loader[string, *graph.Account]
	// Permissions by user id.
	Permissions *dataloadgen.Loader[string, []string]
	// Preferences by user id: all namespaces.
	Preferences *dataloadgen.Loader[string, []graph.Preference]
	// Sessions of a user.
	Sessions *dataloadgen.Loader[SessionsOf, []graph.Session]
	// Notifications of the caller.
	Notifications *dataloadgen.Loader[upstream.Inbox, *graph.NotificationPage]
	// Unread is the caller's count, whatever the key.
	Unread *dataloadgen.Loader[struct{}, int]

	services Services
	caller   identity.Principal
	slots    chan struct{}

	mu   sync.Mutex // guards down
	down map[string]error
}

// New returns the loaders for one request of caller. wait is [Wait], or longer
// in tests.
func New(s Services, caller identity.Principal, wait time.Duration) *Loaders {
	l := &Loaders{services: s, caller: caller, slots: make(chan struct{}, maxCalls), down: map[string]error{}}
	o := dataloadgen.WithWait(wait)
	l.Accounts = dataloadgen.NewLoader(l.accounts, o, dataloadgen.WithBatchCapacity(upstream.MaxBatch))
	l.Permissions = each(l, user, o, s.Permissions)
	l.Preferences = each(l, user, o, s.Preferences)
	l.Sessions = each(l, auth, o, func(ctx context.Context, of SessionsOf) ([]graph.Session, error) {
		if l.own(of.UserID) {
			of.UserID = ""
		}
		return s.Sessions(ctx, of.UserID, of.Limit)
	})
	l.Notifications = each(l, email, o, s.Notifications)
	l.Unread = each(l, email, o, func(ctx context.Context, _ struct{}) (int, error) { return s.Unread(ctx) })
	return l
}

// The services, as far as one that does not answer is asked no more.
const (
	user  = "user"
	auth  = "auth"
	email = "email"
)

// own reports whether the user is the caller.
func (l *Loaders) own(id string) bool {
	return l.caller.Kind == identity.KindUser && l.caller.Subject == id
}

// accounts answers a batch: oneself by /v1/me, which needs no permission, one
// other by its own path, several others by one list.
func (l *Loaders) accounts(ctx context.Context, ids []string) ([]*graph.Account, []error) {
	found, errs := make([]*graph.Account, len(ids)), make([]error, len(ids))
	at := map[string]int{}
	var others []string
	var work sync.WaitGroup
	for i, id := range ids {
		at[id] = i
		if !l.own(id) {
			others = append(others, id)
			continue
		}
		work.Go(func() { found[i], errs[i] = call(ctx, l, user, l.services.Me) })
	}
	switch len(others) {
	case 0:
	case 1:
		i := at[others[0]]
		found[i], errs[i] = call(ctx, l, user, func(ctx context.Context) (*graph.Account, error) {
			return l.services.User(ctx, others[0])
		})
	default:
		all, err := call(ctx, l, user, func(ctx context.Context) ([]*graph.Account, error) {
			return l.services.Users(ctx, others)
		})
		for _, id := range others {
			errs[at[id]] = err
		}
		for _, a := range all {
			if i, asked := at[a.ID]; asked && !l.own(a.ID) {
				found[i] = a
			}
		}
	}
	work.Wait()
	for i, err := range errs {
		if problem.HasStatus(err, http.StatusNotFound) {
			found[i], errs[i] = nil, nil
		}
	}
	return found, errs
}

// each makes a loader of a call for one key.
func each[K comparable, V any](l *Loaders, service string, o dataloadgen.Option, one func(context.Context, K) (V, error)) *dataloadgen.Loader[K, V] {
	return dataloadgen.NewLoader(func(ctx context.Context, keys []K) ([]V, []error) {
		values, errs := make([]V, len(keys)), make([]error, len(keys))
		var work sync.WaitGroup
		for i, key := range keys {
			work.Go(func() {
				values[i], errs[i] = call(ctx, l, service, func(ctx context.Context) (V, error) { return one(ctx, key) })
			})
		}
		work.Wait()
		return values, errs
	}, o)
}

// call waits for its turn and asks, unless the service was found not to answer
// while this request lasted: many keys must not wait for it one after the other.
func call[V any](ctx context.Context, l *Loaders, service string, ask func(context.Context) (V, error)) (v V, err error) {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return v, ctx.Err()
	}
	if err := l.unavailable(service); err != nil {
		return v, err
	}
	defer func() {
		// The goroutine is not gqlgen's, which would catch it.
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic while %s was asked: %v", service, panicked)
		}
	}()
	v, err = ask(ctx)
	if err != nil && ctx.Err() == nil && (errors.Is(err, api.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)) {
		l.mu.Lock()
		l.down[service] = err
		l.mu.Unlock()
	}
	return v, err
}

func (l *Loaders) unavailable(service string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down[service]
}

type contextKey struct{}

// With returns a context that carries l to the fields of its request.
func With(ctx context.Context, l *Loaders) context.Context {
	return context.WithValue(ctx, contextKey{}, l)
}

// From returns what [With] put into the context; it panics where there is none.
func From(ctx context.Context) *Loaders { return ctx.Value(contextKey{}).(*Loaders) }
