// Package upstream asks the user, auth and email services for what the schema
// shows, over their public REST API, with this service's identity on the
// connection and the caller's own internal token in the request: what they
// answer is what they would answer the caller.
//
// Asking once for what several fields need is left to package load.
package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse.example/internal/api"
	"gatehouse.example/services/graph"
)

// Timeout bounds one call with all its attempts: a service that hangs must not
// take the time of the fields that others answer.
const Timeout = 2 * time.Second

// MaxBatch is the most users that one call can ask for.
const MaxBatch = 100

// passed are the fields of the caller's request that go on: who it is, and the
// language in which it reads notifications.
var passed = []string{"Authorization", "Accept-Language"}

type callerKey struct{}

// WithCaller returns a context whose calls are made for the request with the
// header. Its credential must have been verified.
func WithCaller(ctx context.Context, h http.Header) context.Context {
	goesOn := http.Header{}
	for _, name := range passed {
		if values := h.Values(name); values != nil {
			goesOn[name] = values
		}
	}
	return context.WithValue(ctx, callerKey{}, goesOn)
}

// Caller passes on what [WithCaller] kept. It is the Caller of the clients that
// [New] takes.
func Caller(ctx context.Context, h http.Header) {
	goesOn, _ := ctx.Value(callerKey{}).(http.Header)
	maps.Copy(h, goesOn)
}

// Services are the three services. It is safe for concurrent use.
type Services struct{ user, auth, email *api.Client }

// New returns the services behind the clients, which must pass on [Caller].
func New(user, auth, email *api.Client) *Services {
	return &Services{user: user, auth: auth, email: email}
}

type list[T any] struct {
	Items []T `json:"items"`
}

func get[T any](ctx context.Context, c *api.Client, path string, query url.Values) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var answer T
	err := c.Do(ctx, http.MethodGet, path, nil, &answer)
	return answer, err
}

// Me returns the caller's own account.
func (s *Services) Me(ctx context.Context) (*graph.Account, error) {
	return get[*graph.Account](ctx, s.user, "/v1/me", nil)
}

// User returns an account; a 404 problem where there is none.
func (s *Services) User(ctx context.Context, id string) (*graph.Account, error) {
	return get[*graph.Account](ctx, s.user, userPath(id, ""), nil)
}

// Users returns those of at most [MaxBatch] accounts that there are.
func (s *Services) Users(ctx context.Context, ids []string) ([]*graph.Account, error) {
	found, err := get[list[*graph.Account]](ctx, s.user, "/v1/users", url.Values{
		"ids": {strings.Join(ids, ",")}, "limit": {strconv.Itoa(len(ids))},
	})
	return found.Items, err
}

// Permissions returns what a user's roles permit together.
func (s *Services) Permissions(ctx context.Context, id string) ([]string, error) {
	roles, err := get[struct {
		Permissions []string `json:"permissions"`
	}](ctx, s.user, userPath(id, "/roles"), nil)
	return append([]string{}, roles.Permissions...), err
}

// Preferences returns everything that applications keep for a user.
func (s *Services) Preferences(ctx context.Context, id string) ([]graph.Preference, error) {
	found, err := get[list[graph.Preference]](ctx, s.user, userPath(id, "/preferences"), nil)
	return append([]graph.Preference{}, found.Items...), err
}

// Sessions returns the newest of a user's sessions: the caller's own where id
// is "".
func (s *Services) Sessions(ctx context.Context, id string, limit int) ([]graph.Session, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if id != "" {
		query.Set("user_id", id)
	}
	found, err := get[list[graph.Session]](ctx, s.auth, "/v1/sessions", query)
	return append([]graph.Session{}, found.Items...), err
}

// Inbox says which of the caller's notifications are meant.
type Inbox struct {
	Unread   bool
	Category string
	Limit    int
	// Cursor is where the page starts; "" is the newest.
	Cursor string
}

// Notifications returns a page of the caller's inbox.
func (s *Services) Notifications(ctx context.Context, in Inbox) (*graph.NotificationPage, error) {
	query := url.Values{"limit": {strconv.Itoa(in.Limit)}}
	if in.Unread {
		query.Set("unread", "true")
	}
	if in.Category != "" {
		query.Set("category", in.Category)
	}
	if in.Cursor != "" {
		query.Set("cursor", in.Cursor)
	}
	page, err := get[*graph.NotificationPage](ctx, s.email, "/v1/notifications", query)
	if page != nil && page.Items == nil {
		page.Items = []graph.Notification{}
	}
	return page, err
}

type unread struct {
	Unread int `json:"unread"`
}

// Unread returns how many of the caller's notifications are unread.
func (s *Services) Unread(ctx context.Context) (int, error) {
	answer, err := get[unread](ctx, s.email, "/v1/notifications/unread-count", nil)
	return answer.Unread, err
}

// Event is what happened in the caller's inbox: either a notification came, or
// Unread are unread by now.
type Event struct {
	Notification *graph.Notification
	Unread       int
}

// Follow opens the stream of the caller's inbox. run calls handle with what
// happens until the stream ends, which is nil: with its token, or when the
// email service says so. It must be called; an error of handle ends it.
func (s *Services) Follow(ctx context.Context) (run func(handle func(Event) error) error, err error) {
	stream, err := s.email.Events(ctx, "/v1/notifications/stream")
	if err != nil {
		return nil, err
	}
	return func(handle func(Event) error) error {
		return stream.Each(func(e api.ServerEvent) error {
			switch e.Name {
			case "notification":
				n := &graph.Notification{}
				if err := json.Unmarshal([]byte(e.Data), n); err != nil {
					return fmt.Errorf("notification: %w", err)
				}
				return handle(Event{Notification: n})
			case "unread":
				var u unread
				if err := json.Unmarshal([]byte(e.Data), &u); err != nil {
					return fmt.Errorf("count of unread notifications: %w", err)
				}
				return handle(Event{Unread: u.Unread})
			}
			return nil
		})
	}, nil
}

func userPath(id, below string) string { return "/v1/users/" + url.PathEscape(id) + below }
