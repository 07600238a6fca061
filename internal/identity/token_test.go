package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
	"gatehouse.example/internal/mtls"
)

const domain = "gatehouse.test"

func authority(t testing.TB, trustDomain string) *mtls.Authority {
	t.Helper()
	dir := t.TempDir()
	a, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), trustDomain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func bundle(t testing.TB, a *mtls.Authority, service string, ttl time.Duration) *mtls.Bundle {
	t.Helper()
	b, err := a.IssueService(service, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func verifier(a *mtls.Authority, now func() time.Time) *identity.Verifier {
	return identity.NewVerifier(a.Roots(), domain, identity.Audience, now)
}

func mint(t testing.TB, b *mtls.Bundle, p identity.Principal, now func() time.Time) string {
	t.Helper()
	token, _, err := identity.NewMinter(b, now).Mint(p, identity.Audience)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var person = identity.Principal{
	Kind: identity.KindUser, Subject: "0197-user", ClientID: "app", SessionID: "s1", TokenID: "j1",
	Scopes: []string{"openid", "users:read"}, Roles: []string{"admin"},
}

// TestForeignPrincipalsGetNoToken: a stranger's subject must not be taken for
// one of our people's, by our services or by others.
func TestForeignPrincipalsGetNoToken(t *testing.T) {
	foreign := person
	foreign.Issuer = "https://id.example"
	minter := identity.NewMinter(bundle(t, authority(t, domain), "gateway", time.Hour), nil)
	for _, audience := range []string{identity.Audience, "shop"} {
		if token, _, err := minter.Mint(foreign, audience); !errors.Is(err, identity.ErrForeign) || token != "" {
			t.Errorf("audience %s: %q, %v", audience, token, err)
		}
	}
}

func TestTokenCarriesThePrincipal(t *testing.T) {
	a := authority(t, domain)
	gateway := bundle(t, a, "gateway", time.Hour)
	for name, p := range map[string]identity.Principal{
		"user":           person,
		"client":         {Kind: identity.KindClient, Subject: "app", ClientID: "app", Scopes: []string{"admin"}},
		"API key":        {Kind: identity.KindClient, Subject: "app", ClientID: "app", TokenID: "k", RevocationID: "k#1", Scopes: []string{"a"}, Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second)},
		"without scopes": {Kind: identity.KindUser, Subject: "0197-user"},
	} {
		t.Run(name, func(t *testing.T) {
			token, expires, err := identity.NewMinter(gateway, nil).Mint(p, identity.Audience)
			if err != nil {
				t.Fatal(err)
			}
			got, err := verifier(a, nil).Verify(token)
			if err != nil {
				t.Fatal(err)
			}
			want := p
			want.Expires, want.CredentialExpires = expires.UTC(), p.Expires
			if want.Scopes == nil {
				want.Scopes = []string{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	token, err := identity.NewMinter(bundle(t, a, "email", time.Hour), nil).MintService(identity.Audience)
	if err != nil {
		t.Fatal(err)
	}
	got, err := verifier(a, nil).Verify(token)
	if err != nil || got.Kind != identity.KindService || got.Subject != "email" {
		t.Errorf("service token: %+v, %v", got, err)
	}
}

func TestTokenNeverOutlivesTheCredential(t *testing.T) {
	gateway := bundle(t, authority(t, domain), "gateway", time.Hour)
	now := time.Now().Truncate(time.Second)
	minter := identity.NewMinter(gateway, func() time.Time { return now })
	for name, test := range map[string]struct {
		expires time.Time
		want    time.Time
	}{
		"no end":        {time.Time{}, now.Add(time.Minute)},
		"far away":      {now.Add(time.Hour), now.Add(time.Minute)},
		"soon":          {now.Add(10*time.Second + 900*time.Millisecond), now.Add(10 * time.Second)},
		"now":           {now, time.Time{}},
		"within second": {now.Add(500 * time.Millisecond), time.Time{}},
		"past":          {now.Add(-time.Hour), time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := person
			p.Expires = test.expires
			_, expires, err := minter.Mint(p, identity.Audience)
			if (err != nil) != test.want.IsZero() || (err == nil && !expires.Equal(test.want)) {
				t.Errorf("got %v, %v; want %v", expires, err, test.want)
			}
		})
	}
}

func TestOnlyTheGatewayNamesOthers(t *testing.T) {
	a := authority(t, domain)
	for _, service := range []string{"auth", "user", "email", "gateway2"} {
		b := bundle(t, a, service, time.Hour)
		for _, p := range []identity.Principal{
			person,
			{Kind: identity.KindClient, Subject: "app"},
			{Kind: identity.KindService, Subject: "gateway"},
			{Kind: identity.KindNobody, Subject: "x"},
			{Kind: "robot", Subject: service},
		} {
			if _, _, err := identity.NewMinter(b, nil).Mint(p, identity.Audience); err == nil {
				t.Errorf("%s minted %s %s", service, p.Kind, p.Subject)
			}
			// And if it signs on its own, nobody believes it.
			token := forge(t, b, "gatehouse+jwt", map[string]any{"kind": p.Kind, "sub": p.Subject})
			if got, err := verifier(a, nil).Verify(token); err == nil || got.Authenticated() {
				t.Errorf("%s is believed about %s %s", service, p.Kind, p.Subject)
			}
		}
	}
	gateway := bundle(t, a, "gateway", time.Hour)
	for _, p := range []identity.Principal{{}, {Kind: identity.KindUser}, {Kind: identity.KindService, Subject: "auth"}} {
		if _, _, err := identity.NewMinter(gateway, nil).Mint(p, identity.Audience); err == nil {
			t.Errorf("the gateway minted %+v", p)
		}
	}
	if _, _, err := identity.NewMinter(gateway, nil).Mint(person, ""); err == nil {
		t.Error("a token without audience")
	}
}

// forge signs claims with b's key, over good ones.
func forge(t testing.TB, b *mtls.Bundle, typ string, changes map[string]any) string {
	t.Helper()
	private, ok := b.Certificate.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("no ECDSA key")
	}
	return forgeWith(t, private, b.Certificate.Certificate, typ, b.ID, changes)
}

func forgeWith(t testing.TB, private *ecdsa.PrivateKey, chain [][]byte, typ, issuer string, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": issuer, "aud": identity.Audience, "sub": "0197-user", "kind": "user",
		"iat": time.Now().Unix(), "exp": time.Now().Add(30 * time.Second).Unix(),
	}
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	header := map[string]any{}
	if chain != nil {
		encoded := make([]string, len(chain))
		for i, der := range chain {
			encoded[i] = base64.StdEncoding.EncodeToString(der)
		}
		header["x5c"] = encoded
	}
	token, err := jose.Sign(jose.Key{Algorithm: jose.ES256, Private: private, Public: &private.PublicKey}, typ, claims, header)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestVerifyRefuses(t *testing.T) {
	a, other := authority(t, domain), authority(t, domain)
	gateway := bundle(t, a, "gateway", time.Hour)
	stranger := bundle(t, other, "gateway", time.Hour)
	elsewhere := bundle(t, authority(t, "other.test"), "gateway", time.Hour)
	private := gateway.Certificate.PrivateKey.(*ecdsa.PrivateKey)
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	server, err := a.IssueServer([]string{"localhost"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier(a, nil).Verify(forge(t, gateway, "gatehouse+jwt", nil)); err != nil {
		t.Fatalf("the forged token is not good before it is changed: %v", err)
	}
	good := mint(t, gateway, person, nil)
	chain := gateway.Certificate.Certificate

	for name, test := range map[string]struct {
		token string
		want  error // nil: any
	}{
		"empty":                   {"", jose.ErrMalformed},
		"garbage":                 {"a.b.c", jose.ErrMalformed},
		"changed":                 {good[:len(good)-10] + "AAAAAAAAAA", nil},
		"access token":            {forge(t, gateway, "at+jwt", nil), jose.ErrType},
		"id token":                {forge(t, gateway, "JWT", nil), jose.ErrType},
		"no type":                 {forge(t, gateway, "", nil), jose.ErrType},
		"another audience":        {forge(t, gateway, "gatehouse+jwt", map[string]any{"aud": "shop"}), jose.ErrAudience},
		"no audience":             {forge(t, gateway, "gatehouse+jwt", map[string]any{"aud": nil}), jose.ErrAudience},
		"expired":                 {forge(t, gateway, "gatehouse+jwt", map[string]any{"exp": time.Now().Add(-6 * time.Second).Unix()}), jose.ErrExpired},
		"no end":                  {forge(t, gateway, "gatehouse+jwt", map[string]any{"exp": nil}), jose.ErrExpired},
		"too long a life":         {forge(t, gateway, "gatehouse+jwt", map[string]any{"exp": time.Now().Add(2 * time.Minute).Unix()}), nil},
		"issuer of another":       {forge(t, gateway, "gatehouse+jwt", map[string]any{"iss": "spiffe://gatehouse.test/service/auth"}), jose.ErrIssuer},
		"public issuer":           {forge(t, gateway, "gatehouse+jwt", map[string]any{"iss": "https://id.example"}), jose.ErrIssuer},
		"no subject":              {forge(t, gateway, "gatehouse+jwt", map[string]any{"sub": ""}), nil},
		"no kind":                 {forge(t, gateway, "gatehouse+jwt", map[string]any{"kind": nil}), nil},
		"another authority":       {forge(t, stranger, "gatehouse+jwt", nil), nil},
		"another trust domain":    {forge(t, elsewhere, "gatehouse+jwt", nil), nil},
		"no chain":                {forgeWith(t, private, nil, "gatehouse+jwt", gateway.ID, nil), jose.ErrMalformed},
		"empty chain":             {forgeWith(t, private, [][]byte{}, "gatehouse+jwt", gateway.ID, nil), jose.ErrMalformed},
		"long chain":              {forgeWith(t, private, [][]byte{chain[0], chain[0], chain[0], chain[0], chain[0]}, "gatehouse+jwt", gateway.ID, nil), jose.ErrMalformed},
		"chain is no certificate": {forgeWith(t, private, [][]byte{{1, 2, 3}}, "gatehouse+jwt", gateway.ID, nil), nil},
		"certificate without key": {forgeWith(t, fresh, chain, "gatehouse+jwt", gateway.ID, nil), jose.ErrSignature},
		"server certificate":      {forgeWith(t, server.PrivateKey.(*ecdsa.PrivateKey), server.Certificate, "gatehouse+jwt", gateway.ID, nil), nil},
		"stranger before ours":    {forgeWith(t, stranger.Certificate.PrivateKey.(*ecdsa.PrivateKey), [][]byte{stranger.Certificate.Certificate[0], chain[0]}, "gatehouse+jwt", gateway.ID, nil), nil},
		"none":                    {noneToken(good), jose.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			v := verifier(a, nil)
			// A certificate in the cache must not vouch for another token.
			if _, err := v.Verify(good); err != nil {
				t.Fatal(err)
			}
			got, err := v.Verify(test.token)
			if err == nil || got.Authenticated() || (test.want != nil && !errors.Is(err, test.want)) {
				t.Errorf("got %+v, %v; want %v", got, err, test.want)
			}
		})
	}
}

// noneToken replaces the algorithm of a token by "none" and keeps its chain.
func noneToken(token string) string {
	head, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	header, _ := base64.RawURLEncoding.DecodeString(head)
	header = []byte(strings.Replace(string(header), `"ES256"`, `"none"`, 1))
	return base64.RawURLEncoding.EncodeToString(header) + "." + body + "."
}

func TestACertificatePastItsEndIsRefusedFromTheCacheToo(t *testing.T) {
	a := authority(t, domain)
	gateway := bundle(t, a, "gateway", time.Minute)
	now := time.Now()
	clock := func() time.Time { return now }
	v := verifier(a, clock)
	if _, err := v.Verify(mint(t, gateway, person, clock)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	_, err := v.Verify(mint(t, gateway, person, clock))
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); !ok || invalid.Reason != x509.Expired {
		t.Errorf("got %v", err)
	}
}

func TestTheCacheOfCertificatesIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("makes many certificates")
	}
	a := authority(t, domain)
	v := verifier(a, nil)
	for range 300 {
		b := bundle(t, a, "gateway", time.Hour)
		if _, err := v.Verify(mint(t, b, person, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := identity.CachedLeaves(v); n > 256 {
		t.Errorf("%d certificates are kept", n)
	}
}

func FuzzVerify(f *testing.F) {
	a := authority(f, domain)
	good := mint(f, bundle(f, a, "gateway", time.Hour), person, nil)
	f.Add(good)
	f.Add(noneToken(good))
	f.Add("e30.e30.")
	v := verifier(a, nil)
	f.Fuzz(func(t *testing.T, token string) {
		if p, err := v.Verify(token); err == nil && token != good {
			t.Errorf("%q is %+v", token, p)
		}
	})
}

func BenchmarkMint(b *testing.B) {
	minter := identity.NewMinter(bundle(b, authority(b, domain), "gateway", time.Hour), nil)
	for b.Loop() {
		if _, _, err := minter.Mint(person, identity.Audience); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	a := authority(b, domain)
	token, v := mint(b, bundle(b, a, "gateway", time.Hour), person, nil), verifier(a, func(now time.Time) func() time.Time { return func() time.Time { return now } }(time.Now()))
	for b.Loop() {
		if _, err := v.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
