package jose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxTokenBytes bounds a token that [Verify] looks at. An internal token with
// its certificate chain has about 2 KiB.
const MaxTokenBytes = 32 << 10

// Sign returns claims as a signed compact JWS (RFC 7515 §3.1) with the header
// "typ", the key's "alg" and "kid", and extraHeader, which cannot replace these.
func Sign(k Key, typ string, claims any, extraHeader map[string]any) (string, error) {
	if k.Private == nil {
		return "", fmt.Errorf("sign with key %q: it has no private part", k.KID)
	}
	if err := checkPublic(k.Algorithm, k.Private.Public()); err != nil {
		return "", fmt.Errorf("sign with key %q: %w", k.KID, err)
	}
	header := make(map[string]any, len(extraHeader)+3)
	for name, value := range extraHeader {
		header[name] = value
	}
	header["alg"] = k.Algorithm
	delete(header, "typ")
	delete(header, "kid")
	if typ != "" {
		header["typ"] = typ
	}
	if k.KID != "" {
		header["kid"] = k.KID
	}
	head, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	input := b64.EncodeToString(head) + "." + b64.EncodeToString(body)
	signature, err := method(k.Algorithm).Sign(input, k.Private)
	if err != nil {
		return "", fmt.Errorf("sign with key %q: %w", k.KID, err)
	}
	return input + "." + b64.EncodeToString(signature), nil
}

// Expect is what a token must be. What is left empty is not "anything": each
// field says what its zero value means.
type Expect struct {
	// Issuer is the required "iss"; empty refuses every token.
	Issuer string
	// Audience lists the names of which "aud" must hold one; empty refuses
	// every token unless AnyAudience is set.
	Audience []string
	// AnyAudience accepts every "aud". It is for the issuer that looks at its
	// own tokens, as introspection does.
	AnyAudience bool
	// Types lists the accepted "typ" in lower case and without "application/",
	// such as "at+jwt" (RFC 9068 §4); "" is a token without one. An empty list
	// accepts none and "jwt".
	Types []string
	// Algorithms lists the accepted "alg"; empty accepts all of this package.
	// A key is pinned to one of them in any case.
	Algorithms []string
	// Leeway is how far the clocks may differ.
	Leeway time.Duration
	// AllowExpired accepts a token after its end. It is for an id_token_hint
	// (OpenID Connect RP-Initiated Logout §2).
	AllowExpired bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Token is a verified token.
type Token struct {
	// Header is the JOSE header.
	Header map[string]any
	// Claims are the claims.
	Claims Claims
	// Raw is the claims set as it was signed.
	Raw json.RawMessage
}

// Verify returns the token if one key of set signed it and it is what e
// expects. The error is or wraps one of the Err values of this package, or is
// the error of set if the key could not be looked up.
func Verify(ctx context.Context, token string, set Set, e Expect) (*Token, error) {
	p, err := parse(token)
	if err != nil {
		return nil, err
	}
	if err := p.checkHeader(e); err != nil {
		return nil, err
	}
	if err := p.checkKey(ctx, set); err != nil {
		return nil, err
	}
	t := &Token{Header: p.header, Raw: p.payload}
	if err := t.Claims.read(p.payload); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := e.check(t.Claims); err != nil {
		return nil, err
	}
	return t, nil
}

func (e Expect) check(c Claims) error {
	if e.Issuer == "" || c.Issuer != e.Issuer {
		return fmt.Errorf("%w: %q", ErrIssuer, c.Issuer)
	}
	if !e.AnyAudience && !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(e.Audience, a) }) {
		return fmt.Errorf("%w: %q", ErrAudience, c.Audience)
	}
	now := time.Now()
	if e.Now != nil {
		now = e.Now()
	}
	if c.ExpiresAt.IsZero() {
		return fmt.Errorf("%w: it has no end", ErrExpired)
	}
	// RFC 7519 §4.1.4: not accepted on or after its end.
	if !e.AllowExpired && !now.Before(c.ExpiresAt.Add(e.Leeway)) {
		return fmt.Errorf("%w at %s", ErrExpired, c.ExpiresAt.Format(time.RFC3339))
	}
	if !c.NotBefore.IsZero() && now.Add(e.Leeway).Before(c.NotBefore) {
		return fmt.Errorf("%w before %s", ErrNotYetValid, c.NotBefore.Format(time.RFC3339))
	}
	return nil
}

