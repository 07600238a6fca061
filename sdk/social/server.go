package social

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	socialv1 "gatehouse.example/pluginspec/social/v1"
)

// server answers the host, whose end of the wire is package socialrpc.
type server struct {
	socialv1.UnimplementedSocialProviderServer
	provider Provider
}

func (s *server) Describe(context.Context, *socialv1.DescribeRequest) (*socialv1.DescribeResponse, error) {
	describer, ok := s.provider.(Describer)
	if !ok {
		return &socialv1.DescribeResponse{}, nil
	}
	d := describer.Describe()
	return &socialv1.DescribeResponse{Name: d.Name, Version: d.Version, Capabilities: d.Capabilities}, nil
}

func (s *server) Configure(ctx context.Context, in *socialv1.ConfigureRequest) (*socialv1.ConfigureResponse, error) {
	if err := s.provider.Configure(ctx, in.GetConfigJson()); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &socialv1.ConfigureResponse{}, nil
}

func (s *server) AuthorizationURL(ctx context.Context, in *socialv1.AuthorizationURLRequest) (*socialv1.AuthorizationURLResponse, error) {
	url, err := s.provider.AuthorizationURL(ctx, Authorization{
		State: in.GetState(), Nonce: in.GetNonce(), RedirectURI: in.GetRedirectUri(), CodeChallenge: in.GetCodeChallenge(), Scopes: in.GetScopes(),
	})
	if err != nil {
		return &socialv1.AuthorizationURLResponse{Outcome: &socialv1.AuthorizationURLResponse_Failure{Failure: failure(err)}}, nil
	}
	return &socialv1.AuthorizationURLResponse{Outcome: &socialv1.AuthorizationURLResponse_Url{Url: url}}, nil
}

func (s *server) Exchange(ctx context.Context, in *socialv1.ExchangeRequest) (*socialv1.ExchangeResponse, error) {
	parameters := make(map[string]string, len(in.GetParameters()))
	for _, p := range in.GetParameters() {
		parameters[p.GetName()] = p.GetValue()
	}
	who, err := s.provider.Exchange(ctx, Callback{
		Code: in.GetCode(), CodeVerifier: in.GetCodeVerifier(), Nonce: in.GetNonce(), RedirectURI: in.GetRedirectUri(), Parameters: parameters,
	})
	if err != nil {
		return &socialv1.ExchangeResponse{Outcome: &socialv1.ExchangeResponse_Failure{Failure: failure(err)}}, nil
	}
	return &socialv1.ExchangeResponse{Outcome: &socialv1.ExchangeResponse_Identity{Identity: &socialv1.Identity{
		Issuer: who.Issuer, Subject: who.Subject, Email: who.Email, EmailVerified: who.EmailVerified,
		Name: who.Name, GivenName: who.GivenName, FamilyName: who.FamilyName, PreferredUsername: who.PreferredUsername,
		Picture: who.Picture, Locale: who.Locale, ClaimsJson: who.Claims,
	}}}, nil
}

func failure(err error) *socialv1.Failure {
	kind := map[Kind]socialv1.Failure_Kind{
		KindDenied:        socialv1.Failure_KIND_DENIED,
		KindInvalid:       socialv1.Failure_KIND_INVALID,
		KindMisconfigured: socialv1.Failure_KIND_MISCONFIGURED,
	}[KindOf(err)]
	if kind == socialv1.Failure_KIND_UNSPECIFIED {
		kind = socialv1.Failure_KIND_TEMPORARY
	}
	return &socialv1.Failure{Kind: kind, Reason: err.Error()}
}
