package filter

import "gatehouse.example/sdk/filter/internal/jsonconf"

// KeyPolicy says where an API key is and what it needs. An empty place is not
// looked at.
type KeyPolicy struct {
	// Header, Cookie and Query name the header field, the cookie and the query
	// parameter that may hold the key.
	Header, Cookie, Query string
	// Scopes must all be the key's.
	Scopes []string
}

// Keys verifies API keys by a policy; see [Request.VerifyKey].
type Keys struct{ policy int32 }

// Keys makes a verifier. It needs the grant "key".
//
// # Errors
//
// What is wrong with the policy, as "config/header: ..."; see [Setup].
func (s *Setup) Keys(p KeyPolicy) (*Keys, error) {
	b := jsonconf.AppendString([]byte(`{"header":`), p.Header)
	b = jsonconf.AppendString(append(b, `,"cookie":`...), p.Cookie)
	b = jsonconf.AppendString(append(b, `,"query":`...), p.Query)
	b = append(appendStrings(append(b, `,"scopes":`...), p.Scopes), '}')
	policy := s.host.KeyPolicy(b)
	if policy < 0 {
		return nil, s.refusedPolicy("key policy", "header", "cookie", "query", "scopes")
	}
	return &Keys{policy}, nil
}

// VerifyKey verifies the API key in the policy's places. With StatusOK the
// gateway knows the principal; StatusForbidden says that the key lacks a scope,
// StatusInvalid also that there are different keys. Whatever it is worth, the
// gateway takes the key out of the request: the filter need not see it, and
// nobody behind it does.
func (r *Request) VerifyKey(k *Keys) Status { return r.host.VerifyKey(k.policy, "") }
