// Package resolve answers the fields of the schema that take more than reading
// a member: each asks the request's loaders.
//
// Whether the query may be asked at all was decided before (package limit); who
// may read what is decided by the service that owns it. Only what a service
// cannot be asked, another person's inbox, is refused here.
package resolve

import (
	"context"
	"regexp"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/graph"
	"gatehouse.example/services/graph/generated"
	"gatehouse.example/services/graph/load"
	"gatehouse.example/services/graph/upstream"
)

// Root answers the fields of all types. It is safe for concurrent use.
type Root struct {
	// Stream feeds subscriptions. Required.
	Stream Stream
}

var _ generated.ResolverRoot = (*Root)(nil)

// Query answers what can be read.
func (r *Root) Query() generated.QueryResolver { return query{} }

// User answers the fields of a user that other calls bring.
func (r *Root) User() generated.UserResolver { return user{} }

// NotificationPage answers the fields of a page that other calls bring.
func (r *Root) NotificationPage() generated.NotificationPageResolver { return notificationPage{} }

// Subscription answers what can be followed.
func (r *Root) Subscription() generated.SubscriptionResolver { return subscription{r.Stream} }

type query struct{}

func (query) Me(ctx context.Context) (*graph.User, error) {
	caller := identity.PrincipalFrom(ctx)
	if caller.Kind != identity.KindUser {
		return nil, nil //nolint:nilnil // null is the answer
	}
	return account(ctx, caller.Subject)
}

var userID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func (query) User(ctx context.Context, id string) (*graph.User, error) {
	if !userID.MatchString(id) {
		return nil, nil //nolint:nilnil // nobody has such an id
	}
	return account(ctx, id)
}

// account returns the user. Where its service does not answer, the id is enough
// for the fields of the others; each field of its own says what is wrong.
func account(ctx context.Context, id string) (*graph.User, error) {
	found, err := load.From(ctx).Accounts.Load(ctx, id)
	if err != nil {
		if e, _ := graph.ErrorOf(ctx, err); e.Code == graph.CodeUnavailable {
			return &graph.User{ID: id, Err: e}, nil
		}
		return nil, err
	}
	if found == nil {
		return nil, nil //nolint:nilnil // null is the answer
	}
	return &graph.User{ID: found.ID, Account: found}, nil
}

type user struct{}

func (user) Permissions(ctx context.Context, u *graph.User) ([]string, error) {
	return load.From(ctx).Permissions.Load(ctx, u.ID)
}

var namespaces = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func (user) Preferences(ctx context.Context, u *graph.User, namespace *string) ([]graph.Preference, error) {
	if namespace != nil && !namespaces.MatchString(*namespace) {
		return nil, graph.NewError(graph.CodeBadInput, "namespace is of small letters, digits and . _ -, at most 64")
	}
	all, err := load.From(ctx).Preferences.Load(ctx, u.ID)
	if err != nil || namespace == nil {
		return all, err
	}
	for _, p := range all {
		if p.Namespace == *namespace {
			return []graph.Preference{p}, nil
		}
	}
	return []graph.Preference{}, nil
}

func (user) Sessions(ctx context.Context, u *graph.User, limit int) ([]graph.Session, error) {
	return load.From(ctx).Sessions.Load(ctx, load.SessionsOf{UserID: u.ID, Limit: limit})
}

func (user) Notifications(ctx context.Context, u *graph.User, unread bool, category *string, limit int, cursor *string) (*graph.NotificationPage, error) {
	if caller := identity.PrincipalFrom(ctx); caller.Kind != identity.KindUser || caller.Subject != u.ID {
		return nil, graph.NewError(graph.CodeForbidden, "only the person itself reads its notifications")
	}
	in := upstream.Inbox{Unread: unread, Limit: limit}
	if category != nil {
		in.Category = *category
	}
	if cursor != nil {
		in.Cursor = *cursor
	}
	return load.From(ctx).Notifications.Load(ctx, in)
}

type notificationPage struct{}

func (notificationPage) UnreadCount(ctx context.Context, _ *graph.NotificationPage) (*int, error) {
	n, err := load.From(ctx).Unread.Load(ctx, struct{}{})
	if err != nil {
		return nil, err
	}
	return &n, nil
}
