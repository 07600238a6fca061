package app_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/config"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/oidctest"
	"gatehouse.example/internal/pluginhost"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/app"
	"gatehouse.example/services/auth/postgres"
)

func (s *socialSystem) identities(userID string) identityList {
	s.t.Helper()
	var list identityList
	s.call(identity.Principal{Kind: identity.KindUser, Subject: userID}, http.MethodGet, "/v1/identities", "").want(s.t, http.StatusOK).into(s.t, &list)
	return list
}

// TestSocialButtons: the pages offer what is configured, sorted, and nothing
// where nothing is.
func TestSocialButtons(t *testing.T) {
	s := startSocial(t)
	for _, path := range []string{"/login", "/register"} {
		page := s.browser().get(path+"?return_to="+url.QueryEscape("/oauth2/authorize?a=b")).want(t, http.StatusOK).body
		forum, corp := strings.Index(page, "Continue with A forum"), strings.Index(page, "Continue with Corp")
		if forum < 0 || corp < forum || !strings.Contains(page, `href="/login/start/corp?return_to=%2Foauth2%2Fauthorize%3Fa%3Db"`) {
			t.Errorf("%s: %s", path, page)
		}
	}
	plain := start(t) // without a plugin host
	for _, path := range []string{"/login", "/register"} {
		if page := plain.browser().get(path).want(t, http.StatusOK).body; strings.Contains(page, "Continue with") {
			t.Errorf("%s offers a provider: %s", path, page)
		}
	}
	plain.browser().get("/login/start/corp").want(t, http.StatusNotFound)
}

// TestSocialStartErrors: a plugin that does not start is the operator's mistake
// and is said in words that lead to it, without a secret.
func TestSocialStartErrors(t *testing.T) {
	s := start(t)
	for want, provider := range map[string]config.Provider{
		"auth.providers.corp": {Plugin: "social-none"},
		"client_id is missing": {Plugin: "social-oidc", Config: map[string]any{
			"issuer": "https://corp.example", "client_secret": oidctest.ClientSecret}},
		"is not an https URL": {Plugin: "social-oidc", Config: map[string]any{"issuer": "http://corp.example", "client_id": "x", "allow_loopback_http": true}},
		"unknown field":       {Plugin: "social-oidc", Config: map[string]any{"isuer": "https://corp.example"}},
		"checksum":            {Plugin: "social-oidc", SHA256: strings.Repeat("0", 64)},
	} {
		o := s.options
		o.Config.Providers = map[string]config.Provider{"corp": provider}
		o.Plugins = pluginHost(t, nil)
		_, err := app.New(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), oidctest.ClientSecret) {
			t.Errorf("New: %v, want it to say %q", err, want)
		}
	}
	s.options.Config.Providers = map[string]config.Provider{"corp": {Plugin: "social-oidc"}}
	if _, err := app.New(t.Context(), s.options); err == nil || !strings.Contains(err.Error(), "plugin host") {
		t.Errorf("New without a plugin host: %v", err)
	}
}

