package guest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/wasm/capability"
)

func TestVisibilityFollowsGrants(t *testing.T) {
	names := []string{"Authorization", "proxy-AUTHORIZATION", "X-Api-Key", "cookie", "Set-Cookie", "Accept", "X-API-Keys"}
	for _, c := range []struct {
		name       string
		grants     []string
		visible    string // one letter for each name
		changeable string
	}{
		{"nothing granted", nil, "nnnnnyy", "nnnnyyy"},
		{"other grants", []string{filterv1.GrantKV, filterv1.GrantBody}, "nnnnnyy", "nnnnyyy"},
		{"authorization", []string{filterv1.GrantAuthorization}, "yyynnyy", "yyynyyy"},
		{"cookie", []string{filterv1.GrantCookie}, "nnnyyyy", "nnnyyyy"},
		{"sensitive is both", []string{filterv1.GrantSensitiveHeaders}, "yyyyyyy", "yyyyyyy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := &Instance{Filter: &Filter{Grants: c.grants}}
			for i, name := range names {
				if got := in.Visible(name); got != (c.visible[i] == 'y') {
					t.Errorf("%s visible: %v", name, got)
				}
				if got := in.Changeable(name); got != (c.changeable[i] == 'y') {
					t.Errorf("%s changeable: %v", name, got)
				}
			}
		})
	}
}

func TestKeyFieldsAreHidden(t *testing.T) {
	fields := &KeyFields{}
	keys := func(config string, headers ...string) (f *Filter, err error) {
		f = &Filter{KeyFields: fields, Config: []byte(config)}
		var policies []*capability.KeyPolicy
		for _, h := range headers {
			policies = append(policies, &capability.KeyPolicy{Header: h})
		}
		return f, f.HideKeys(policies)
	}
	plain := &Instance{Filter: &Filter{KeyFields: fields}}
	granted := &Instance{Filter: &Filter{KeyFields: fields, Grants: []string{filterv1.GrantAuthorization}}}
	visible := func() (names string) {
		for _, name := range []string{"X-Shop-Key", "X-Other-Key", "X-Made-Up", "X-Shop-Keys"} {
			if plain.Visible(name) {
				names += name + " "
			}
		}
		return names
	}
	const config = `{"places":[{"header":"x-shop-KEY"},"X-Other-Key"],"X-Made-Up":1,"n":["X-API-Key"]}`
	first, err := keys(config, "X-Shop-Key", "x-shop-key", "", "X-Other-Key", "X-Made-Up", "X-API-Key")
	if err != nil {
		t.Fatal(err)
	}
	if got := visible(); got != "X-Made-Up X-Shop-Keys " || plain.Changeable("x-OTHER-key") || !granted.Visible("X-Shop-Key") {
		t.Errorf("visible: %s", got)
	}
	second, err := keys(`{"header":"X-Shop-Key"}`, "X-Shop-Key")
	if err != nil {
		t.Fatal(err)
	}
	first.ShowKeys()
	first.ShowKeys()
	if got := visible(); got != "X-Other-Key X-Made-Up X-Shop-Keys " {
		t.Errorf("after the first filter: %s", got)
	}
	second.ShowKeys()
	if got := visible(); got != "X-Shop-Key X-Other-Key X-Made-Up X-Shop-Keys " {
		t.Errorf("after both: %s", got)
	}
	// Of other filters' headers it hides none, by whatever name it asks.
	for _, config := range []string{``, `{`, `{"header":"X-Shop-Keys"}`, `"X-Shop-Key "`} {
		if f, err := keys(config, "X-Shop-Key"); err != nil || visible() == "" || !plain.Visible("X-Shop-Key") {
			t.Errorf("%s: hidden, %v, %v", config, f.hidden, err)
		}
	}
	if err := (&Filter{}).HideKeys([]*capability.KeyPolicy{{Header: "X"}}); err != nil {
		t.Error(err)
	}
}

// Where there are too many, the filter is told, rather than that its key is
// seen by all.
func TestKeyFieldsAreBounded(t *testing.T) {
	fields := &KeyFields{}
	var wg sync.WaitGroup
	filters := make([]*Filter, maxKeyFields+1)
	hide := func(i int) error {
		name := fmt.Sprint("X-", i)
		filters[i] = &Filter{KeyFields: fields, Config: fmt.Appendf(nil, "[%q]", name)}
		return filters[i].HideKeys([]*capability.KeyPolicy{{Header: name}})
	}
	for i := range maxKeyFields {
		wg.Go(func() {
			if err := hide(i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := hide(maxKeyFields); err == nil || !strings.Contains(err.Error(), "header: x-64 cannot be hidden") {
		t.Errorf("one more: %v", err)
	}
	if err := hide(0); err != nil {
		t.Errorf("one that is hidden already: %v", err)
	}
	filters[1].ShowKeys()
	if err := hide(maxKeyFields); err != nil {
		t.Errorf("where another has gone: %v", err)
	}
}

func BenchmarkVisible(b *testing.B) {
	in := &Instance{Filter: &Filter{Grants: []string{filterv1.GrantToken}}}
	names := []string{"Host", "User-Agent", "Accept", "Accept-Encoding", "Cookie", "Authorization", "X-Request-Id", "Origin", "X-Forwarded-For", "Content-Type", "Referer", "Cache-Control"}
	b.ReportAllocs()
	for b.Loop() {
		for _, n := range names {
			in.Visible(n)
		}
	}
}
