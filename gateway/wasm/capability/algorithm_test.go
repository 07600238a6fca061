package capability

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/jose"
)

func pinned(t *testing.T, kid, alg string, private crypto.Signer) jose.Key {
	t.Helper()
	key, err := jose.NewKey(kid, alg, private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestAlgorithms: each key verifies the one algorithm that it is pinned to.
func TestAlgorithms(t *testing.T) {
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := newES256(t)
	ec.KID = "ec"
	rs, ps, edwards := pinned(t, "rs", jose.RS256, strong), pinned(t, "ps", jose.PS384, strong), pinned(t, "ed", jose.EdDSA, ed)
	idp, v := newProvider(t), newVerifying(t)
	idp.set(false, ec, rs, ps, edwards)
	p := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks"}]}`, idp.URL)
	for _, key := range []jose.Key{ec, rs, ps, edwards} {
		v.use(p, v.token(key, "urn:idp"), filterv1.StatusOK)
	}

	good := v.token(rs, "urn:idp")
	payload := strings.Split(good, ".")[1]
	der, err := x509.MarshalPKIXPublicKey(strong.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(rs.JWK())
	if err != nil {
		t.Fatal(err)
	}
	hs256 := func(kid string, secret []byte) string {
		input := encoded(`{"alg":"HS256","typ":"at+jwt","kid":%q}`, kid) + "." + payload
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	with := func(alg, kid string, sign func(input []byte) ([]byte, error)) string {
		input := encoded(`{"alg":%q,"typ":"at+jwt","kid":%q}`, alg, kid) + "." + payload
		signature, err := sign([]byte(input))
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	pss := func(input []byte) ([]byte, error) {
		sum := sha256.Sum256(input)
		return rsa.SignPSS(rand.Reader, strong, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	long := func(input []byte) ([]byte, error) {
		sum := sha512.Sum512(input)
		return rsa.SignPKCS1v15(rand.Reader, strong, crypto.SHA512, sum[:])
	}
	edwardsCurve := func(input []byte) ([]byte, error) { return ed25519.Sign(ed, input), nil }
	for name, token := range map[string]string{
		"HS256 with the public key as PEM":    hs256("rs", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"HS256 with the public key as DER":    hs256("rs", der),
		"HS256 with the public key as JWK":    hs256("rs", jwk),
		"none":                                encoded(`{"alg":"none","typ":"at+jwt"}`) + "." + payload + ".",
		"None":                                encoded(`{"alg":"None","typ":"at+jwt"}`) + "." + payload + ".",
		"no algorithm":                        encoded(`{"typ":"at+jwt","kid":"rs"}`) + "." + payload + "." + strings.Split(good, ".")[2],
		"PS256 with a key for RS256":          with("PS256", "rs", pss),
		"RS512 with a key for RS256":          with("RS512", "rs", long),
		"RS256 with a key for PS384":          with("RS256", "ps", rs256(strong)),
		"the id of a key of another family":   with("RS256", "ec", rs256(strong)),
		"the id of another key of the family": with("EdDSA", "rs", edwardsCurve),
		"a key in the header":                 encoded(`{"alg":"RS256","typ":"at+jwt","jwk":%s}`, jwk) + "." + payload + "." + strings.Split(good, ".")[2],
		"a critical header":                   encoded(`{"alg":"RS256","typ":"at+jwt","kid":"rs","crit":["x"],"x":1}`) + "." + payload + "." + strings.Split(good, ".")[2],
		"another payload":                     strings.Split(good, ".")[0] + "." + encoded(`{"iss":"urn:idp","aud":"shop","sub":"eve","exp":9999999999}`) + "." + strings.Split(good, ".")[2],
		"no signature":                        strings.Join(strings.Split(good, ".")[:2], ".") + ".",
	} {
		if c, refusal := v.Verify(t.Context(), p, token); c != nil || refusal == nil || refusal.Status != filterv1.StatusInvalid {
			t.Errorf("%s: %+v, %+v", name, c, refusal)
		}
	}

	// They are refused for what they name, not because they are malformed.
	v.use(p, with("RS256", "rs", rs256(strong)), filterv1.StatusOK)
	v.use(p, with("EdDSA", "ed", edwardsCurve), filterv1.StatusOK)

	// The operator may want fewer.
	few := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks","algorithms":["EdDSA"]}]}`, idp.URL)
	v.use(few, v.token(edwards, "urn:idp"), filterv1.StatusOK)
	v.use(few, good, filterv1.StatusInvalid)
}

// TestWeakKeysAreNotTaken: RFC 7518 §3.3.
func TestWeakKeysAreNotTaken(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	idp, v := newProvider(t), newVerifying(t)
	idp.set(false, jose.Key{KID: "weak", Algorithm: jose.RS256, Public: weak.Public()})
	p := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks"}]}`, idp.URL)
	input := encoded(`{"alg":"RS256","typ":"at+jwt","kid":"weak"}`) + "." + encoded(`{"iss":"urn:idp","aud":"shop","sub":"eve","exp":9999999999}`)
	signature, err := rs256(weak)([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	v.use(p, input+"."+base64.RawURLEncoding.EncodeToString(signature), filterv1.StatusInvalid)
	if n := idp.fetches.Load(); n != 1 {
		t.Errorf("%d fetches: the key was not even looked for", n)
	}
}

func rs256(key *rsa.PrivateKey) func(input []byte) ([]byte, error) {
	return func(input []byte) ([]byte, error) {
		sum := sha256.Sum256(input)
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	}
}

// encoded is text in base64url.
func encoded(format string, args ...any) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, format, args...))
}
