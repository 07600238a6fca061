package jose

import (
	"context"
	"fmt"
)

// Unverified is a token that was read and NOT verified. It is for those who
// must know the issuer to find the rules, and for refusing what no signature
// could save before anything is computed or fetched for a stranger. It is read
// only.
type Unverified struct {
	parsed *parsed
	claims Claims
}

// Parse reads a token. The error is or wraps [ErrMalformed].
func Parse(token string) (*Unverified, error) {
	p, err := parse(token)
	if err != nil {
		return nil, err
	}
	u := &Unverified{parsed: p}
	if err := u.claims.read(p.payload); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return u, nil
}

// Issuer returns the "iss" that the token claims to have.
func (u *Unverified) Issuer() string { return u.claims.Issuer }

// Check reports why the token would be refused by e whoever signed it: its
// type, algorithm, issuer, audience and times. No error means nothing.
func (u *Unverified) Check(e Expect) error {
	if err := u.parsed.checkHeader(e); err != nil {
		return err
	}
	return e.check(u.claims)
}

// Verify is like the function [Verify], but checks the claims first and looks
// for the key only then.
func (u *Unverified) Verify(ctx context.Context, set Set, e Expect) (*Token, error) {
	if err := u.Check(e); err != nil {
		return nil, err
	}
	if err := u.parsed.checkKey(ctx, set); err != nil {
		return nil, err
	}
	return &Token{Header: u.parsed.header, Claims: u.claims, Raw: u.parsed.payload}, nil
}
