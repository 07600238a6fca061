package capability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
)

// claimSet is all that a token or an introspection answer says, as decoded
// JSON; numbers are json.Number.
type claimSet map[string]any

func readClaimSet(raw []byte) (claimSet, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var set claimSet
	if err := d.Decode(&set); err != nil {
		return nil, fmt.Errorf("%w: %w", jose.ErrMalformed, err)
	}
	return set, nil
}

// find returns the claim at path: its name, or the names from object to object
// with dots between them. A name that holds dots itself wins.
func (c claimSet) find(path string) (any, bool) {
	if value, ok := c[path]; ok {
		return value, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := c[path[:i]].(map[string]any); ok {
			if value, ok := claimSet(inner).find(path[i+1:]); ok {
				return value, true
			}
		}
	}
	return nil, false
}

// texts returns a claim's value as a list: one item for a string, number or
// boolean, those of a list of such, none for anything else.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case bool:
		if v {
			return []string{"true"}
		}
		return []string{"false"}
	case json.Number:
		return []string{v.String()}
	case []any:
		var list []string
		for _, item := range v {
			if _, nested := item.([]any); !nested {
				list = append(list, texts(item)...)
			}
		}
		return list
	}
	return nil
}

// asText returns a claim's value as one text, "" where it has none; lists are
// written with commas between the items. An item that holds a comma itself is
// left out: nobody could tell it from two. Control bytes are an error, for the
// text becomes header fields and log lines.
func asText(value any) (string, error) {
	list := texts(value)
	if _, isList := value.([]any); isList {
		list = slices.DeleteFunc(list, func(s string) bool { return strings.Contains(s, ",") })
	}
	text := strings.Join(list, ",")
	for i := range len(text) {
		if text[i] < 0x20 || text[i] == 0x7f {
			return "", errors.New("it holds a control character")
		}
	}
	return text, nil
}

// requirement is a claim that a token must have.
type requirement struct {
	path string
	// values lists what it may be; empty means anything.
	values []string
}

func (r *requirement) check(c claimSet) error {
	value, _ := c.find(r.path)
	list := texts(value)
	if len(list) == 0 {
		return fmt.Errorf("the token has no claim %q", r.path)
	}
	if len(r.values) > 0 && !intersect(r.values, list) {
		return fmt.Errorf("claim %q has none of the required values", r.path)
	}
	return nil
}

// credential makes what filters and upstreams learn of a good token.
func (i *tokenIssuer) credential(p *TokenPolicy, claims *jose.Claims, raw []byte, digest [32]byte) (*Credential, error) {
	c := &Credential{Digest: digest, self: i.self}
	var set claimSet
	if !i.self || len(p.claims) > 0 || len(i.required) > 0 {
		var err error
		if set, err = readClaimSet(raw); err != nil {
			return nil, err
		}
	}
	for _, r := range i.required {
		if err := r.check(set); err != nil {
			return nil, err
		}
	}
	if i.self {
		c.Principal = ownPrincipal(claims)
	} else {
		c.Principal = i.foreignPrincipal(claims, set)
	}
	if c.Principal.Subject == "" {
		return nil, errors.New("the token has no subject")
	}
	for _, claim := range p.claims {
		value, _ := set.find(claim.name)
		text, err := asText(value)
		if err != nil {
			return nil, fmt.Errorf("claim %q: %w", claim.name, err)
		}
		if text == "" {
			continue
		}
		if c.Claims == nil {
			c.Claims = make(map[string]string, len(p.claims))
		}
		c.Claims[claim.name] = text
	}
	return c, nil
}

// ownPrincipal is who Gatehouse's own token names.
func ownPrincipal(c *jose.Claims) identity.Principal {
	kind := identity.KindUser
	if c.Subject == c.ClientID {
		kind = identity.KindClient
	}
	return identity.Principal{
		Kind: kind, Subject: c.Subject, ClientID: c.ClientID, SessionID: c.SessionID, TokenID: c.ID,
		Scopes: strings.Fields(c.Scope), Roles: c.Roles, Permissions: c.Permissions, Expires: c.ExpiresAt,
	}
}

// foreignPrincipal is who another issuer's token names. Issuer marks it: such
// a principal is nobody to our own services. What stands for more than itself
// here ("admin") does not come from outside.
func (i *tokenIssuer) foreignPrincipal(c *jose.Claims, set claimSet) identity.Principal {
	p := identity.Principal{
		Kind: identity.KindUser, Issuer: i.expect.Issuer, Subject: c.Subject, ClientID: c.ClientID,
		SessionID: c.SessionID, TokenID: c.ID, Expires: c.ExpiresAt,
	}
	// Names of client_id at issuers from before RFC 9068.
	for _, name := range []string{"azp", "cid"} {
		if p.ClientID == "" {
			p.ClientID, _ = set[name].(string)
		}
	}
	if p.Subject == "" && i.introspection != nil {
		p.Subject = p.ClientID // RFC 7662 §2.2: sub is optional
	}
	if p.Subject == p.ClientID {
		p.Kind = identity.KindClient
	}
	p.Scopes = strings.Fields(c.Scope)
	for _, name := range []string{"scope", "scp"} {
		// scp is a list at some issuers and a text at others, and so is scope.
		if len(p.Scopes) == 0 {
			p.Scopes = words(set[name])
		}
	}
	p.Scopes = slices.DeleteFunc(p.Scopes, func(s string) bool {
		return s == identity.ScopeAdmin || s == identity.ScopeImpersonate
	})
	if i.roles != "" {
		value, _ := set.find(i.roles)
		p.Roles = words(value)
	}
	return p
}

// words returns the items of a list, or the words of a text.
func words(value any) []string {
	if text, ok := value.(string); ok {
		return strings.Fields(text)
	}
	return texts(value)
}
