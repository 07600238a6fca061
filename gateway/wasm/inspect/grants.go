package inspect

import (
	"slices"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

// use is what a grant lets a module do.
type use struct {
	grant, module string
	// names are the imports that need the grant.
	names []string
	// always says that a module which imports one of them does not work
	// without the grant; others need it for some of what they do.
	always bool
}

func uses() []use {
	return []use{
		{filterv1.GrantToken, filterv1.Module, []string{filterv1.ImportTokenPolicy, filterv1.ImportTokenVerify}, true},
		{filterv1.GrantKey, filterv1.Module, []string{filterv1.ImportKeyPolicy, filterv1.ImportKeyVerify}, true},
		{filterv1.GrantKV, filterv1.Module, []string{filterv1.ImportKVGet, filterv1.ImportKVPut, filterv1.ImportKVDelete, filterv1.ImportKVIncr}, true},
		{filterv1.GrantMetrics, filterv1.Module, []string{filterv1.ImportMetricAdd}, true},
		{filterv1.GrantHTTP, filterv1.Module, []string{filterv1.ImportHTTPCall}, true},
		// read_body traps without the grant; write_body of an answer of its own
		// does not.
		{filterv1.GrantBody, filterv1.ModuleHTTP, []string{"read_body"}, true},
		{filterv1.GrantBody, filterv1.ModuleHTTP, []string{"write_body"}, false},
	}
}

// grants fills Grants and MayUse from what the filter says and what it imports.
func (r *Report) grants(said []string) {
	r.Grants = append(r.Grants, said...)
	for _, u := range uses() {
		if !r.imports(u.module, u.names...) || r.has(u.grant) {
			continue
		}
		if u.always && !r.Described {
			r.Grants = append(r.Grants, u.grant)
		} else {
			r.MayUse = append(r.MayUse, u.grant)
		}
	}
}

// has reports whether a grant, or the one that holds it or a part of it, is
// listed.
func (r *Report) has(grant string) bool {
	return slices.ContainsFunc(slices.Concat(r.Grants, r.MayUse), func(g string) bool {
		return g == grant || strings.HasPrefix(g, grant+".")
	})
}

// notes says what follows from grants and imports.
func (r *Report) notes() {
	add := func(text string) { r.Notes = append(r.Notes, text) }
	seesHeaders := r.imports(filterv1.ModuleHTTP, "get_header_names", "get_header_values") ||
		r.imports(filterv1.Module, filterv1.ImportRequestSnapshot)
	sensitive := slices.Contains(r.Grants, filterv1.GrantSensitiveHeaders)
	if seesHeaders && !sensitive && !slices.Contains(r.Grants, filterv1.GrantAuthorization) {
		add("It sees no Authorization, Proxy-Authorization and X-API-Key unless " + filterv1.GrantAuthorization + " is granted.")
	}
	if seesHeaders && !sensitive && !slices.Contains(r.Grants, filterv1.GrantCookie) {
		add("It sees no Cookie and Set-Cookie unless " + filterv1.GrantCookie + " is granted.")
	}
	if slices.Contains(r.MayUse, filterv1.GrantBody) {
		add("It can read or write bodies; those that are not its own answer need " + filterv1.GrantRequestBody + " or " + filterv1.GrantResponseBody + ".")
	}
	if r.has(filterv1.GrantHTTP) {
		add("It can send requests: list where to under http.allow.")
	}
	if slices.Contains(r.Grants, filterv1.GrantToken) || slices.Contains(r.Grants, filterv1.GrantKey) {
		add("It authenticates: on_error: skip is refused.")
	}
	if r.ResponsePhase {
		add("It has a response phase: each request keeps an instance while the upstream works.")
	}
	if !r.Restorable {
		add("After a trap its instance is replaced by a new one, which takes longer than restoring it.")
	}
}