// parsed is a token whose signature was not looked at yet.
type parsed struct {
	header        map[string]any
	alg, kid, typ string
	payload       json.RawMessage
	input         string
	signature     []byte
}

func parse(token string) (*parsed, error) {
	if len(token) > MaxTokenBytes {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrMalformed, MaxTokenBytes)
	}
	head, rest, ok := strings.Cut(token, ".")
	body, sig, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(sig, ".") {
		return nil, fmt.Errorf("%w: it has not three parts", ErrMalformed)
	}
	headerJSON, err1 := b64.DecodeString(head)
	payload, err2 := b64.DecodeString(body)
	signature, err3 := b64.DecodeString(sig)
	// The decoder skips line breaks, which are no base64url (RFC 7515 §2).
	if errors.Join(err1, err2, err3) != nil || strings.ContainsAny(token, "\r\n") {
		return nil, fmt.Errorf("%w: it is not base64url", ErrMalformed)
	}
	p := &parsed{payload: payload, signature: signature, input: token[:len(head)+1+len(body)]}
	if p.header, err1 = readHeader(headerJSON); err1 != nil {
		return nil, fmt.Errorf("%w: the header is not a JSON object", ErrMalformed)
	}
	// We understand no critical extension (RFC 7515 §4.1.11); that includes
	// unencoded payloads (RFC 7797 §6).
	if _, ok := p.header["crit"]; ok {
		return nil, fmt.Errorf("%w: a critical header is not understood", ErrMalformed)
	}
	for name, to := range map[string]*string{"alg": &p.alg, "kid": &p.kid, "typ": &p.typ} {
		value, ok := p.header[name]
		if !ok {
			continue
		}
		if *to, ok = value.(string); !ok {
			return nil, fmt.Errorf("%w: header %q is not a text", ErrMalformed, name)
		}
	}
	return p, nil
}

// readHeader decodes a JOSE header.
func readHeader(data []byte) (map[string]any, error) {
	all, err := members(data)
	if err != nil {
		return nil, err
	}
	header := make(map[string]any, len(all))
	for name, raw := range all {
		if text, ok := plain(raw); ok {
			header[name] = text
			continue
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, err
		}
		header[name] = value
	}
	return header, nil
}

// checkHeader looks at what the header says before anything is computed.
func (p *parsed) checkHeader(e Expect) error {
	if err := p.checkType(e.Types); err != nil {
		return err
	}
	if method(p.alg) == nil || (len(e.Algorithms) > 0 && !slices.Contains(e.Algorithms, p.alg)) {
		return fmt.Errorf("%w: algorithm %q is refused", ErrSignature, p.alg)
	}
	return nil
}

// checkType refuses tokens that were made for something else (RFC 8725 §3.11).
func (p *parsed) checkType(accepted []string) error {
	// RFC 7515 §4.1.9: media types compare without case, "application/" may be
	// left out.
	typ := strings.TrimPrefix(strings.ToLower(p.typ), "application/")
	if len(accepted) == 0 && (typ == "" || typ == "jwt") {
		return nil
	}
	if slices.Contains(accepted, typ) {
		return nil
	}
	return fmt.Errorf("%w: %q", ErrType, p.typ)
}

// checkKey verifies the signature with the key of set that the header names.
func (p *parsed) checkKey(ctx context.Context, set Set) error {
	key, err := set.Key(ctx, p.kid, p.alg)
	if err != nil {
		return err
	}
	return p.checkSignature(key)
}

func (p *parsed) checkSignature(k Key) error {
	// A set may be written carelessly; the pin is checked here (RFC 8725 §3.1).
	if k.Algorithm != p.alg {
		return fmt.Errorf("%w: key %q is for %s, not for %s", ErrSignature, k.KID, k.Algorithm, p.alg)
	}
	if err := checkPublic(k.Algorithm, k.Public); err != nil {
		return fmt.Errorf("%w: key %q: %w", ErrSignature, k.KID, err)
	}
	if err := method(k.Algorithm).Verify(p.input, p.signature, k.Public); err != nil {
		return ErrSignature
	}
	return nil
}
