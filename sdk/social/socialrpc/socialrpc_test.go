package socialrpc_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	socialv1 "gatehouse.example/pluginspec/social/v1"
	"gatehouse.example/sdk/social"
	"gatehouse.example/sdk/social/socialrpc"
)

// conn answers every call with what a plugin of another hand might.
type conn struct {
	failure  *socialv1.Failure
	identity *socialv1.Identity
	url      string
	err      error
}

func (c conn) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	switch out := reply.(type) {
	case *socialv1.ExchangeResponse:
		switch {
		case c.failure != nil:
			out.Outcome = &socialv1.ExchangeResponse_Failure{Failure: c.failure}
		case c.identity != nil:
			out.Outcome = &socialv1.ExchangeResponse_Identity{Identity: c.identity}
		}
	case *socialv1.AuthorizationURLResponse:
		switch {
		case c.failure != nil:
			out.Outcome = &socialv1.AuthorizationURLResponse_Failure{Failure: c.failure}
		case c.url != "":
			out.Outcome = &socialv1.AuthorizationURLResponse_Url{Url: c.url}
		}
	}
	return c.err
}

func (conn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

func failure(kind socialv1.Failure_Kind) conn {
	return conn{failure: &socialv1.Failure{Kind: kind, Reason: "why"}}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name string
		conn conn
		ok   bool
		kind social.Kind
	}{
		{"answer", conn{identity: &socialv1.Identity{Issuer: "i", Subject: "s"}, url: "https://x.example"}, true, 0},
		{"temporary", failure(socialv1.Failure_KIND_TEMPORARY), false, social.KindTemporary},
		{"denied", failure(socialv1.Failure_KIND_DENIED), false, social.KindDenied},
		{"invalid", failure(socialv1.Failure_KIND_INVALID), false, social.KindInvalid},
		{"misconfigured", failure(socialv1.Failure_KIND_MISCONFIGURED), false, social.KindMisconfigured},
		{"unspecified kind", failure(socialv1.Failure_KIND_UNSPECIFIED), false, social.KindTemporary},
		{"kind of a later version", failure(99), false, social.KindTemporary},
		{"no outcome", conn{}, false, social.KindTemporary},
		{"status", conn{err: status.Error(codes.Unavailable, "gone")}, false, social.KindTemporary},
		{"status that sounds final", conn{err: status.Error(codes.InvalidArgument, "x")}, false, social.KindTemporary},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := socialrpc.NewClient(test.conn)
			who, err := client.Exchange(t.Context(), social.Callback{Parameters: map[string]string{"iss": "i"}})
			if (err == nil) != test.ok || (err != nil && social.KindOf(err) != test.kind) || (test.ok && (who.Issuer != "i" || who.Subject != "s")) {
				t.Errorf("Exchange = %+v, %v", who, err)
			}
			target, err := client.AuthorizationURL(t.Context(), social.Authorization{})
			if (err == nil) != test.ok || (err != nil && social.KindOf(err) != test.kind) || (test.ok && target != "https://x.example") {
				t.Errorf("AuthorizationURL = %q, %v", target, err)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	refused := socialrpc.NewClient(conn{err: status.Error(codes.InvalidArgument, "client_id is missing")}).Configure(t.Context(), nil)
	if social.KindOf(refused) != social.KindMisconfigured || refused.Error() != "configuration refused: client_id is missing" {
		t.Errorf("Configure: %v", refused)
	}
	gone := socialrpc.NewClient(conn{err: status.Error(codes.Unavailable, "gone")}).Configure(t.Context(), nil)
	if gone == nil || social.KindOf(gone) != social.KindTemporary {
		t.Errorf("Configure: %v", gone)
	}
}
