package filtertest

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
	"gatehouse.example/sdk/filter/internal/host"
)

// gateway is a gateway in memory.
type gateway struct {
	t           testing.TB
	config      string
	grants      map[string]bool
	tokens      map[string]verdict
	keys        map[string]verdict
	limits      []limitPolicy
	storeDown   bool
	keyPolicies []keyPolicy
	started     bool
	now         time.Duration
	logs        []string

	request  Request
	response Response
	deferred []filterv1.Operation
	answered bool
	bodies   [2]bodyState
	features uint32
	// responding says that the request has gone on.
	responding bool
	failure    string
	lastError  string

	services

	tokenClaims [][]string // of each token policy
	compiled    bool
	process     *process // where the filter runs compiled
}

type verdict struct {
	status filterv1.Status
	who    Principal
	claims map[string]string
}

type keyPolicy struct {
	Header string   `json:"header"`
	Cookie string   `json:"cookie"`
	Query  string   `json:"query"`
	Scopes []string `json:"scopes"`
}

var _ host.Host = (*gateway)(nil)

func newGateway(t testing.TB, config string) *gateway {
	return &gateway{t: t, config: config, grants: map[string]bool{}, tokens: map[string]verdict{}, keys: map[string]verdict{}}
}

func (g *gateway) begin(r Request) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.URI == "" {
		r.URI = "/"
	}
	if !r.Source.IsValid() {
		r.Source = netip.MustParseAddr("192.0.2.1")
	}
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	attributes := map[string]string{}
	for k, v := range r.Attributes {
		attributes[k] = v
	}
	r.Attributes = attributes
	g.request, g.response = r, Response{Header: http.Header{}}
	g.deferred, g.answered, g.bodies = nil, false, [2]bodyState{}
	g.answer, g.responding = nil, false
	if _, _, err := target(r.URI); err != nil {
		g.t.Fatalf("request URI %q: %v", r.URI, err)
	}
}

func (g *gateway) respond() {
	g.responding, g.bodies = true, [2]bodyState{}
	g.response = g.request.Response
	g.response.Header = g.response.Header.Clone()
	if g.response.Header == nil {
		g.response.Header = http.Header{}
	}
	if g.response.Status == 0 {
		g.response.Status = http.StatusOK
	}
}

func (g *gateway) refuse(s filterv1.Status, why string) filterv1.Status {
	g.lastError = why
	return s
}

// Config implements host.Lifecycle.
func (g *gateway) Config(buf []byte) int { return put(buf, g.config) }

// Fail implements host.Lifecycle.
func (g *gateway) Fail(msg string) { g.failure = msg }

// LastError implements host.Lifecycle.
func (g *gateway) LastError(buf []byte) int { return put(buf, g.lastError) }

// EnableFeatures implements host.Lifecycle.
func (g *gateway) EnableFeatures(f uint32) uint32 {
	g.features |= f
	return g.features
}

// LogEnabled implements host.Lifecycle.
func (g *gateway) LogEnabled(int32) bool { return true }

// Log implements host.Lifecycle.
func (g *gateway) Log(_ int32, msg string) { g.logs = append(g.logs, strings.Clone(msg)) }

func put(buf []byte, s string) int {
	if len(s) <= len(buf) {
		copy(buf, s)
	}
	return len(s)
}

// grantOf returns the grant that a header field is hidden without; "" is none.
// Where keys are looked for is hidden as X-API-Key is.
func (g *gateway) grantOf(name string) string {
	for _, p := range g.keyPolicies {
		if p.Header != "" && strings.EqualFold(p.Header, name) {
			return filterv1.GrantAuthorization
		}
	}
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "x-api-key":
		return filterv1.GrantAuthorization
	case "cookie", "set-cookie":
		return filterv1.GrantCookie
	}
	return ""
}

// hidden reports whether the filter may not see a header field.
func (g *gateway) hidden(name string) bool {
	grant := g.grantOf(name)
	return grant != "" && !g.grants[grant] && !g.grants[filterv1.GrantSensitiveHeaders]
}

// Snapshot implements host.Exchange.
func (g *gateway) Snapshot(buf []byte) int {
	r := &g.request
	path, query, err := target(r.URI)
	if err != nil {
		g.t.Fatalf("request URI %q: %v", r.URI, err)
	}
	b := []byte{filterv1.SnapshotVersion}
	for _, s := range []string{r.Method, r.URI, "http", "localhost", path, query, "HTTP/1.1", r.Source.Unmap().String()} {
		b = filterv1.AppendString(b, s)
	}
	b = filterv1.AppendUint32(b, 40000)
	ip := r.Source.As16()
	b = append(b, ip[:]...)
	b = filterv1.AppendString(filterv1.AppendString(b, r.Route), "0197a0aa-0000-7000-8000-000000000001")
	var fields []byte
	count := uint32(0)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range r.Header {
			if !yield(name) {
				return
			}
		}
	}) {
		if g.hidden(name) {
			continue
		}
		for _, v := range r.Header[name] {
			fields = filterv1.AppendString(filterv1.AppendLower(fields, name), v)
			count++
		}
	}
	b = append(filterv1.AppendUint32(b, count), fields...)
	return put(buf, string(b))
}

