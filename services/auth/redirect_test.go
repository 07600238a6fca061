package auth_test

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse.example/services/auth"
)

// FuzzMatchRedirectURI holds that only what was registered matches, and on a
// loopback address that with another port.
func FuzzMatchRedirectURI(f *testing.F) {
	registered := []string{"https://app.example/cb?a=b", "http://127.0.0.1/cb", "http://[::1]:80/cb", "http://127.0.0.1"}
	client := auth.Client{Type: auth.ClientPublic, RedirectURIs: registered}
	for _, seed := range append(registered, "http://127.0.0.1:1/cb", "http://127.0.0.1:1@e/cb", "http://[::1]:1/cb", "http://127.0.0.1.e/cb", "http://127.0.0.1?x") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if !client.MatchRedirectURI(uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q matches but does not parse", uri)
		}
		switch u.Host {
		case "app.example":
			if uri != registered[0] {
				t.Fatalf("%q matches", uri)
			}
		default:
			if host := u.Hostname(); u.Scheme != "http" || (host != "127.0.0.1" && host != "::1") || u.User != nil || (u.Path != "/cb" && u.Path != "") || u.RawQuery != "" || strings.Contains(uri, "#") {
				t.Fatalf("%q matches", uri)
			}
		}
	})
}

// FuzzParseAPIKeyText holds that a parsed key is of the environment and has an
// intact checksum.
func FuzzParseAPIKeyText(f *testing.F) {
	key, err := auth.NewAPIKeyText("my_env", "01890a5d-ac96-774b-bcce-b302099a8057")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key)
	f.Add("gatehouse_my_env_")
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := auth.ParseAPIKeyText("my_env", text); ok && (len(id) != 36 || !strings.HasPrefix(text, "gatehouse_my_env_")) {
			t.Fatalf("%q parses as %q", text, id)
		}
	})
	if id, ok := auth.ParseAPIKeyText("my_env", key); !ok || id != "01890a5d-ac96-774b-bcce-b302099a8057" {
		f.Fatalf("own key parses as %q, %v", id, ok)
	}
	for i := range key {
		broken := []byte(key)
		broken[i] ^= 1
		if _, ok := auth.ParseAPIKeyText("my_env", string(broken)); ok {
			f.Errorf("a typo at %d is not noticed", i)
		}
	}
}

// TestCodeChallenge is the example of RFC 7636 Appendix B.
func TestCodeChallenge(t *testing.T) {
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	if got := auth.CodeChallenge(verifier); got != challenge {
		t.Errorf("challenge %s", got)
	}
	if !auth.ValidCodeVerifier(verifier) || !auth.ValidCodeChallenge(challenge) || auth.ValidCodeVerifier(verifier+"+") || auth.ValidCodeVerifier(strings.Repeat("a", 129)) {
		t.Error("the forms of RFC 7636 §4.1 and §4.2")
	}
}
