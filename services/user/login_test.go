package user_test

import (
	"strings"
	"testing"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/services/user"
)

func TestParseEmail(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain":                 {"ada@example.com", "ada@example.com"},
		"trimmed":               {"  ada@example.com\n", "ada@example.com"},
		"domain in lower case":  {"Ada.L+x@EXAMPLE.Com", "Ada.L+x@example.com"},
		"international":         {"jürgen@bücher.example", "jürgen@bücher.example"},
		"composed":              {"ju\u0308rgen@example.com", "jürgen@example.com"},
		"localhost":             {"root@localhost", "root@localhost"},
		"odd but legal atom":    {"a!#$%&'*+/=?^_`{|}~-@example.com", "a!#$%&'*+/=?^_`{|}~-@example.com"},
		"longest local part":    {strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 64) + "@example.com"},
		"hyphen in the domain":  {"a@my-shop.example", "a@my-shop.example"},
		"punycode in the input": {"a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := user.ParseEmail(c.in)
			if err != nil || got != c.want {
				t.Errorf("ParseEmail(%q) = %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
}

func TestParseEmailRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"empty":             "",
		"no at":             "ada.example.com",
		"no local part":     "@example.com",
		"no domain":         "ada@",
		"two ats":           "a@b@example.com",
		"space":             "a b@example.com",
		"newline":           "ada@example.com\nBcc: x@example.com",
		"CR in local part":  "a\rb@example.com",
		"display name":      "Ada <ada@example.com>",
		"list":              "a@example.com,b@example.com",
		"quoted":            `"a b"@example.com`,
		"comment":           "a(b)@example.com",
		"leading dot":       ".a@example.com",
		"trailing dot":      "a.@example.com",
		"two dots":          "a..b@example.com",
		"literal":           "a@[127.0.0.1]",
		"single label":      "a@example",
		"empty label":       "a@example..com",
		"trailing root dot": "a@example.com.",
		"underscore":        "a@ex_ample.com",
		"hyphen first":      "a@-example.com",
		"NUL":               "a\x00@example.com",
		"bad UTF-8":         "a\xff@example.com",
		"long local part":   strings.Repeat("a", 65) + "@example.com",
		"long":              "a@" + strings.Repeat("a.", 130) + "example",
		"zero width":        "a\u200b@example.com",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := user.ParseEmail(in); err == nil {
				t.Errorf("ParseEmail(%q) = %q, want an error", in, got)
			}
		})
	}
}

func TestEmailKey(t *testing.T) {
	same := [][2]string{
		{"Ada@Example.COM", "ada@example.com"},
		{"JÜRGEN@bücher.example", "jürgen@xn--bcher-kva.example"},
		{"ju\u0308rgen@example.com", "jürgen@example.com"},
	}
	for _, pair := range same {
		if a, b := user.EmailKey(pair[0]), user.EmailKey(pair[1]); a != b {
			t.Errorf("keys of %q and %q differ: %q, %q", pair[0], pair[1], a, b)
		}
	}
	if user.EmailKey("a.b@example.com") == user.EmailKey("ab@example.com") {
		t.Error("a dot in the local part must count: only one provider ignores it")
	}
}

// TestLoginKey: the services that ask count a login by the same key that finds
// the account, or a guesser had a new name for it each time.
func TestLoginKey(t *testing.T) {
	for _, login := range []string{
		"Ada@Example.COM", " ada@example.com\u00a0", "ada@\uff45xample.com", "ada@exam\u00adple.com", "ada@example\u3002com",
		"ju\u0308rgen@b\u00fccher.example", "\u212aelvin@example.com",
	} {
		email, err := user.ParseEmail(login)
		if err != nil {
			t.Fatalf("%q: %v", login, err)
		}
		if got, want := userapi.LoginKey(login), user.EmailKey(email); got != want {
			t.Errorf("LoginKey(%q) = %q, want %q", login, got, want)
		}
	}
	for _, login := range []string{" Ada", "ADA_l.1-x", "\u212aelvin"} {
		name, err := user.ParseUsername(login)
		if err != nil {
			t.Fatalf("%q: %v", login, err)
		}
		if got := userapi.LoginKey(login); got != name {
			t.Errorf("LoginKey(%q) = %q, want %q", login, got, name)
		}
	}
}

func TestParseUsername(t *testing.T) {
	for in, want := range map[string]string{"Ada": "ada", " ada_l.1-x ": "ada_l.1-x", strings.Repeat("a", 64): strings.Repeat("a", 64)} {
		if got, err := user.ParseUsername(in); err != nil || got != want {
			t.Errorf("ParseUsername(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "ab", strings.Repeat("a", 65), "a@b", "a b", "ädä", "a\x00b", "a/b"} {
		if got, err := user.ParseUsername(in); err == nil {
			t.Errorf("ParseUsername(%q) = %q, want an error", in, got)
		}
	}
}

// FuzzParseEmail: what is accepted is stable, has one key, and cannot break a
// mail header.
func FuzzParseEmail(f *testing.F) {
	for _, s := range []string{"ada@example.com", "Ä@BÜCHER.example", "a@b@c.de", "\u0130@example.com", "a@ſ.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		email, err := user.ParseEmail(s)
		if err != nil {
			return
		}
		again, err := user.ParseEmail(email)
		if err != nil || again != email {
			t.Fatalf("ParseEmail(%q) = %q, but again %q, %v", s, email, again, err)
		}
		if key := user.EmailKey(email); user.EmailKey(key) != key {
			t.Fatalf("key %q of %q is not stable: %q", key, email, user.EmailKey(key))
		}
		if key, asked := user.EmailKey(email), userapi.LoginKey(s); key != asked {
			t.Fatalf("key of %q is %q, but %q for who asks", s, key, asked)
		}
		if strings.ContainsAny(email, "\r\n\x00<>\", ") {
			t.Fatalf("%q would break a header", email)
		}
	})
}
