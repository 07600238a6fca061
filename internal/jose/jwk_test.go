package jose_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"testing"

	"gatehouse.example/internal/jose"
)

// The keys of RFC 7638 §3.1, RFC 8037 appendix A.2 and RFC 7515 appendix A.3.
const (
	rfc7638RSA = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	rfc8037OKP = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	rfc7515EC  = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
)

func TestThumbprintVectors(t *testing.T) {
	for name, test := range map[string]struct{ key, want string }{
		"RFC 7638 §3.1": {rfc7638RSA, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		"RFC 8037 A.3":  {rfc8037OKP, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		t.Run(name, func(t *testing.T) {
			var j jose.JWK
			if err := json.Unmarshal([]byte(test.key), &j); err != nil {
				t.Fatal(err)
			}
			got, err := j.Thumbprint()
			if err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
			// The same after a round trip through the Go key.
			key, err := j.Key()
			if err != nil {
				t.Fatal(err)
			}
			if again, _ := key.JWK().Thumbprint(); again != test.want {
				t.Errorf("round trip: %q", again)
			}
		})
	}
	if _, err := (jose.JWK{KeyType: "oct"}).Thumbprint(); err == nil {
		t.Error("a symmetric key has a thumbprint")
	}
}

func newKeys(t testing.TB) map[string]jose.Key {
	t.Helper()
	keys := map[string]jose.Key{}
	add := func(alg string, private crypto.Signer, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		key, err := jose.NewKey("", alg, private)
		if err != nil {
			t.Fatal(err)
		}
		keys[alg] = key
	}
	for alg, curve := range map[string]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(alg, private, err)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	for _, alg := range []string{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		add(alg, private, err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	add(jose.EdDSA, ed, err)
	add(jose.Ed25519, ed, err)
	return keys
}

func TestJWKRoundTrip(t *testing.T) {
	for alg, key := range newKeys(t) {
		data, err := json.Marshal(jose.PublicSet(key))
		if err != nil {
			t.Fatal(err)
		}
		set, err := jose.ParseJWKS(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := set.Key(context.Background(), key.KID, alg)
		if err != nil {
			t.Errorf("%s: %v in %s", alg, err, data)
			continue
		}
		public, ok := got.Public.(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !public.Equal(key.Public) || got.Private != nil {
			t.Errorf("%s: another key came back", alg)
		}
	}
}

func TestParseJWKSLeavesOutWhatCannotBeUsed(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := json.Marshal(jose.Key{KID: "weak", Algorithm: jose.RS256, Public: &small.PublicKey}.JWK())
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{
		"symmetric":           `{"kty":"oct","kid":"a","k":"AAAA","alg":"HS256"}`,
		"weak RSA":            string(weak),
		"encryption":          `{"kty":"EC","use":"enc","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"only for signing":    `{"kty":"EC","key_ops":["sign"],"crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"off the curve":       `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"}`,
		"short coordinate":    `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`,
		"other curve":         `{"kty":"EC","crv":"secp256k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"alg of other curve":  `{"kty":"EC","alg":"ES384","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"none":                `{"kty":"EC","alg":"none","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"HMAC with EC":        `{"kty":"EC","alg":"HS256","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		"published private":   `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"X25519":              `{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"padded base64":       `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}`,
		"even RSA exponent":   `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"Ag"}`,
		"kid of another type": `{"kty":"OKP","crv":"Ed25519","kid":1,"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
	} {
		t.Run(name, func(t *testing.T) {
			set, err := jose.ParseJWKS([]byte(`{"keys":[` + key + `,` + rfc8037OKP + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := set.Key(context.Background(), "", jose.EdDSA); err != nil {
				t.Errorf("the good key beside it: %v", err)
			}
			for _, alg := range []string{"ES256", "ES384", "RS256", "HS256", "none", ""} {
				if key, err := set.Key(context.Background(), "", alg); !errors.Is(err, jose.ErrUnknownKey) {
					t.Errorf("%q found %+v, %v", alg, key, err)
				}
			}
		})
	}
	for _, document := range []string{``, `[]`, `{}`, `{"keys":null}`, `{"keys":{}}`, `{"keys":[]`} {
		if _, err := jose.ParseJWKS([]byte(document)); err == nil {
			t.Errorf("%s is a key set", document)
		}
	}
}

func TestStaticSet(t *testing.T) {
	keys := newKeys(t)
	es, ed := keys[jose.ES256], keys[jose.EdDSA]
	set := jose.StaticSet(es, ed)
	ctx := context.Background()
	if got, err := set.Key(ctx, "", jose.ES256); err != nil || got.KID != es.KID {
		t.Errorf("the only ES256 key: %v", err)
	}
	if _, err := set.Key(ctx, es.KID, jose.EdDSA); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("a key under another algorithm: %v", err)
	}
	second, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.StaticSet(es, second).Key(ctx, "", jose.ES256); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("one of two without a kid: %v", err)
	}
}
