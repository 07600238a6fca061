package capability

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jose"
)

func TestForeignPrincipal(t *testing.T) {
	idp, v := newProvider(t), newVerifying(t)
	p := v.policy(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"jwks_uri":"%s/jwks","roles_claim":"realm_access.roles"}],
		"claims":["tenant","realm_access.roles","https://claims.example/org.unit","n","flag","nested","absent","groups"]}`, idp.URL)
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	c := v.use(p, v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) {
		c.ClientID, c.SessionID = "", "s1"
		c.Roles, c.Permissions = []string{"own-role"}, []string{"users:write"}
		c.Extra = map[string]json.RawMessage{
			"scp": raw(`["users:read","admin","users:impersonate"]`), "azp": raw(`"shop-app"`),
			"tenant": raw(`"acme"`), "realm_access": raw(`{"roles":["clerk","a,b",7]}`), "n": raw(`12345678901234567890`), "flag": raw(`true`),
			"nested": raw(`{"a":1}`), "https://claims.example/org.unit": raw(`"R&D"`), "groups": raw(`[]`),
		}
	}), filterv1.StatusOK)
	if c == nil {
		return
	}
	want := identity.Principal{
		Kind: identity.KindUser, Issuer: "urn:idp", Subject: "ada", ClientID: "shop-app", SessionID: "s1", TokenID: "t1",
		Scopes: []string{"users:read"}, Roles: []string{"clerk", "a,b", "7"}, Expires: c.Principal.Expires,
	}
	if diff := cmp.Diff(want, c.Principal); diff != "" {
		t.Error(diff)
	}
	got := map[string]string{}
	p.Attributes(c, func(name, value string) { got[name] = value })
	if diff := cmp.Diff(map[string]string{
		"claim.tenant": "acme", "claim.realm_access.roles": "clerk,7", "claim.https://claims.example/org.unit": "R&D",
		"claim.n": "12345678901234567890", "claim.flag": "true",
	}, got); diff != "" {
		t.Error(diff)
	}
	// The list of revocations is of our own tokens.
	v.revoked["jti:t1"], v.revoked["client:app"] = true, true
	client := v.use(p, v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) { c.Subject = "app" }), filterv1.StatusOK)
	if client == nil || client.Principal.Kind != identity.KindClient {
		t.Errorf("client %+v", client)
	}
	v.use(p, v.token(idp.keys[0], "urn:idp", func(c *jose.Claims) {
		c.Extra = map[string]json.RawMessage{"tenant": raw(`"a\r\nX-Role: admin"`)}
	}), filterv1.StatusInvalid)
}

func TestClaimPaths(t *testing.T) {
	set, err := readClaimSet([]byte(`{"a":{"b":{"c":"deep"},"b.c":"dotted"},"a.b":{"d":1},"x":null,"l":[["n"],{"o":1},"s",false]}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"a.b.c": {"dotted"}, "a.b.d": {"1"}, "x": nil, "a": nil, "": nil, ".": nil, "a.": nil, "a.b.c.d": nil, "l": {"s", "false"},
	} {
		value, _ := set.find(path)
		if got := texts(value); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	for _, bad := range []string{`[]`, `"a"`, `{`, `1`} {
		if _, err := readClaimSet([]byte(bad)); err == nil {
			t.Errorf("%s is read as claims", bad)
		}
	}
}
