package exchange

import (
	"errors"
	"strings"
	"testing"
)

func TestSetURI(t *testing.T) {
	for _, row := range []struct{ name, uri, path, query string }{
		{"plain", "/v1/users", "/v1/users", ""},
		{"query", "/a?b=c%2Fd&e", "/a", "b=c%2Fd&e"},
		{"empty query", "/a?", "/a", ""},
		{"encoded", "/caf%C3%A9/%7Ex", "/café/~x", ""},
		{"trailing slash", "/a/", "/a/", ""},
		{"root", "/", "/", ""},
		{"dots in a name", "/a/..b/.c", "/a/..b/.c", ""},
		{"twice encoded stays encoded once", "/%252e%252e/", "/%2e%2e/", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var r Request
			if err := r.SetURI(row.uri); err != nil {
				t.Fatal(err)
			}
			if r.Path != row.path || r.Query != row.query {
				t.Errorf("path %q query %q, want %q %q", r.Path, r.Query, row.path, row.query)
			}
		})
	}
}

func TestSetURIRefuses(t *testing.T) {
	for _, uri := range []string{
		"", "x", "//", "/a//b", "/./a", "/a/..", "/a/../b", "/%2e%2e/a", "/a/%2E", "/a%2Fb", "/a%2fb", "/a%5Cb", `/a\b`,
		"/a%00b", "/a%0d%0a", "/a%7f", "/a b", "/a#b", "/a%", "/a%4", "/a%zz", "/%ff", "/a\xff", "/..;/x", "/a/.;p=1/b", "/a?b c", "/a?b#c",
	} {
		r := Request{RawPath: "/kept", Path: "/kept"}
		if err := r.SetURI(uri); !errors.Is(err, ErrTarget) {
			t.Errorf("%q: error %v, path %q", uri, err, r.Path)
		}
		if r.Path != "/kept" {
			t.Errorf("%q: changed the request", uri)
		}
	}
}

func TestSetHost(t *testing.T) {
	var r Request
	for host, name := range map[string]string{
		"Example.COM:8080": "example.com", "localhost": "localhost", "[::1]:80": "::1", "127.0.0.1:1": "127.0.0.1",
	} {
		if err := r.SetHost(host); err != nil || r.HostName() != name || r.Host != strings.ToLower(host) {
			t.Errorf("%q: %v, name %q", host, err, r.HostName())
		}
	}
	for _, host := range []string{"", "a b", "a/b", "a@b", "a,b", "a\tb", "a%b", strings.Repeat("a", 300)} {
		if err := r.SetHost(host); !errors.Is(err, ErrTarget) {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestParseFieldsRefuses(t *testing.T) {
	for name, block := range map[string]string{
		"folding": "A: b\r\n c\r\n", "space before colon": "A : b\r\n", "bare line feed": "A: b\n", "no colon": "A\r\n",
		"empty name": ": b\r\n", "NUL": "A: b\x00c\r\n", "bare CR": "A: b\rc\r\n", "unfinished": "A: b",
	} {
		var h Header
		if err := ParseFields(block, &h); !errors.Is(err, ErrField) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzHead looks for a head that gateway and upstream could read differently.
func FuzzHead(f *testing.F) {
	f.Add("/v1/users?x=1", "Host: a\r\nX-Y: z\r\n\r\n")
	f.Add("/%2e%2e/", "A : b\r\n")
	f.Add("/a%2fb", "A: b\r\n c\r\n")
	f.Fuzz(func(t *testing.T, uri, block string) {
		var r Request
		if r.SetURI(uri) == nil {
			if strings.ContainsAny(r.URI(), " \r\n\x00\\") && !strings.Contains(r.Query, `\`) {
				t.Errorf("%q passes a byte that ends a request line", r.URI())
			}
			for segment := range strings.SplitSeq(r.Path[1:], "/") {
				if segment == "." || segment == ".." {
					t.Errorf("%q has a dot segment", r.Path)
				}
			}
			again, err := CleanPath(r.RawPath)
			if err != nil || again != r.Path {
				t.Errorf("%q is not read twice alike", r.RawPath)
			}
		}
		var h Header
		_ = ParseFields(block, &h)
		for i := range h.Len() {
			if f := h.At(i); !ValidFieldName(f.Name) || !ValidFieldValue(f.Value) || strings.ContainsAny(f.Value, "\r\n") {
				t.Errorf("field %q: %q", f.Name, f.Value)
			}
		}
	})
}

func TestRemoveConnectionFields(t *testing.T) {
	var h Header
	for _, f := range []Field{
		{"connection", "close, X-Named"}, {"x-named", "1"}, {"Keep-Alive", "1"}, {"TE", "trailers"}, {"Upgrade", "h2c"},
		{"transfer-ENCODING", "chunked"}, {"Proxy-Authorization", "x"}, {"Kept", "1"},
	} {
		h.Add(f.Name, f.Value)
	}
	h.RemoveConnectionFields()
	if h.Len() != 1 || h.At(0).Name != "Kept" {
		t.Errorf("left: %+v", h)
	}
}
