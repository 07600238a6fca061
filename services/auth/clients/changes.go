package clients

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gatehouse.example/internal/audit"
	"gatehouse.example/services/auth"
)

// maxDetailBytes bounds a list in an audit record.
const maxDetailBytes = 500

// changedMembers names what differs, sorted.
func changedMembers(before, after auth.Client) []string {
	pairs := map[string][2]any{
		"name": {before.Name, after.Name}, "redirect_uris": {before.RedirectURIs, after.RedirectURIs},
		"post_logout_redirect_uris": {before.PostLogoutRedirectURIs, after.PostLogoutRedirectURIs}, "grant_types": {before.GrantTypes, after.GrantTypes},
		"scopes": {before.Scopes, after.Scopes}, "resources": {before.Resources, after.Resources},
		"token_endpoint_auth_method": {before.TokenEndpointAuthMethod, after.TokenEndpointAuthMethod},
		"first_party":                {before.FirstParty, after.FirstParty}, "admin": {before.Admin, after.Admin},
	}
	var changed []string
	for name, pair := range pairs {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

// withChanges returns the record with what an administrator looks for after an
// attack: where tokens can go, and what they allow, that was otherwise before.
func withChanges(r audit.Record, before, after auth.Client, changed []string) audit.Record {
	r = r.With("changed", strings.Join(changed, " "))
	if slices.Contains(changed, "scopes") {
		r = r.With("scopes", auth.FormatScope(after.Scopes))
	}
	for _, list := range []struct {
		name          string
		before, after []string
	}{{"scopes", before.Scopes, after.Scopes}, {"redirect_uris", before.RedirectURIs, after.RedirectURIs}} {
		if added := missing(list.after, list.before); len(added) > 0 {
			r = r.With(list.name+"_added", short(added))
		}
		if removed := missing(list.before, list.after); len(removed) > 0 {
			r = r.With(list.name+"_removed", short(removed))
		}
	}
	if before.Admin != after.Admin {
		r = r.With("admin", fromTo(before.Admin, after.Admin))
	}
	if before.FirstParty != after.FirstParty {
		r = r.With("first_party", fromTo(before.FirstParty, after.FirstParty))
	}
	return r
}

// loses reports whether access tokens from before may allow more than the client
// may have after.
func loses(before, after auth.Client) bool {
	return before.Admin && !after.Admin || len(missing(before.Scopes, after.Scopes)) > 0 ||
		len(missing(before.GrantTypes, after.GrantTypes)) > 0 || len(missing(before.Resources, after.Resources)) > 0
}

func fromTo(before, after bool) string {
	return strconv.FormatBool(before) + " to " + strconv.FormatBool(after)
}

// missing returns what of list is not in from.
func missing[S ~string](list, from []S) []S {
	var gone []S
	for _, s := range list {
		if !slices.Contains(from, s) {
			gone = append(gone, s)
		}
	}
	return gone
}

// short is a list of scopes or URIs, which are ASCII, as a text that says so where
// it leaves something out.
func short(list []string) string {
	text := strings.Join(list, " ")
	if len(text) <= maxDetailBytes {
		return text
	}
	return text[:maxDetailBytes] + "… (" + strconv.Itoa(len(list)) + " in all)"
}
