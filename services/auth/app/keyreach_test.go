package app_test

import (
	"strings"
	"testing"

	"gatehouse.example/internal/identity"
)

// TestRotationNeedsTheScopes: nobody gets a secret that allows more than the
// credential that asks for it, not even the owner of the key.
func TestRotationNeedsTheScopes(t *testing.T) {
	s := start(t)
	ada, _ := s.person("ada@example.com")
	full := user(ada.ID, "openid", "users:write", "shop")
	full.Permissions = []string{"users:write"}
	demoted := user(ada.ID, "openid", "users:write", "shop")
	narrowed := user(ada.ID, "openid", "shop")
	narrowed.Permissions = full.Permissions
	own := s.key(full, `{"name":"x","scopes":["openid","users:write","shop"]}`)

	machine := func(scopes ...string) identity.Principal {
		return identity.Principal{Kind: identity.KindClient, Subject: "m", ClientID: "m", Scopes: scopes}
	}
	its := s.key(machine("users:read", "users:write"), `{"name":"x","scopes":["users:read","users:write"]}`)
	for _, row := range []struct {
		name   string
		caller identity.Principal
		key    apiKey
		status int
	}{
		{"person with another scope alone", user(ada.ID, "openid"), own, 403},
		{"person with the permission but not the scope", narrowed, own, 403},
		{"person without the scope that is no permission", user(ada.ID, "openid", "users:write"), own, 403},
		{"person that lost the permission", demoted, own, 403},
		{"client with a token that allows less", machine("users:read"), its, 403},
		{"person with all of it", full, own, 200},
		{"client with all of it", machine("users:read", "users:write"), its, 200},
		{"client that may all", machine("admin"), its, 200},
	} {
		got := s.call(row.caller, "POST", "/v1/api-keys/"+row.key.ID+"/rotate", "")
		if got.StatusCode != row.status || row.status == 403 && !strings.Contains(got.body, "insufficient_scope") {
			t.Errorf("%s: %d, want %d: %s", row.name, got.StatusCode, row.status, got.body)
		}
	}
	if _, ok := s.works(own.Key); ok {
		t.Error("the secret from before the rotation works")
	}
}
