package mailrpc_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	mailv1 "gatehouse.example/pluginspec/mail/v1"
	"gatehouse.example/sdk/mail"
	"gatehouse.example/sdk/mail/mailrpc"
)

// conn answers every call with what a plugin of another hand might.
type conn struct {
	send *mailv1.SendResponse
	err  error
}

func (c conn) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	if out, ok := reply.(*mailv1.SendResponse); ok && c.send != nil {
		out.Outcome = c.send.Outcome
	}
	return c.err
}

func (conn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

func failure(kind mailv1.Failure_Kind) *mailv1.SendResponse {
	return &mailv1.SendResponse{Outcome: &mailv1.SendResponse_Failure{Failure: &mailv1.Failure{Kind: kind, Reason: "why"}}}
}

func TestSend(t *testing.T) {
	tests := []struct {
		name      string
		conn      conn
		ok        bool
		permanent bool
	}{
		{"receipt", conn{send: &mailv1.SendResponse{Outcome: &mailv1.SendResponse_Receipt{Receipt: &mailv1.Receipt{ProviderId: "p"}}}}, true, false},
		{"permanent", conn{send: failure(mailv1.Failure_KIND_PERMANENT)}, false, true},
		{"temporary", conn{send: failure(mailv1.Failure_KIND_TEMPORARY)}, false, false},
		{"unspecified kind", conn{send: failure(mailv1.Failure_KIND_UNSPECIFIED)}, false, false},
		{"kind of a later version", conn{send: failure(99)}, false, false},
		{"no outcome", conn{send: &mailv1.SendResponse{}}, false, false},
		{"status", conn{err: status.Error(codes.Unavailable, "gone")}, false, false},
		{"status that sounds final", conn{err: status.Error(codes.InvalidArgument, "x")}, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			receipt, err := mailrpc.NewClient(test.conn).Send(t.Context(), mail.Message{})
			if (err == nil) != test.ok || mail.IsPermanent(err) != test.permanent || (test.ok && receipt.ProviderID != "p") {
				t.Errorf("Send = %+v, %v", receipt, err)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	refused := mailrpc.NewClient(conn{err: status.Error(codes.InvalidArgument, "host is missing")}).Configure(t.Context(), nil)
	if !mail.IsPermanent(refused) || refused.Error() != "configuration refused: host is missing" {
		t.Errorf("Configure: %v", refused)
	}
	if err := mailrpc.NewClient(conn{err: status.Error(codes.Unavailable, "gone")}).Configure(t.Context(), nil); err == nil || mail.IsPermanent(err) {
		t.Errorf("Configure: %v", err)
	}
}
