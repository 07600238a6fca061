package capability

import (
	"runtime"
	"strings"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/jose"
)

// TestPolicyErrors name the field, and what to do.
func TestPolicyErrors(t *testing.T) {
	v := newVerifying(t)
	for text, want := range map[string]string{
		`{`:                                "read policy",
		`{"issuers":[]}`:                   "issuers: want 1 to 16",
		`{"issuers":[{"issuer":"self"}]}`:  "issuers/0/audience: name the audience",
		`{"issuers":[{"audience":["a"]}]}`: "issuers/0/issuer: want",
		`{"issuers":[{"issuer":"self","audience":["a"],"jwk_uri":"x"}]}`:                                                 `unknown field "jwk_uri"`,
		`{"issuers":[{"issuer":"self","audience":["a"],"leeway":"1m"}]}`:                                                 "issuers/0/leeway: the gateway knows this",
		`{"issuers":[{"issuer":"https://id.example","audience":["a"],"jwks_uri":"https://x"}]}`:                          "issuers/0/jwks_uri: the gateway knows this",
		`{"issuers":[{"issuer":"self","audience":["a"]},{"issuer":"https://id.example","audience":["b"]}]}`:              "issuers/1/issuer: \"https://id.example\" is listed twice",
		`{"issuers":[{"issuer":"urn:x","audience":["a"]}]}`:                                                              "issuers/0/issuer: \"urn:x\": want https",
		`{"issuers":[{"issuer":"https://x?a=b","audience":["a"]}]}`:                                                      "issuers/0/issuer: \"https://x?a=b\": its keys can only",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"http://x/jwks"}]}`:                                   "issuers/0/jwks_uri: \"http://x/jwks\": want https",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","jwks_file":"y"}]}`:                       "want either",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_file":"rel.json"}]}`:                                       "issuers/0/jwks_file: \"rel.json\": want an absolute path",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_file":"/does/not/exist"}]}`:                                "issuers/0/jwks_file: open /does/not/exist",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","algorithms":["ES256","HS256"]}]}`:        "issuers/0/algorithms/1: \"HS256\" is not accepted",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","algorithms":["none"]}]}`:                 "issuers/0/algorithms/0: \"none\" is not accepted",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","types":["application/gatehouse+jwt"]}]}`: "issuers/0/types/0",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x","leeway":"1h"}]}`:                         "issuers/0/leeway: \"1h\": want a duration from 0s to 5m0s",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"x"}}]}`:                             "issuers/0/introspection/endpoint",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"https://x"}}]}`:                     "issuers/0/introspection/client_id",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"https://x","client_id":"c"}}]}`:     "issuers/0/introspection/client_secret_file",
		`{"issuers":[{"issuer":"self","audience":["a"]}],"claims":[""]}`:                                                 "claims/0",
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://user:password@x/"}]}`:                        "without user",
	} {
		if _, err := v.Policy([]byte(text), []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v, want %q", text, err, want)
		}
	}
}

// TestGuestsReachWhatTheOperatorNamed and nothing else.
func TestGuestsReachWhatTheOperatorNamed(t *testing.T) {
	v := newVerifying(t)
	for _, text := range []string{
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x/jwks"}]}`,
		`{"issuers":[{"issuer":"https://x","audience":["a"]}]}`,
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_file":"/etc/hostname"}]}`,
		`{"issuers":[{"issuer":"urn:x","audience":["a"],"introspection":{"endpoint":"https://x/i","client_id":"c","client_secret_file":"/etc/hostname"}}]}`,
	} {
		for _, config := range []string{``, `{}`, `{"a":"https://x/jwks/"}`, `{"https://x":1,"b":["/etc"]}`, `broken`} {
			if _, err := v.Policy([]byte(text), []byte(config)); err == nil || !strings.Contains(err.Error(), "does not stand in the filter's configuration") {
				t.Errorf("%s with %s: %v", text, config, err)
			}
		}
	}
	named := []byte(`{"deep":[{"er":"https://x/jwks"}]}`)
	if _, err := v.Policy([]byte(`{"issuers":[{"issuer":"urn:x","audience":["a"],"jwks_uri":"https://x/jwks"}]}`), named); err != nil {
		t.Error(err)
	}
}

// TestSourcesAreSharedAndFreed: policies of one source ask once, whoever
// registers them, and leave nothing behind.
func TestSourcesAreSharedAndFreed(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	const text = `{"issuers":[{"issuer":"urn:idp","audience":[%q],"jwks_uri":"%s/jwks"}]}`
	func() {
		same, again := v.policy(text, "shop", idp.URL), v.policy(text, "shop", idp.URL)
		if same != again {
			t.Error("equal texts are two policies")
		}
		other := v.policy(text, "mall", idp.URL)
		v.use(same, v.token(idp.keys[0], "urn:idp"), filterv1.StatusOK)
		v.use(other, v.token(idp.keys[0], "urn:idp"), filterv1.StatusInvalid)
		v.use(other, v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) { c.Audience = []string{"mall"} }), filterv1.StatusOK)
		if n := idp.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
		runtime.KeepAlive(again)
	}()
	deadline := time.Now().Add(5 * time.Second)
	left := func() (policies, sources int) {
		v.policies.mu.Lock()
		defer v.policies.mu.Unlock()
		v.sources.mu.Lock()
		defer v.sources.mu.Unlock()
		return len(v.policies.values), len(v.sources.values)
	}
	for p, s := left(); p+s > 0 && time.Now().Before(deadline); p, s = left() {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if p, s := left(); p+s > 0 {
		t.Errorf("%d policies and %d sources are left", p, s)
	}
}
