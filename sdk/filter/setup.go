package filter

import (
	"encoding/binary"
	"errors"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
	"gatehouse.example/sdk/filter/internal/jsonconf"
)

// Setup is what a filter may ask for while it is made.
type Setup struct {
	host host.Host
}

func (s *Setup) refused(what string) error {
	buf := make([]byte, 1024)
	if n := s.host.LastError(buf); n > 0 && n <= len(buf) {
		return errors.New(what + ": " + string(buf[:n]))
	}
	return errors.New(what + ": refused")
}

// BufferRequest keeps the request's body readable for the upstream after the
// filter has read it.
func (s *Setup) BufferRequest() { s.host.EnableFeatures(host.FeatureBufferRequest) }

// BufferResponse lets HandleResponse change status, header and body.
func (s *Setup) BufferResponse() { s.host.EnableFeatures(host.FeatureBufferResponse) }

// Limit is a rate limit, counted by the gateway over all instances of the
// filter and all connections. Its zero value allows nothing.
type Limit struct {
	host   host.Host
	policy int32
	result [filterv1.LimitResultSize]byte
}

// Limit makes a rate limit: rate requests in each period on average, up to
// burst at once.
func (s *Setup) Limit(rate int64, period time.Duration, burst int64) (*Limit, error) {
	policy := s.host.LimitPolicy(rate, int64(period), burst)
	if policy < 0 {
		return nil, s.refused("limit")
	}
	return &Limit{host: s.host, policy: policy}, nil
}

// Taken is the outcome of [Limit.Take].
type Taken struct {
	// Allowed is false where the limit is used up; nothing was taken then.
	Allowed bool
	// Remaining is how many more are allowed now.
	Remaining uint32
	// Reset is the time until the limit is whole again.
	Reset time.Duration
	// Retry is the time until the same would be allowed; zero where it was.
	Retry time.Duration
}

// Take takes cost from what key may do. It allocates nothing.
func (l *Limit) Take(key []byte, cost uint32) Taken {
	if l.host == nil {
		return Taken{}
	}
	status := l.host.LimitTake(l.policy, key, cost, &l.result)
	if status != filterv1.StatusOK && status != filterv1.StatusLimited {
		panic("filter: limit_take: " + status.String())
	}
	ms := func(at int) time.Duration {
		return time.Duration(binary.LittleEndian.Uint32(l.result[at:])) * time.Millisecond
	}
	return Taken{
		Allowed:   status == filterv1.StatusOK,
		Remaining: binary.LittleEndian.Uint32(l.result[0:]),
		Reset:     ms(4),
		Retry:     ms(8),
	}
}

// Issuer is an issuer of access tokens.
type Issuer struct {
	// Issuer is the issuer identifier (RFC 8414 §2); "self" is the one that
	// this gateway stands in front of.
	Issuer string `json:"issuer" doc:"issuer identifier; self is Gatehouse's own"`
	// Audience lists the audiences of which a token has to name one.
	Audience []string `json:"audience" doc:"a token has to name one of these"`
}

// TokenPolicy says which access tokens count.
type TokenPolicy struct {
	// Issuers are tried by a token's iss.
	Issuers []Issuer
	// Claims become attributes "claim.NAME" where a token has them as a
	// string, number or boolean.
	Claims []string
}

// Tokens verifies access tokens by a policy; see [Request.VerifyToken].
type Tokens struct{ policy int32 }

// Tokens makes a verifier. It needs the grant "jwt".
func (s *Setup) Tokens(p TokenPolicy) (*Tokens, error) {
	b := []byte(`{"issuers":[`)
	for i, issuer := range p.Issuers {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonconf.AppendString(append(b, `{"issuer":`...), issuer.Issuer)
		b = appendStrings(append(b, `,"audience":`...), issuer.Audience)
		b = append(b, '}')
	}
	b = appendStrings(append(b, `],"claims":`...), p.Claims)
	b = append(b, '}')
	policy := s.host.TokenPolicy(b)
	if policy < 0 {
		return nil, s.refused("token policy")
	}
	return &Tokens{policy}, nil
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonconf.AppendString(b, s)
	}
	return append(b, ']')
}

// Level is the level of a log line.
type Level int32

// The levels, as the http-wasm handler ABI numbers them.
const (
	Debug Level = -1
	Info  Level = 0
	Warn  Level = 1
	Error Level = 2
)

// Log writes a line to the gateway's log. The gateway limits lines per second.
// Never log credentials.
func (s *Setup) Log(level Level, msg string) {
	if s.host.LogEnabled(int32(level)) {
		s.host.Log(int32(level), msg)
	}
}
