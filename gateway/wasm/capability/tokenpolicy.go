package capability

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
)

// TokenPolicy says which tokens count. The zero value accepts none. It is read
// only and shared by all who register the same text.
type TokenPolicy struct {
	// digest of the policy's text tells its entries in caches from others'.
	digest  [32]byte
	issuers []*tokenIssuer
	// opaque is asked about tokens that are no JWT; nil refuses them.
	opaque *tokenIssuer
	claims []tokenClaim
	// Challenge begins the challenges of routes that the policy is for (RFC 6750
	// §3); "" leaves them to the gateway.
	Challenge string
}

type tokenClaim struct{ name, attribute string }

// tokenIssuer is one issuer under the rules of one policy.
type tokenIssuer struct {
	self   bool
	expect jose.Expect
	// keys verify its tokens; nil means that introspection does.
	keys jose.Set
	// checkIssued refuses tokens that were issued in the future.
	checkIssued   bool
	required      []requirement
	roles         string
	introspection *introspection
}

// The JSON of jwt_policy; pluginspec/filter/v1 says what it means.
type (
	tokenPolicyText struct {
		Issuers []tokenIssuerText `json:"issuers"`
		Claims  []string          `json:"claims"`

		Challenge string `json:"challenge"`
	}
	tokenIssuerText struct {
		Issuer         string              `json:"issuer"`
		Audience       []string            `json:"audience"`
		JWKSURI        string              `json:"jwks_uri"`
		JWKSFile       string              `json:"jwks_file"`
		Algorithms     []string            `json:"algorithms"`
		Types          []string            `json:"types"`
		Leeway         string              `json:"leeway"`
		RequiredClaims map[string][]string `json:"required_claims"`
		RolesClaim     string              `json:"roles_claim"`
		Introspection  *introspectionText  `json:"introspection"`
	}
	introspectionText struct {
		Endpoint         string `json:"endpoint"`
		ClientID         string `json:"client_id"`
		ClientSecretFile string `json:"client_secret_file"`
		Cache            string `json:"cache"`
		AllowNoAudience  bool   `json:"allow_no_audience"`
	}
)

const (
	maxIssuers     = 16
	maxClaims      = 64
	maxLeeway      = 5 * time.Minute
	maxIntrospect  = 10 * time.Minute
	defaultLeeway  = 5 * time.Second
	defaultAskedIn = 30 * time.Second
)

// foreignAlgorithms are accepted of other issuers: no symmetric one, whose key
// would let the gateway sign, and never "none".
func foreignAlgorithms() []string {
	return []string{
		jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512,
		jose.PS256, jose.PS384, jose.PS512, jose.EdDSA, jose.Ed25519,
	}
}

// Policy reads the policy that a filter registers with jwt_policy. config is
// the operator's configuration of the filter: URLs and files of the policy must
// stand there, word for word, so that a guest reaches nothing that the operator
// did not name. Nothing is fetched yet.
//
// # Errors
//
// The error names the field by its path in the policy: "issuers/0/audience:
// want at least one".
func (v *TokenVerifier) Policy(text, config []byte) (*TokenPolicy, error) {
	var in tokenPolicyText
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	if n := len(in.Issuers); n == 0 || n > maxIssuers {
		return nil, fmt.Errorf("issuers: want 1 to %d, have %d", maxIssuers, n)
	}
	if n := len(in.Claims); n > maxClaims {
		return nil, fmt.Errorf("claims: want at most %d, have %d", maxClaims, n)
	}
	r := policyReader{v: v, named: operatorTexts(config)}
	if in.Challenge != "" && (!strings.HasPrefix(in.Challenge, "Bearer ") || strings.ContainsFunc(in.Challenge, unicode.IsControl)) {
		return nil, errors.New("challenge: want Bearer and its parameters")
	}
	p := &TokenPolicy{digest: sha256.Sum256(text), Challenge: in.Challenge}
	for i := range in.Issuers {
		at := "issuers/" + strconv.Itoa(i)
		issuer, err := r.issuer(&in.Issuers[i])
		if err != nil {
			return nil, fmt.Errorf("%s/%w", at, err)
		}
		if p.issuer(issuer.expect.Issuer) != nil {
			return nil, fmt.Errorf("%s/issuer: %q is listed twice: put its audiences into one entry", at, in.Issuers[i].Issuer)
		}
		if issuer.introspection != nil {
			if p.opaque != nil {
				return nil, fmt.Errorf("%s/introspection: another issuer has it already, and an opaque token does not say whom to ask", at)
			}
			p.opaque = issuer
		}
		p.issuers = append(p.issuers, issuer)
	}
	for i, name := range in.Claims {
		if name == "" {
			return nil, fmt.Errorf("claims/%d: want the name of a claim", i)
		}
		p.claims = append(p.claims, tokenClaim{name, "claim." + name})
	}
	return v.policies.get(string(p.digest[:]), func() *TokenPolicy { return p }), nil
}

