package jose_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/jose"
)

var (
	now    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock  = func() time.Time { return now }
	expect = jose.Expect{Issuer: "https://id.example", Audience: []string{"gatehouse"}, Types: []string{"at+jwt"}, Now: clock}
)

func claims() jose.Claims {
	return jose.Claims{
		Issuer: "https://id.example", Subject: "018f", ClientID: "app", Scope: "openid users:read",
		SessionID: "s1", ID: "j1", Nonce: "n", Audience: []string{"gatehouse"}, Roles: []string{"admin"},
		ExpiresAt: now.Add(time.Minute), IssuedAt: now, NotBefore: now, AuthTime: now.Add(-time.Hour),
		Extra: map[string]json.RawMessage{"acr": json.RawMessage(`"1"`)},
	}
}

func sign(t testing.TB, k jose.Key, typ string, c any) string {
	t.Helper()
	token, err := jose.Sign(k, typ, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignAndVerifyEveryAlgorithm(t *testing.T) {
	for alg, key := range newKeys(t) {
		token := sign(t, key, "at+jwt", claims())
		got, err := jose.Verify(context.Background(), token, jose.StaticSet(key.PublicOnly()), expect)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if diff := cmp.Diff(claims(), got.Claims); diff != "" {
			t.Errorf("%s: %s", alg, diff)
		}
		if got.Header["alg"] != alg || got.Header["kid"] != key.KID || got.Header["typ"] != "at+jwt" {
			t.Errorf("%s: header %v", alg, got.Header)
		}
	}
}

// TestVectors are signatures that others made: RFC 7515 appendix A.3 (ES256)
// and A.2 (RS256), RFC 8037 appendix A.4 (EdDSA).
func TestVectors(t *testing.T) {
	const rsaKey = `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`
	const payload = `eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ`
	joe := jose.Expect{Issuer: "joe", AnyAudience: true, Now: func() time.Time { return time.Unix(1300819379, 0) }}
	for name, test := range map[string]struct {
		key, token string
	}{
		"RFC 7515 A.3": {rfc7515EC, `eyJhbGciOiJFUzI1NiJ9.` + payload + `.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q`},
		"RFC 7515 A.2": {rsaKey, `eyJhbGciOiJSUzI1NiJ9.` + payload + `.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw`},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := jose.ParseJWKS([]byte(`{"keys":[` + test.key + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			// The vectors' keys have no kid; ours is the thumbprint, and theirs none.
			got, err := jose.Verify(context.Background(), test.token, set, joe)
			if err != nil {
				t.Fatal(err)
			}
			if got.Claims.Issuer != "joe" || string(got.Claims.Extra["http://example.com/is_root"]) != "true" {
				t.Errorf("claims %+v", got.Claims)
			}
			late := joe
			late.Now = func() time.Time { return time.Unix(1300819380, 0) }
			if _, err := jose.Verify(context.Background(), test.token, set, late); !errors.Is(err, jose.ErrExpired) {
				t.Errorf("at its very end: %v", err)
			}
		})
	}
	// RFC 8037 A.4 signs no claims: the signature is good, the payload is not JSON.
	set, err := jose.ParseJWKS([]byte(`{"keys":[` + rfc8037OKP + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	const token = `eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg`
	if _, err := jose.Verify(context.Background(), token, set, joe); !errors.Is(err, jose.ErrMalformed) {
		t.Errorf("RFC 8037 A.4: %v", err)
	}
	if _, err := jose.Verify(context.Background(), strings.Replace(token, ".hgy", ".hgz", 1), set, joe); !errors.Is(err, jose.ErrSignature) {
		t.Errorf("RFC 8037 A.4, changed: %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	keys := newKeys(t)
	key, other := keys[jose.ES256], keys[jose.RS256]
	set := jose.StaticSet(key.PublicOnly())
	edit := func(change func(*jose.Claims)) string {
		c := claims()
		change(&c)
		return sign(t, key, "at+jwt", c)
	}
	good := sign(t, key, "at+jwt", claims())
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	withHeader := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + body + "." + signature
	}
	otherKID := key
	otherKID.KID = "other"
	forged, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	forged.KID = key.KID

	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"empty":                     {"", jose.ErrMalformed},
		"two parts":                 {head + "." + body, jose.ErrMalformed},
		"four parts":                {good + ".x", jose.ErrMalformed},
		"padding":                   {good + "=", jose.ErrMalformed},
		"line break":                {good + "\n", jose.ErrMalformed},
		"stray bits":                {strayBits(good), jose.ErrMalformed},
		"too long":                  {strings.Repeat("a", jose.MaxTokenBytes+1), jose.ErrMalformed},
		"header is a list":          {withHeader(`["ES256"]`), jose.ErrMalformed},
		"header is null":            {withHeader(`null`), jose.ErrMalformed},
		"alg is a number":           {withHeader(`{"alg":1,"typ":"at+jwt"}`), jose.ErrMalformed},
		"crit":                      {withHeader(`{"alg":"ES256","typ":"at+jwt","crit":["b64"],"b64":false}`), jose.ErrMalformed},
		"no alg":                    {withHeader(`{"typ":"at+jwt"}`), jose.ErrSignature},
		"none":                      {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + body + ".", jose.ErrSignature},
		"nOnE":                      {withHeader(`{"alg":"nOnE","typ":"at+jwt"}`), jose.ErrSignature},
		"HMAC with the public key":  {hmacToken(t, key, body), jose.ErrSignature},
		"another algorithm":         {sign(t, other, "at+jwt", claims()), jose.ErrUnknownKey},
		"another kid":               {sign(t, otherKID, "at+jwt", claims()), jose.ErrUnknownKey},
		"another key with our kid":  {sign(t, forged, "at+jwt", claims()), jose.ErrSignature},
		"no signature":              {head + "." + body + ".", jose.ErrSignature},
		"signature of another body": {head + "." + strings.Split(edit(func(c *jose.Claims) { c.Subject = "root" }), ".")[1] + "." + signature, jose.ErrSignature},
		"id token":                  {sign(t, key, "JWT", claims()), jose.ErrType},
		"internal token":            {sign(t, key, "gatehouse+jwt", claims()), jose.ErrType},
		"no type":                   {sign(t, key, "", claims()), jose.ErrType},
		"another issuer":            {edit(func(c *jose.Claims) { c.Issuer = "https://id.example.evil" }), jose.ErrIssuer},
		"no issuer":                 {edit(func(c *jose.Claims) { c.Issuer = "" }), jose.ErrIssuer},
		"another audience":          {edit(func(c *jose.Claims) { c.Audience = []string{"gatehouse2", "GATEHOUSE"} }), jose.ErrAudience},
		"no audience":               {edit(func(c *jose.Claims) { c.Audience = nil }), jose.ErrAudience},
		"expired":                   {edit(func(c *jose.Claims) { c.ExpiresAt = now }), jose.ErrExpired},
		"no end":                    {edit(func(c *jose.Claims) { c.ExpiresAt = time.Time{} }), jose.ErrExpired},
		"not yet":                   {edit(func(c *jose.Claims) { c.NotBefore = now.Add(time.Second) }), jose.ErrNotYetValid},
		"claims are a list":         {sign(t, key, "at+jwt", []string{"a"}), jose.ErrMalformed},
		"claims are null":           {sign(t, key, "at+jwt", nil), jose.ErrMalformed},
		"exp is a text":             {sign(t, key, "at+jwt", map[string]any{"iss": "https://id.example", "aud": "gatehouse", "exp": "9999999999"}), jose.ErrMalformed},
		"exp is null":               {sign(t, key, "at+jwt", map[string]any{"iss": "https://id.example", "aud": "gatehouse", "exp": nil}), jose.ErrMalformed},
		"exp is huge":               {sign(t, key, "at+jwt", map[string]any{"iss": "https://id.example", "aud": "gatehouse", "exp": 1e300}), jose.ErrMalformed},
		"aud is a number":           {sign(t, key, "at+jwt", map[string]any{"iss": "https://id.example", "aud": 1, "exp": now.Unix() + 9}), jose.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := jose.Verify(context.Background(), test.token, set, expect)
			if !errors.Is(err, test.want) || token != nil {
				t.Errorf("got %v, %v; want %v", token, err, test.want)
			}
		})
	}
}

// strayBits sets a bit that the last character of a signature does not use.
func strayBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last|1])
}

