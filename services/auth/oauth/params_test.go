package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"gatehouse.example/services/auth/oauth"
)

// FuzzParseForm reads hostile forms: no parameter comes through twice or in
// what is not text.
func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"a=b", "a=b&a=c", "a=&a=c", "resource=a&resource=b", "%zz", "a=%00", "a=%ff", ";", "a", "=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		p, err := oauth.ParseForm(httptest.NewRecorder(), r)
		if err != nil {
			return
		}
		if again, err := oauth.ParseQuery(p.Encode()); err != nil || again.Encode() != p.Encode() {
			t.Fatalf("%q does not survive: %v", body, err)
		}
		if v := p.Get("a"); !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			t.Fatalf("%q came through", v)
		}
	})
}

func TestParams(t *testing.T) {
	p, err := oauth.ParseQuery("a=1&empty=&resource=x&resource=y")
	if err != nil || p.Has("empty") || len(p.Resources()) != 2 || p.With("a", "2").Get("a") != "2" || p.Without("a").Has("a") || p.Get("a") != "1" {
		t.Errorf("%v %v", p, err)
	}
	if p, err := oauth.ParseQuery("a=1&a=2&b=3"); err == nil || p.Has("a") || p.Get("b") != "3" {
		t.Errorf("a parameter in doubt: %v %v", p, err)
	}
}