// issuer returns the rules for tokens of the issuer; nil where there are none.
func (p *TokenPolicy) issuer(identifier string) *tokenIssuer {
	for _, i := range p.issuers {
		if i.expect.Issuer == identifier {
			return i
		}
	}
	return nil
}

// entry is what a token is remembered as under this policy.
func (p *TokenPolicy) entry(digest *[32]byte) (key [32]byte) {
	for i := range key {
		key[i] = digest[i] ^ p.digest[i]
	}
	return key
}

// Attributes calls set for each claim of the policy that the token has.
func (p *TokenPolicy) Attributes(c *Credential, set func(name, value string)) {
	for _, claim := range p.claims {
		if value, ok := c.Claims[claim.name]; ok {
			set(claim.attribute, value)
		}
	}
}

// operatorTexts returns all texts of a configuration.
func operatorTexts(config []byte) map[string]bool {
	named := map[string]bool{}
	var all any
	if len(config) == 0 || json.Unmarshal(config, &all) != nil {
		return named
	}
	var walk func(any)
	walk = func(value any) {
		switch v := value.(type) {
		case string:
			named[v] = true
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(all)
	return named
}

// policyReader checks the issuers of one policy.
type policyReader struct {
	v     *TokenVerifier
	named map[string]bool
}

func (r *policyReader) issuer(in *tokenIssuerText) (*tokenIssuer, error) {
	i := &tokenIssuer{roles: in.RolesClaim}
	switch {
	case in.Issuer == "":
		return nil, errors.New(`issuer: want "self" or an issuer identifier`)
	case len(in.Audience) == 0 || slices.Contains(in.Audience, ""):
		return nil, errors.New("audience: name the audience that tokens are made for, for example gatehouse")
	}
	for path, values := range in.RequiredClaims {
		if path == "" {
			return nil, errors.New("required_claims: a claim needs a name")
		}
		i.required = append(i.required, requirement{path, values})
	}
	if in.Issuer == issuerSelf || in.Issuer == r.v.options.Issuer {
		if field := in.foreignField(); field != "" {
			return nil, fmt.Errorf("%s: the gateway knows this of its own issuer: leave it out", field)
		}
		i.self, i.keys, i.expect = true, r.v.options.Keys, r.v.expect
		i.expect.Audience = in.Audience
		return i, nil
	}
	i.checkIssued = true
	i.expect = jose.Expect{Issuer: in.Issuer, Audience: in.Audience, Now: r.v.options.Now}
	var err error
	if i.expect.Leeway, err = duration("leeway", in.Leeway, defaultLeeway, maxLeeway); err != nil {
		return nil, err
	}
	if i.expect.Algorithms, err = algorithms(in.Algorithms); err != nil {
		return nil, err
	}
	if i.expect.Types, err = types(in.Types); err != nil {
		return nil, err
	}
	if in.Introspection != nil {
		if i.introspection, err = r.introspection(in.Introspection); err != nil {
			return nil, fmt.Errorf("introspection/%w", err)
		}
	}
	source, err := r.keys(in)
	if source != nil { // a nil *keySource must not become a jose.Set
		i.keys = source
	}
	return i, err
}

// foreignField names a set field that our own issuer does not take.
func (in *tokenIssuerText) foreignField() string {
	switch {
	case in.JWKSURI != "":
		return "jwks_uri"
	case in.JWKSFile != "":
		return "jwks_file"
	case len(in.Algorithms) > 0:
		return "algorithms"
	case len(in.Types) > 0:
		return "types"
	case in.Leeway != "":
		return "leeway"
	case in.RolesClaim != "":
		return "roles_claim"
	case in.Introspection != nil:
		return "introspection"
	}
	return ""
}

// keys returns where the issuer's keys are; nil where there are none because
// it is asked about each token.
func (r *policyReader) keys(in *tokenIssuerText) (*keySource, error) {
	switch {
	case in.JWKSURI != "" && in.JWKSFile != "":
		return nil, errors.New("jwks_file: want either jwks_uri or jwks_file")
	case in.JWKSURI != "":
		if err := r.address("jwks_uri", in.JWKSURI); err != nil {
			return nil, err
		}
		return r.v.keysAt(in.JWKSURI), nil
	case in.JWKSFile != "":
		file, data, err := r.file("jwks_file", in.JWKSFile)
		if err != nil {
			return nil, err
		}
		if _, err := jose.ParseJWKS(data); err != nil {
			return nil, fmt.Errorf("jwks_file: %s: %w", file, err)
		}
		return r.v.keysIn(file), nil
	case in.Introspection != nil:
		return nil, nil
	}
	if err := r.address("issuer", in.Issuer); err != nil {
		return nil, err
	}
	if u, _ := url.Parse(in.Issuer); u.RawQuery != "" {
		return nil, fmt.Errorf("issuer: %q: its keys can only be discovered where it has no query: name its jwks_uri", in.Issuer)
	}
	return r.v.keysOf(in.Issuer), nil
}

func (r *policyReader) address(field, address string) error {
	if err := checkAddress(address); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if !r.named[address] {
		return fmt.Errorf("%s: %q does not stand in the filter's configuration, so it is not fetched", field, address)
	}
	return nil
}

// file returns the absolute path of a file that the operator named, and what is
// in it now.
func (r *policyReader) file(field, name string) (string, []byte, error) {
	if !r.named[name] {
		return "", nil, fmt.Errorf("%s: %q does not stand in the filter's configuration, so it is not read", field, name)
	}
	file := name
	if !filepath.IsAbs(file) {
		if r.v.options.BaseDir == "" {
			return "", nil, fmt.Errorf("%s: %q: want an absolute path", field, name)
		}
		file = filepath.Join(r.v.options.BaseDir, file)
	}
	data, err := readSmall(file)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", field, err)
	}
	return file, data, nil
}

func algorithms(list []string) ([]string, error) {
	known := foreignAlgorithms()
	if len(list) == 0 {
		return known, nil
	}
	for i, alg := range list {
		if !slices.Contains(known, alg) {
			return nil, fmt.Errorf("algorithms/%d: %q is not accepted: want some of %s", i, alg, strings.Join(known, ", "))
		}
	}
	return list, nil
}

// types returns accepted types as [jose.Expect] wants them; without any, those
// of access tokens (RFC 9068 §2.1).
func types(list []string) ([]string, error) {
	if len(list) == 0 {
		return []string{"at+jwt"}, nil
	}
	out := make([]string, len(list))
	for i, typ := range list {
		out[i] = strings.TrimPrefix(strings.ToLower(typ), "application/")
		if out[i] == identity.TokenType {
			return nil, fmt.Errorf("types/%d: %q is for tokens between our services", i, typ)
		}
	}
	return out, nil
}

func duration(field, text string, otherwise, most time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > most {
		return 0, fmt.Errorf("%s: %q: want a duration from 0s to %s", field, text, most)
	}
	return d, nil
}