// hmacToken is the classic confusion: the public key as a shared secret.
func hmacToken(t *testing.T, k jose.Key, body string) string {
	t.Helper()
	secret, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		t.Fatal(err)
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"`+k.KID+`"}`)) + "." + body
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestExpectDeniesByDefault(t *testing.T) {
	key, err := jose.GenerateES256()
	if err != nil {
		t.Fatal(err)
	}
	set := jose.StaticSet(key)
	for name, test := range map[string]struct {
		typ    string
		change func(*jose.Expect)
		want   error
	}{
		"no issuer expected":        {"at+jwt", func(e *jose.Expect) { e.Issuer = "" }, jose.ErrIssuer},
		"no audience expected":      {"at+jwt", func(e *jose.Expect) { e.Audience = nil }, jose.ErrAudience},
		"any audience":              {"at+jwt", func(e *jose.Expect) { e.Audience, e.AnyAudience = nil, true }, nil},
		"no type expected":          {"at+jwt", func(e *jose.Expect) { e.Types = nil }, jose.ErrType},
		"no type expected, JWT":     {"JWT", func(e *jose.Expect) { e.Types = nil }, nil},
		"no type expected, none":    {"", func(e *jose.Expect) { e.Types = nil }, nil},
		"other case and prefix":     {"application/AT+JWT", func(*jose.Expect) {}, nil},
		"algorithm not accepted":    {"at+jwt", func(e *jose.Expect) { e.Algorithms = []string{jose.RS256} }, jose.ErrSignature},
		"algorithm accepted":        {"at+jwt", func(e *jose.Expect) { e.Algorithms = []string{jose.RS256, jose.ES256} }, nil},
		"expired within the leeway": {"at+jwt", func(e *jose.Expect) { e.Now, e.Leeway = at(61), 2*time.Second }, nil},
		"expired past the leeway":   {"at+jwt", func(e *jose.Expect) { e.Now, e.Leeway = at(62), 2*time.Second }, jose.ErrExpired},
		"early within the leeway":   {"at+jwt", func(e *jose.Expect) { e.Now, e.Leeway = at(-2), 2*time.Second }, nil},
		"early past the leeway":     {"at+jwt", func(e *jose.Expect) { e.Now, e.Leeway = at(-3), 2*time.Second }, jose.ErrNotYetValid},
		"expired is allowed":        {"at+jwt", func(e *jose.Expect) { e.Now, e.AllowExpired = at(9999), true }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := expect
			test.change(&e)
			_, err := jose.Verify(context.Background(), sign(t, key, test.typ, claims()), set, e)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func at(seconds int) func() time.Time {
	return func() time.Time { return now.Add(time.Duration(seconds) * time.Second) }
}

func TestAKeyIsPinnedEvenInACarelessSet(t *testing.T) {
	keys := newKeys(t)
	pss := keys[jose.PS256]
	token := sign(t, pss, "at+jwt", claims())
	careless := anySet{keys[jose.RS256]} // the same RSA key, pinned to RS256
	if _, err := jose.Verify(context.Background(), token, careless, expect); !errors.Is(err, jose.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

type anySet struct{ key jose.Key }

func (s anySet) Key(context.Context, string, string) (jose.Key, error) { return s.key, nil }

func TestSignRefuses(t *testing.T) {
	keys := newKeys(t)
	mismatch := keys[jose.ES256]
	mismatch.Algorithm = jose.ES384
	none := keys[jose.ES256]
	none.Algorithm = "none"
	for name, key := range map[string]jose.Key{"public": keys[jose.ES256].PublicOnly(), "another curve": mismatch, "none": none} {
		if token, err := jose.Sign(key, "JWT", claims(), nil); err == nil {
			t.Errorf("%s: %s", name, token)
		}
	}
	token, err := jose.Sign(keys[jose.ES256], "at+jwt", claims(), map[string]any{"alg": "none", "kid": "x", "typ": "x", "x5c": []string{"A"}})
	if err != nil {
		t.Fatal(err)
	}
	header, err := jose.Header(token)
	if err != nil || header["alg"] != jose.ES256 || header["kid"] != keys[jose.ES256].KID || header["typ"] != "at+jwt" || header["x5c"] == nil {
		t.Errorf("header %v, %v", header, err)
	}
}

func TestForeignClaimTypesGoToExtra(t *testing.T) {
	var c jose.Claims
	if err := json.Unmarshal([]byte(`{"iss":"i","aud":"a","exp":1.9,"scope":["a"],"roles":"admin","SUB":"x"}`), &c); err != nil {
		t.Fatal(err)
	}
	want := jose.Claims{
		Issuer: "i", Audience: []string{"a"}, ExpiresAt: time.Unix(1, 0).UTC(),
		Extra: map[string]json.RawMessage{"scope": json.RawMessage(`["a"]`), "roles": json.RawMessage(`"admin"`), "SUB": json.RawMessage(`"x"`)},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func FuzzVerify(f *testing.F) {
	key, err := jose.GenerateES256()
	if err != nil {
		f.Fatal(err)
	}
	good := sign(f, key, "at+jwt", claims())
	f.Add(good)
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("e30.e30.e30")
	f.Add(strings.Replace(good, ".", "..", 1))
	set := jose.StaticSet(key)
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := jose.Verify(context.Background(), token, set, expect); err == nil && token != good {
			t.Errorf("%q verifies", token)
		}
		if _, err := jose.Header(token); err != nil && !errors.Is(err, jose.ErrMalformed) {
			t.Errorf("Header(%q): %v", token, err)
		}
	})
}

func FuzzParseJWKS(f *testing.F) {
	for _, key := range []string{rfc7515EC, rfc7638RSA, rfc8037OKP} {
		f.Add([]byte(`{"keys":[` + key + `]}`))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if set, err := jose.ParseJWKS(data); err == nil {
			_, _ = set.Key(context.Background(), "", jose.ES256)
		}
	})
}

func BenchmarkVerifyES256(b *testing.B) {
	key, err := jose.GenerateES256()
	if err != nil {
		b.Fatal(err)
	}
	token, set := sign(b, key, "at+jwt", claims()), jose.StaticSet(key.PublicOnly())
	for b.Loop() {
		if _, err := jose.Verify(context.Background(), token, set, expect); err != nil {
			b.Fatal(err)
		}
	}
}
