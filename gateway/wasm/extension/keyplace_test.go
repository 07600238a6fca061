package extension

import (
	"testing"

	"gatehouse.example/gateway/exchange"
	"gatehouse.example/gateway/wasm/capability"
)

func TestKeyLeavesTheQuery(t *testing.T) {
	for _, c := range []struct {
		name, query, rest, value string
		count                    int
	}{
		{"nothing", "", "", "", 0},
		{"others", "a=1&b=%20&c&&", "a=1&b=%20&c&&", "", 0},
		{"alone", "k=v", "", "v", 1},
		{"first", "k=v&a=%2F&b", "a=%2F&b", "v", 1},
		{"middle", "a=1&k=v&b=2", "a=1&b=2", "v", 1},
		{"last", "a=1&b=%zz&k=v", "a=1&b=%zz", "v", 1},
		{"encoded", "a=1&%6B=a%2Bb+c", "a=1", "a+b c", 1},
		{"twice", "k=1&a=2&k=3", "a=2", "3", 2},
		{"all", "k=1&k=2", "", "2", 2},
		{"empty", "a&k=&b", "a&b", "", 1},
		{"without a value", "k", "", "", 1},
		{"not decodable", "k=%zz&a", "a", "%zz", 1},
		{"empty parts stay", "&k=v&&a&", "&&a&", "v", 1},
		{"an empty part at the end", "a&k=v&", "a&", "v", 1},
		{"longer and other names", "kk=1&K=2&ak=k=3", "kk=1&K=2&ak=k=3", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			rest, value, count := cutQuery(c.query, "k")
			if rest != c.rest || value != c.value || count != c.count {
				t.Errorf("%q, %q, %d, want %q, %q, %d", rest, value, count, c.rest, c.value, c.count)
			}
		})
	}
}

func TestKeyLeavesTheCookies(t *testing.T) {
	for _, c := range []struct {
		name, cookie, rest, value string
		count                     int
	}{
		{"others", `a=1; b="x; y"`, `a=1; b="x; y"`, "", 0},
		{"alone", "k=v", "", "v", 1},
		{"first", "k=v; a=1;b=2", "a=1;b=2", "v", 1},
		{"middle", "a=1; k=v; b=2", "a=1; b=2", "v", 1},
		{"last", "a=1; b=2; k=v", "a=1; b=2", "v", 1},
		{"quoted", `k="v"; a=1`, "a=1", "v", 1},
		{"twice", "k=1;k=2", "", "2", 2},
		{"empty", "k=; a=1", "a=1", "", 1},
		{"value with =", "k=a=b", "", "a=b", 1},
		{"without =", "k; a=1", "k; a=1", "", 0},
		{"another case", "K=1", "K=1", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			rest, value, count := cutCookie(c.cookie, "k")
			if rest != c.rest || value != c.value || count != c.count {
				t.Errorf("%q, %q, %d, want %q, %q, %d", rest, value, count, c.rest, c.value, c.count)
			}
		})
	}
}

func TestKeyIsTakenFromEveryPlace(t *testing.T) {
	policy := &capability.KeyPolicy{Header: "X-Key", Cookie: "key", Query: "k"}
	for _, c := range []struct {
		name, uri         string
		fields            []string
		key               string
		found, ambiguous  bool
		restURI, restCook string
	}{
		{"nowhere", "/a?b=1", []string{"Cookie", "a=1"}, "", false, false, "/a?b=1", "a=1"},
		{"header", "/a", []string{"x-key", "v"}, "v", true, false, "/a", ""},
		{"cookie", "/a", []string{"Cookie", "a=1; key=v", "Cookie", "b=2"}, "v", true, false, "/a", "a=1; b=2"},
		{"query", "/a%20?b=%2f&k=v", nil, "v", true, false, "/a%20?b=%2f", ""},
		{"the same everywhere", "/?k=v", []string{"X-Key", "v", "Cookie", "key=v"}, "v", true, false, "/", ""},
		{"header and query differ", "/?k=w", []string{"X-Key", "v"}, "w", true, true, "/", ""},
		{"two fields", "/", []string{"X-Key", "v", "X-Key", "v"}, "v", true, true, "/", ""},
		{"two cookies in two fields", "/", []string{"Cookie", "key=v", "Cookie", "key=v"}, "v", true, true, "/", ""},
		{"empty", "/?k", nil, "", true, true, "/", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ex := &exchange.Exchange{}
			if err := ex.Request.SetURI(c.uri); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(c.fields); i += 2 {
				ex.Request.Header.Add(c.fields[i], c.fields[i+1])
			}
			p := takeKey(ex, policy)
			if p.key != c.key || p.found != c.found || p.ambiguous != c.ambiguous {
				t.Errorf("%+v", p)
			}
			h := &ex.Request.Header
			if ex.Request.URI() != c.restURI || h.Get("Cookie") != c.restCook || h.Has("X-Key") || len(h.Values(nil, "Cookie")) > 1 {
				t.Errorf("what is left: %s %+v", ex.Request.URI(), h)
			}
		})
	}
}
