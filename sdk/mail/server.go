package mail

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	mailv1 "gatehouse.example/pluginspec/mail/v1"
)

// server answers the host, whose end of the wire is package mailrpc.
type server struct {
	mailv1.UnimplementedMailTransportServer
	transport Transport
}

func (s *server) Describe(context.Context, *mailv1.DescribeRequest) (*mailv1.DescribeResponse, error) {
	describer, ok := s.transport.(Describer)
	if !ok {
		return &mailv1.DescribeResponse{}, nil
	}
	d := describer.Describe()
	return &mailv1.DescribeResponse{Name: d.Name, Version: d.Version}, nil
}

func (s *server) Configure(ctx context.Context, in *mailv1.ConfigureRequest) (*mailv1.ConfigureResponse, error) {
	if err := s.transport.Configure(ctx, in.GetConfigJson()); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &mailv1.ConfigureResponse{}, nil
}

func (s *server) Send(ctx context.Context, in *mailv1.SendRequest) (*mailv1.SendResponse, error) {
	receipt, err := s.transport.Send(ctx, Message{
		IdempotencyKey: in.GetIdempotencyKey(),
		Envelope:       Envelope{From: in.GetEnvelope().GetFrom(), To: in.GetEnvelope().GetTo()},
		Raw:            in.GetRaw(),
	})
	if err != nil {
		kind := mailv1.Failure_KIND_TEMPORARY
		if IsPermanent(err) {
			kind = mailv1.Failure_KIND_PERMANENT
		}
		failure := &mailv1.Failure{Kind: kind, Reason: err.Error(), RecipientRefused: IsRecipientRefused(err)}
		return &mailv1.SendResponse{Outcome: &mailv1.SendResponse_Failure{Failure: failure}}, nil
	}
	accepted := &mailv1.Receipt{ProviderId: receipt.ProviderID}
	return &mailv1.SendResponse{Outcome: &mailv1.SendResponse_Receipt{Receipt: accepted}}, nil
}
