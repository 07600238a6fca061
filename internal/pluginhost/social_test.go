package pluginhost

import (
	"encoding/json"
	"strings"
	"testing"

	"gatehouse.example/sdk/social"
)

func TestCheckTarget(t *testing.T) {
	const state = "the state"
	for _, good := range []string{
		"https://login.example/authorize?state=the+state", "https://login.example/authorize?request_uri=urn:x", "http://127.0.0.1:1/a?state=the+state", "http://localhost/a",
	} {
		if err := checkTarget(good, state); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/login", "//login.example", "javascript:alert(1)", "http://login.example/", "https://user@login.example/", "https://login.example/#x",
		"https://login.example/?state=another", "https://login.example/\r\nSet-Cookie: a=b", "https://login.example/\xff", "https://login.example/?" + strings.Repeat("x", 8<<10),
	} {
		if err := checkTarget(bad, state); err == nil {
			t.Errorf("%.60q was accepted", bad)
		}
	}
}

func TestCheckIdentity(t *testing.T) {
	for name, who := range map[string]social.Identity{
		"no issuer":      {Subject: "s"},
		"no subject":     {Issuer: "i"},
		"long subject":   {Issuer: "i", Subject: strings.Repeat("x", 256)},
		"subject of NUL": {Issuer: "i", Subject: "a\x00"},
		"broken subject": {Issuer: "i", Subject: "\xff"},
		"long issuer":    {Issuer: strings.Repeat("x", 513), Subject: "s"},
		"many claims":    {Issuer: "i", Subject: "s", Claims: json.RawMessage(strings.Repeat(" ", 64<<10+1))},
	} {
		if err := checkIdentity(&who); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	// What only decorates is dropped; an address that is none is not verified.
	who := social.Identity{
		Issuer: "i", Subject: "s", Email: "Grace <grace@example.com>", EmailVerified: true, Name: strings.Repeat("x", 513), GivenName: "a\nb",
		Picture: "javascript:alert(1)", Claims: json.RawMessage(`{"a":`),
	}
	if err := checkIdentity(&who); err != nil {
		t.Fatal(err)
	}
	if who.Email != "" || who.EmailVerified || who.Name != "" || who.GivenName != "" || who.Picture != "" || who.Claims != nil {
		t.Errorf("%+v", who)
	}
	fine := social.Identity{Issuer: "i", Subject: "s", Email: "grace@example.com", EmailVerified: true, Name: "Grace", Picture: "https://x.example/p", Claims: json.RawMessage(`{"a":1}`)}
	if err := checkIdentity(&fine); err != nil || fine.Email == "" || !fine.EmailVerified || fine.Name == "" || fine.Picture == "" || fine.Claims == nil {
		t.Errorf("%+v, %v", fine, err)
	}
}

func FuzzCheckIdentity(f *testing.F) {
	f.Add("i", "s", "a@b.example", "https://x.example")
	f.Add("\x00", "\xff", "a@b@c", "data:x")
	f.Fuzz(func(t *testing.T, issuer, subject, email, picture string) {
		who := social.Identity{Issuer: issuer, Subject: subject, Email: email, EmailVerified: true, Picture: picture}
		if checkIdentity(&who) != nil {
			return
		}
		for _, text := range []string{who.Issuer, who.Subject, who.Email, who.Picture} {
			if strings.ContainsAny(text, "\x00\r\n") {
				t.Errorf("%q passed", text)
			}
		}
		if who.Email == "" && who.EmailVerified {
			t.Error("no address, but verified")
		}
	})
}
