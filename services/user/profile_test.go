package user_test

import (
	"errors"
	"strings"
	"testing"

	"gatehouse.example/services/user"
)

func TestProfileValues(t *testing.T) {
	accounts := user.NewAccounts(nil, user.Options{})
	for name, c := range map[string]struct {
		profile user.Profile
		pointer string
	}{
		"long name":          {user.Profile{Name: strings.Repeat("ä", 201)}, "/profile/name"},
		"newline in a name":  {user.Profile{GivenName: "a\nb"}, "/profile/given_name"},
		"script as website":  {user.Profile{Website: "javascript:alert(1)"}, "/profile/website"},
		"relative picture":   {user.Profile{Picture: "/me.png"}, "/profile/picture"},
		"password in URL":    {user.Profile{ProfileURL: "https://a:b@example.com"}, "/profile/profile"},
		"31 February":        {user.Profile{Birthdate: "1815-02-31"}, "/profile/birthdate"},
		"German date":        {user.Profile{Birthdate: "10.12.1815"}, "/profile/birthdate"},
		"unknown zone":       {user.Profile{Zoneinfo: "Europe/Atlantis"}, "/profile/zoneinfo"},
		"the server's zone":  {user.Profile{Zoneinfo: "Local"}, "/profile/zoneinfo"},
		"path as a zone":     {user.Profile{Zoneinfo: "../../etc/passwd"}, "/profile/zoneinfo"},
		"bad locale":         {user.Profile{Locale: "english please"}, "/profile/locale"},
		"national number":    {user.Profile{PhoneNumber: "020 7183"}, "/profile/phone_number"},
		"control in address": {user.Profile{Address: &user.Address{Formatted: "a\x1bb"}}, "/profile/address/formatted"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := accounts.Create(t.Context(), user.New{Email: "a@example.com", Profile: c.profile})
			var bad *user.Invalid
			if !errors.As(err, &bad) || len(bad.Violations) != 1 || bad.Violations[0].Pointer != c.pointer {
				t.Errorf("error = %v, want one violation at %s", err, c.pointer)
			}
		})
	}
}

func TestTransitions(t *testing.T) {
	const p, a, s, d = user.StatusPending, user.StatusActive, user.StatusSuspended, user.StatusDeleted
	legal := map[[2]user.Status]bool{
		{p, p}: true, {p, a}: true, {p, s}: true, {p, d}: true,
		{a, a}: true, {a, s}: true, {a, d}: true,
		{s, a}: true, {s, s}: true, {s, d}: true,
		{d, d}: true,
	}
	for _, from := range []user.Status{p, a, s, d} {
		for _, to := range []user.Status{p, a, s, d} {
			if got := from.MayBecome(to); got != legal[[2]user.Status{from, to}] {
				t.Errorf("%s may become %s: %v", from, to, got)
			}
		}
	}
}

func TestProfileFromClaims(t *testing.T) {
	p, err := user.ProfileFromClaims(map[string]any{"name": "Ada", "address": map[string]any{"locality": "London"}})
	if err != nil || p.Name != "Ada" || p.Address == nil || p.Address.Locality != "London" {
		t.Errorf("profile = %+v, %v", p, err)
	}
	for name, claims := range map[string]map[string]any{
		"unknown":    {"shoe_size": 38},
		"wrong type": {"name": 1},
	} {
		var bad *user.Invalid
		if _, err := user.ProfileFromClaims(claims); !errors.As(err, &bad) {
			t.Errorf("%s claim: error = %v, want Invalid", name, err)
		}
	}
}
