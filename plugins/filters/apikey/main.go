// Command apikey is the built-in filter that authenticates requests by API key.
//
// The key is read and verified by the gateway (key_verify); the filter decides
// what its absence or refusal means and never sees it.
package main

import "gatehouse.example/sdk/filter"

// Config has no fields: the key is in X-API-Key.
type Config struct{}

type apikey struct{ keys *filter.Keys }

func newFilter(s *filter.Setup, _ Config) (*apikey, error) {
	keys, err := s.Keys(filter.KeyPolicy{Header: "X-API-Key"})
	if err != nil {
		return nil, err
	}
	return &apikey{keys}, nil
}

// HandleRequest lets a request without a key pass: whether somebody has to act
// is the route's require.
func (f *apikey) HandleRequest(r *filter.Request) filter.Action {
	switch r.VerifyKey(f.keys) {
	case filter.StatusOK, filter.StatusAbsent:
		return filter.Next
	case filter.StatusConflict:
		return r.Problem(400, "Bad Request", "several_credentials", "Send an access token or an API key, not both.")
	case filter.StatusUnavailable:
		r.SetResponseHeader("Retry-After", "1")
		return r.Problem(503, "Service Unavailable", "unavailable", "API keys cannot be verified at the moment.")
	default:
		r.SetResponseHeader("WWW-Authenticate", `ApiKey realm="gatehouse", error="invalid_key"`)
		return r.Problem(401, "Unauthorized", "key_invalid", "The API key is unknown, expired or revoked.")
	}
}

var _ = filter.Register("apikey", newFilter, filter.Needs("key"))

func main() {}
