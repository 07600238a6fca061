package guest

import (
	"fmt"
	"sync"
	"testing"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
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
	plain := &Instance{Filter: &Filter{KeyFields: fields}}
	granted := &Instance{Filter: &Filter{KeyFields: fields, Grants: []string{filterv1.GrantAuthorization}}}
	if !plain.Visible("X-Shop-Key") {
		t.Error("hidden before a filter looks for keys there")
	}
	var wg sync.WaitGroup
	for _, name := range []string{"X-Shop-Key", "x-shop-key", "", "X-Other-Key", "X-API-Key"} {
		wg.Go(func() { fields.Add(name) })
	}
	wg.Wait()
	if plain.Visible("x-shop-KEY") || plain.Changeable("X-Other-Key") || !granted.Visible("X-Shop-Key") || !plain.Visible("X-Shop-Keys") {
		t.Error("the places of keys are not hidden, or others are")
	}
	if n := len(*fields.names.Load()); n != 2 {
		t.Errorf("%d names kept", n)
	}
	for i := range 2 * maxKeyFields {
		fields.Add(fmt.Sprint("X-", i))
	}
	if n := len(*fields.names.Load()); n != maxKeyFields {
		t.Errorf("%d names kept", n)
	}
	(*KeyFields)(nil).Add("X")
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