// Principal implements host.Exchange.
func (g *gateway) Principal(field string, buf []byte) int {
	p := g.request.Principal
	value := map[string]string{
		"kind": p.Kind, "sub": p.Subject, "client_id": p.ClientID, "sid": p.SessionID,
		"jti": p.TokenID, "scope": p.Scope, "roles": p.Roles, "credential": p.Credential,
	}[field]
	if value == "" {
		return int(filterv1.Absent)
	}
	return put(buf, value)
}

// Attribute implements host.Exchange.
func (g *gateway) Attribute(name string, buf []byte) int {
	value, ok := g.request.Attributes[name]
	if !ok {
		return int(filterv1.Absent)
	}
	return put(buf, value)
}

// TokenPolicy implements host.Capabilities.
func (g *gateway) TokenPolicy(text []byte) int32 {
	if !g.granted(filterv1.GrantToken) {
		return -int32(filterv1.StatusNotGranted)
	}
	var p struct {
		Claims []string `json:"claims"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return -int32(g.refuse(filterv1.StatusBadArgument, err.Error()))
	}
	g.tokenClaims = append(g.tokenClaims, p.Claims)
	return int32(len(g.tokenClaims) - 1)
}

// VerifyToken implements host.Capabilities.
func (g *gateway) VerifyToken(policy int32, token string) filterv1.Status {
	if !g.granted(filterv1.GrantToken) {
		return filterv1.StatusNotGranted
	}
	if policy < 0 || int(policy) >= len(g.tokenClaims) {
		return g.refuse(filterv1.StatusBadArgument, "unknown token policy")
	}
	if token == "" {
		scheme, rest, _ := strings.Cut(g.request.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return filterv1.StatusAbsent
		}
		token = rest
	}
	status := g.settle(g.tokens, token, "token")
	if status == filterv1.StatusOK {
		for _, name := range g.tokenClaims[policy] {
			if v, ok := g.tokens[token].claims[name]; ok {
				g.request.Attributes["claim."+name] = v
			}
		}
	}
	return status
}

// KeyPolicy implements host.Capabilities.
func (g *gateway) KeyPolicy(text []byte) int32 {
	if !g.granted(filterv1.GrantKey) {
		return -int32(filterv1.StatusNotGranted)
	}
	var p keyPolicy
	if err := json.Unmarshal(text, &p); err != nil {
		return -int32(g.refuse(filterv1.StatusBadArgument, err.Error()))
	}
	g.keyPolicies = append(g.keyPolicies, p)
	return int32(len(g.keyPolicies) - 1)
}

// VerifyKey implements host.Capabilities.
func (g *gateway) VerifyKey(policy int32, key string) filterv1.Status {
	if !g.granted(filterv1.GrantKey) {
		return filterv1.StatusNotGranted
	}
	if policy < 0 || int(policy) >= len(g.keyPolicies) {
		return g.refuse(filterv1.StatusBadArgument, "unknown key policy")
	}
	p := g.keyPolicies[policy]
	if key == "" {
		found := g.takeKeys(p)
		switch {
		case len(found) == 0:
			return filterv1.StatusAbsent
		case slices.ContainsFunc(found, func(k string) bool { return k == "" || k != found[0] }):
			return filterv1.StatusInvalid
		}
		key = found[0]
	}
	if v, ok := g.keys[key]; ok && v.status == filterv1.StatusOK {
		for _, scope := range p.Scopes {
			if !slices.Contains(strings.Fields(v.who.Scope), scope) {
				return g.refuse(filterv1.StatusForbidden, "the key lacks the scope "+scope)
			}
		}
	}
	return g.settle(g.keys, key, "key")
}

// takeKeys takes the keys out of a policy's places in the request.
func (g *gateway) takeKeys(p keyPolicy) []string {
	r := &g.request
	found := r.Header.Values(p.Header)
	r.Header.Del(p.Header)
	if p.Cookie != "" {
		var rest []string
		for _, c := range (&http.Request{Header: r.Header}).Cookies() {
			if c.Name == p.Cookie {
				found = append(found, c.Value)
			} else {
				rest = append(rest, c.Name+"="+c.Value)
			}
		}
		if r.Header.Del("Cookie"); rest != nil {
			r.Header.Set("Cookie", strings.Join(rest, "; "))
		}
	}
	if u, err := url.ParseRequestURI(r.URI); err == nil && p.Query != "" && u.Query().Has(p.Query) {
		q := u.Query()
		found = append(found, q[p.Query]...)
		q.Del(p.Query)
		u.RawQuery = q.Encode()
		r.URI = u.RequestURI()
	}
	return found
}

func (g *gateway) settle(known map[string]verdict, credential, kind string) filterv1.Status {
	if g.request.Principal.Kind != "" {
		return filterv1.StatusConflict
	}
	v, ok := known[credential]
	if !ok {
		return filterv1.StatusInvalid
	}
	if v.status == filterv1.StatusOK {
		g.request.Principal = v.who
		g.request.Principal.Credential = kind
	}
	return v.status
}