// TestSocialLink: the page of the account links, for who has proven itself
// lately, in the session that asked.
func TestSocialLink(t *testing.T) {
	s := startSocial(t)
	account, b := s.person("ada@example.com")
	if page := b.get("/account").want(t, http.StatusOK).body; !strings.Contains(page, "Sign-in methods") || !strings.Contains(page, `action="/account/identities/forum"`) {
		t.Fatalf("account page: %s", page)
	}
	s.other.Set(oidctest.Behaviour{Person: person("f1", "somebody@elsewhere.example", false)})
	link := func(form url.Values) answer { return b.post("/account/identities/forum", form) }

	sent := link(nil).want(t, http.StatusSeeOther)
	done := b.back(t, s.other, sent.Header.Get("Location")).want(t, http.StatusSeeOther)
	if done.Header.Get("Location") != "/account" || !slices.Equal(s.links(account.ID), []string{"forum f1"}) {
		t.Fatalf("to %q, links %v", done.Header.Get("Location"), s.links(account.ID))
	}
	s.wantLinked(account.ID)

	// Another site can't make the browser do it.
	b.post("/account/identities/corp", nil, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").want(t, http.StatusForbidden)
	s.browser().post("/account/identities/corp", nil).want(t, http.StatusSeeOther) // to sign in

	// A sign-in of long ago is not enough; the password is.
	s.advance(11 * time.Minute)
	if asked := link(nil).want(t, http.StatusForbidden); !strings.Contains(asked.body, `type="password"`) {
		t.Errorf("page: %s", asked.body)
	}
	link(url.Values{"password": {"wrong"}}).want(t, http.StatusForbidden)
	if to := link(url.Values{"password": {goodPassword}}).want(t, http.StatusSeeOther).Header.Get("Location"); !strings.HasPrefix(to, s.other.URL) {
		t.Errorf("to %q", to)
	}
}

// TestSocialLinkIsTheSessions: an answer that another session, or nobody, brings
// back links nothing; nor does an identity that is somebody else's.
func TestSocialLinkIsTheSessions(t *testing.T) {
	s := startSocial(t)
	ada, b := s.person("ada@example.com")
	eve, _ := s.person("eve@example.com")
	s.other.Set(oidctest.Behaviour{Person: person("f1", "", false)})
	begin := func() string {
		return b.post("/account/identities/forum", nil).want(t, http.StatusSeeOther).Header.Get("Location")
	}
	away := begin()
	b.post("/login", url.Values{"login": {"eve@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
	b.back(t, s.other, away).want(t, http.StatusBadRequest)
	if len(s.links(ada.ID))+len(s.links(eve.ID)) != 0 {
		t.Fatal("linked across sessions")
	}
	b.back(t, s.other, begin()).want(t, http.StatusSeeOther) // Eve's by now
	b.post("/login", url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
	b.back(t, s.other, begin()).want(t, http.StatusConflict)
	if len(s.links(ada.ID)) != 0 || len(s.links(eve.ID)) != 1 {
		t.Errorf("links %v, %v", s.links(ada.ID), s.links(eve.ID))
	}
}

// TestIdentitiesAPI: one's own identities, and the last way in stays.
func TestIdentitiesAPI(t *testing.T) {
	s := startSocial(t)
	b := s.browser()
	s.through(b, "corp", person("c1", "grace@example.com", true)).want(t, http.StatusSeeOther)
	account := s.users.byLogin("grace@example.com")
	caller := identity.Principal{Kind: identity.KindUser, Subject: account.ID}
	list := s.identities(account.ID)
	if len(list.Items) != 1 || list.Items[0].Provider != "corp" || list.Items[0].DisplayName != "Corp" || list.Items[0].Email != "grace@example.com" || string(list.NextCursor) != "null" {
		t.Fatalf("list %+v", list)
	}
	path := "/v1/identities/" + list.Items[0].ID
	refused := s.call(caller, http.MethodDelete, path, "").want(t, http.StatusConflict)
	if !strings.Contains(refused.body, "last_sign_in_method") {
		t.Errorf("answer %s", refused.body)
	}
	b.post("/account/identities", url.Values{"identity": {list.Items[0].ID}}).want(t, http.StatusConflict)

	// Nobody else's, nobody's, and no client's.
	other, _ := s.person("eve@example.com")
	s.call(identity.Principal{Kind: identity.KindUser, Subject: other.ID}, http.MethodDelete, path, "").want(t, http.StatusNotFound)
	s.call(identity.Principal{}, http.MethodGet, "/v1/identities", "").want(t, http.StatusUnauthorized)
	s.call(operator(), http.MethodGet, "/v1/identities", "").want(t, http.StatusForbidden)
	s.call(caller, http.MethodDelete, "/v1/identities/no-uuid", "").want(t, http.StatusNotFound)
	s.call(caller, http.MethodGet, "/v1/identities?limit=0", "").want(t, http.StatusBadRequest)

	// With another way in it goes.
	s.other.Set(oidctest.Behaviour{Person: person("f1", "", false)})
	b.back(t, s.other, b.post("/account/identities/forum", nil).want(t, http.StatusSeeOther).Header.Get("Location")).want(t, http.StatusSeeOther)
	s.call(caller, http.MethodDelete, path, "").want(t, http.StatusNoContent)
	if !slices.Equal(s.links(account.ID), []string{"forum f1"}) {
		t.Fatalf("links %v", s.links(account.ID))
	}
	if events, records := s.trail(account.ID, event.TypeIdentityUnlinked, "identity.unlinked"); events != 1 || records != 1 {
		t.Errorf("%d events, %d records", events, records)
	}
	// A provider that is no longer configured signs nobody in, and may go.
	if _, err := s.db.Pool.Exec(t.Context(), `UPDATE identities SET provider = 'gone' WHERE user_id = $1::uuid`, account.ID); err != nil {
		t.Fatal(err)
	}
	s.call(caller, http.MethodDelete, "/v1/identities/"+s.identities(account.ID).Items[0].ID, "").want(t, http.StatusNoContent)
}

// TestUnlinkAtOnce: of two last ways in that go at once, one stays.
func TestUnlinkAtOnce(t *testing.T) {
	s := startSocial(t)
	store := postgres.NewIdentities(s.db)
	for range 10 {
		userID := newID(t)
		var ids []string
		for _, provider := range []string{"corp", "forum"} {
			i, err := store.LinkIdentity(t.Context(), auth.Identity{ID: newID(t), UserID: userID, Provider: provider, Issuer: "i", Subject: newID(t), CreatedAt: s.now()})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, i.ID)
		}
		answers := make(chan int, len(ids))
		for _, id := range ids {
			go func() {
				answers <- s.call(identity.Principal{Kind: identity.KindUser, Subject: userID}, http.MethodDelete, "/v1/identities/"+id, "").StatusCode
			}()
		}
		got := []int{<-answers, <-answers}
		slices.Sort(got)
		if !slices.Equal(got, []int{http.StatusNoContent, http.StatusConflict}) || len(s.links(userID)) != 1 {
			t.Fatalf("answers %v, links %v", got, s.links(userID))
		}
	}
}

// TestSocialIssuerReplaced: another issuer under the same name does not open the
// accounts of the one before, whose subjects it may repeat.
func TestSocialIssuerReplaced(t *testing.T) {
	s := startSocial(t)
	s.through(s.browser(), "corp", person("1", "grace@example.com", true)).want(t, http.StatusSeeOther)
	s.options.Config.Providers = map[string]config.Provider{"corp": providerOf(s.other.URL, "Corp", true)}
	s.options.Plugins = pluginHost(t, nil)
	s.restart()
	s.other.Set(oidctest.Behaviour{Person: person("1", "mallory@example.com", true)})
	b := s.browser()
	b.back(t, s.other, b.away("corp", "")).want(t, http.StatusBadGateway)
	if s.signedIn(b) != "" {
		t.Error("another issuer's person is signed in")
	}
}

// TestSocialForgotten: what is erased is erased here.
func TestSocialForgotten(t *testing.T) {
	s := startSocial(t)
	b := s.browser()
	s.through(b, "corp", person("c1", "grace@example.com", true)).want(t, http.StatusSeeOther)
	account := s.users.byLogin("grace@example.com")
	endings := postgres.NewEndings(s.db, time.Minute)
	if err := endings.EndUser(t.Context(), account.ID, false, auth.EndedDeleted, s.now()); err != nil || len(s.links(account.ID)) != 1 {
		t.Fatalf("deleted: %v, links %v (it can be restored)", err, s.links(account.ID))
	}
	if err := endings.EndUser(t.Context(), account.ID, true, auth.EndedDeleted, s.now()); err != nil || len(s.links(account.ID)) != 0 {
		t.Fatalf("erased: %v, links %v", err, s.links(account.ID))
	}
}

// TestSocialTwoProcesses: the two ends of a sign-in may reach two processes with
// a plugin each.
func TestSocialTwoProcesses(t *testing.T) {
	s := startSocial(t)
	s.trusted.Set(oidctest.Behaviour{Person: person("c1", "grace@example.com", true)})
	b := s.browser()
	away := b.away("corp", "")
	s.options.Plugins = pluginHost(t, func(*pluginhost.Options) {})
	s.restart()
	b.back(t, s.trusted, away).want(t, http.StatusSeeOther)
	if s.signedIn(b) == "" {
		t.Error("not signed in")
	}
}

// TestSocialThroughGatehouse signs in to one Gatehouse through another: our own
// provider end satisfies our own client end.
func TestSocialThroughGatehouse(t *testing.T) {
	idp := start(t)
	idp.options.Issuer = idp.server.URL
	idp.restart()
	s := startSocial(t, func(*app.Options) {})
	client := idp.register(`{"name":"gatehouse","type":"confidential","redirect_uris":["` + issuer + `/login/callback/other"],
		"grant_types":["authorization_code"],"scopes":["openid","profile","email"],"token_endpoint_auth_method":"client_secret_basic"}`)
	s.options.Config.Providers = map[string]config.Provider{"other": {Plugin: "social-oidc", TrustEmail: true, Config: map[string]any{
		"issuer": idp.server.URL, "client_id": client.ClientID, "client_secret": client.ClientSecret, "allow_loopback_http": true,
	}}}
	s.options.Plugins = pluginHost(t, nil)
	s.restart()

	there := idp.browser()
	there.post("/register", url.Values{"email": {"grace@example.com"}, "password": {goodPassword}}).want(t, http.StatusOK)
	idpAccount := idp.users.byLogin("grace@example.com")
	challenge := idp.mails(idpAccount.ID)
	idp.as("email")
	link, err := idp.authapi().ChallengeLink(t.Context(), challenge[0].ChallengeID)
	idp.as("gateway")
	if err != nil {
		t.Fatal(err)
	}
	there.get(link.Link).want(t, http.StatusOK)
	there.post("/login", url.Values{"login": {"grace@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)

	here := s.browser()
	sent := here.get("/login/start/other").want(t, http.StatusSeeOther)
	back := there.get(sent.Header.Get("Location")).want(t, http.StatusSeeOther)
	here.get(local(t, back.Header.Get("Location"))).want(t, http.StatusSeeOther)
	account := s.users.byLogin("grace@example.com")
	if s.signedIn(here) != account.ID || !slices.Equal(s.links(account.ID), []string{"other " + idpAccount.ID}) {
		t.Errorf("signed in as %q, links %v", s.signedIn(here), s.links(account.ID))
	}
}
