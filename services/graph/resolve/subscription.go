package resolve

import (
	"context"
	"log/slog"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/graph"
	"gatehouse.example/services/graph/upstream"
)

// Stream opens the stream of the caller's inbox, which run follows until ctx or
// the stream ends.
type Stream interface {
	Follow(ctx context.Context) (run func(handle func(upstream.Event) error) error, err error)
}

var _ Stream = (*upstream.Services)(nil)

type subscription struct{ stream Stream }

func (s subscription) Notifications(ctx context.Context) (<-chan *graph.Notification, error) {
	return follow(ctx, s.stream, func(e upstream.Event) (*graph.Notification, bool) {
		return e.Notification, e.Notification != nil
	})
}

func (s subscription) UnreadNotifications(ctx context.Context) (<-chan int, error) {
	return follow(ctx, s.stream, func(e upstream.Event) (int, bool) {
		return e.Unread, e.Notification == nil
	})
}

// follow passes on what pick takes of the stream until it ends, or ctx does,
// which the endpoint sees to when the client goes.
func follow[T any](ctx context.Context, s Stream, pick func(upstream.Event) (T, bool)) (<-chan T, error) {
	if identity.PrincipalFrom(ctx).Kind != identity.KindUser {
		return nil, graph.NewError(graph.CodeForbidden, "only a person has notifications")
	}
	run, err := s.Follow(ctx)
	if err != nil {
		return nil, err
	}
	events := make(chan T)
	go func() {
		defer close(events)
		err := run(func(e upstream.Event) error {
			picked, ok := pick(e)
			if !ok {
				return nil
			}
			select {
			case events <- picked:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil && ctx.Err() == nil {
			slog.Default().WarnContext(ctx, "a stream of notifications broke off", slog.Any("error", err))
		}
	}()
	return events, nil
}
