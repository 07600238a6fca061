package app

import (
	"testing"

	"gatehouse.example/gateway/exchange"
)

func TestChallengeOfTheFilter(t *testing.T) {
	c := newChallenges("https://issuer.example")
	const metadata = `resource_metadata="https://issuer.example/.well-known/oauth-protected-resource"`
	for _, row := range []struct{ name, filter, missing, scope string }{
		{"none", "", `Bearer realm="gatehouse", ` + metadata, `Bearer realm="gatehouse", ` + metadata + `, error="insufficient_scope"`},
		{"realm", `Bearer realm="shop"`, `Bearer realm="shop", ` + metadata, `Bearer realm="shop", ` + metadata + `, error="insufficient_scope"`},
		{
			"metadata of its own", `Bearer realm="shop", resource_metadata="https://shop.example/m"`,
			`Bearer realm="shop", resource_metadata="https://shop.example/m"`,
			`Bearer realm="shop", resource_metadata="https://shop.example/m", error="insufficient_scope"`,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := c.of(&exchange.Exchange{Challenge: row.filter})
			if got.missing != row.missing || got.scope != row.scope {
				t.Errorf("missing %s\nscope %s", got.missing, got.scope)
			}
		})
	}
}
