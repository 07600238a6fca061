package app_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth/postgres"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

// TestNewDevice tells of devices that a person has not used before.
func TestNewDevice(t *testing.T) {
	s := start(t)
	ada, b := s.person("ada@example.com")
	told := func() int { return len(s.events(event.TypeNewDevice, ada.ID)) }
	login := url.Values{"login": {"ada@example.com"}, "password": {goodPassword}}
	if told() != 0 {
		t.Error("the first sign-in of an account is told")
	}
	b.post("/oauth2/logout", nil).want(t, http.StatusOK)
	b.post("/login", login).want(t, http.StatusSeeOther)
	if told() != 0 {
		t.Error("a device that is known is told")
	}
	if _, err := s.db.Pool.Exec(t.Context(), `DELETE FROM known_devices`); err != nil {
		t.Fatal(err)
	}
	b.post("/login", login).want(t, http.StatusSeeOther)
	if told() != 0 {
		t.Error("a device is told on which the person is signed in")
	}
	s.signIn("ada@example.com", goodPassword, "User-Agent", firefox, "X-Forwarded-For", "192.0.2.9")
	events := s.events(event.TypeNewDevice, ada.ID)
	if len(events) != 1 || events[0]["user_agent"] != firefox || events[0]["address"] != "192.0.2.9" || events[0]["session_id"] == "" {
		t.Fatalf("events %v", events)
	}
	// Somebody else's first sign-in on the same device is none, and what is
	// stored does not say that it is the same.
	_, _ = s.person("bob@example.com")
	b.post("/login", url.Values{"login": {"bob@example.com"}, "password": {goodPassword}}).want(t, http.StatusSeeOther)
	bob := s.users.byLogin("bob@example.com")
	if n := len(s.events(event.TypeNewDevice, bob.ID)); n != 1 {
		t.Errorf("%d events for another's device", n)
	}
	var shared int
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM known_devices a JOIN known_devices b USING (device_hash) WHERE a.user_id <> b.user_id`).Scan(&shared); err != nil || shared != 0 {
		t.Errorf("%d devices are recognised as shared (%v)", shared, err)
	}
	// An invented cookie is as good as none.
	before := told()
	s.browser().post("/login", login, "Cookie", "gatehouse_device=x").want(t, http.StatusSeeOther)
	s.browser().post("/login", login, "Cookie", "gatehouse_device="+strings.Repeat("A", 43)).want(t, http.StatusSeeOther)
	if n := told() - before; n != 2 {
		t.Errorf("%d of 2 invented devices told", n)
	}
	if _, err := postgres.NewSweeper(s.db).Sweep(t.Context(), time.Now().Add(366*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM known_devices`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d devices are remembered after a year (%v)", left, err)
	}
}

type sessionList struct {
	Items []struct {
		ID         string    `json:"id"`
		UserID     string    `json:"user_id"`
		Device     string    `json:"device"`
		Address    string    `json:"address"`
		Current    bool      `json:"current"`
		LastSeenAt time.Time `json:"last_seen_at"`
	} `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

func (s *system) sessionsOf(p identity.Principal, query string) sessionList {
	s.t.Helper()
	var list sessionList
	s.call(p, http.MethodGet, "/v1/sessions"+query, "").want(s.t, http.StatusOK).into(s.t, &list)
	return list
}

// TestSessions lists and ends them by the API, for oneself and for others.
func TestSessions(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	desktop := s.signIn("ada@example.com", goodPassword, "User-Agent", firefox, "X-Forwarded-For", "192.0.2.9")
	phone := s.signIn("ada@example.com", goodPassword)
	bob, bobs := s.person("bob@example.com")
	held := desktop.tokens(client.ClientID)
	_, payload := claims(t, held.AccessToken)
	me := identity.Principal{Kind: identity.KindUser, Subject: ada.ID, ClientID: client.ClientID, SessionID: payload["sid"].(string), Scopes: []string{"openid"}}
	his := identity.Principal{Kind: identity.KindUser, Subject: bob.ID, ClientID: client.ClientID, Scopes: []string{"sessions:read", "sessions:write"}}
	admin := identity.Principal{Kind: identity.KindUser, Subject: bob.ID, Scopes: his.Scopes, Permissions: his.Scopes}

	list := s.sessionsOf(me, "")
	if len(list.Items) != 3 || list.NextCursor != nil {
		t.Fatalf("sessions %+v", list)
	}
	for _, item := range list.Items {
		if item.UserID != ada.ID || item.Current != (item.ID == me.SessionID) || (item.Current && (item.Device != "Firefox on Linux" || item.Address != "192.0.2.9")) {
			t.Errorf("session %+v", item)
		}
	}
	if ids := []string{list.Items[2].ID, list.Items[1].ID, list.Items[0].ID}; !slices.IsSorted(ids) || list.Items[1].ID != me.SessionID {
		t.Errorf("not the newest first: %+v", list.Items)
	}
	page := s.sessionsOf(me, "?limit=2")
	if len(page.Items) != 2 || page.NextCursor == nil || page.Items[0] != list.Items[0] {
		t.Fatalf("pages %+v", page)
	}
	if rest := s.sessionsOf(me, "?limit=2&cursor="+*page.NextCursor); len(rest.Items) != 1 || rest.Items[0] != list.Items[2] || rest.NextCursor != nil {
		t.Errorf("last page %+v", rest)
	}
	for _, query := range []string{"?limit=0", "?limit=201", "?limit=x", "?cursor=x", "?cursor=eA", "?user_id=x", "?user_id=%00"} {
		if got := s.call(me, "GET", "/v1/sessions"+query, "").StatusCode; got != http.StatusBadRequest {
			t.Errorf("%s: status %d", query, got)
		}
	}

	t.Run("of others", func(t *testing.T) {
		for name, p := range map[string]identity.Principal{
			"no permission": his,
			"no scope":      {Kind: identity.KindUser, Subject: bob.ID, Permissions: his.Scopes},
			"client":        {Kind: identity.KindClient, Subject: "c", Scopes: []string{"users:read"}},
		} {
			s.call(p, "GET", "/v1/sessions?user_id="+ada.ID, "").want(t, http.StatusForbidden)
			s.call(p, "DELETE", "/v1/sessions?user_id="+ada.ID, "").want(t, http.StatusForbidden)
			// A person learns nothing about sessions that are not its own.
			want := http.StatusNotFound
			if p.Kind == identity.KindClient {
				want = http.StatusForbidden
			}
			if got := s.call(p, "DELETE", "/v1/sessions/"+me.SessionID, "").StatusCode; got != want {
				t.Errorf("%s: status %d", name, got)
			}
		}
		s.call(operator(), "DELETE", "/v1/sessions", "").want(t, http.StatusBadRequest)
		s.call(admin, "DELETE", "/v1/sessions?except=current&user_id="+ada.ID, "").want(t, http.StatusBadRequest)
		if got := s.sessionsOf(admin, "?user_id="+ada.ID); len(got.Items) != 3 || got.Items[0].Current {
			t.Errorf("sessions %+v", got)
		}
		if got := s.sessionsOf(operator(), "?user_id="+ada.ID); len(got.Items) != 3 {
			t.Errorf("sessions %+v", got)
		}
		phoneID := list.Items[0].ID
		s.call(admin, "DELETE", "/v1/sessions/"+phoneID, "").want(t, http.StatusNoContent)
		phone.get("/account").want(t, http.StatusSeeOther)
		revoked := s.events(event.TypeSessionRevoked, ada.ID)
		if len(revoked) != 1 || revoked[0]["session_id"] != phoneID || revoked[0]["reason"] != "revoked" {
			t.Errorf("events %v", revoked)
		}
		if got := s.records("session.revoked"); len(got) != 1 || got[0].Actor != bob.ID || got[0].Subject != phoneID {
			t.Errorf("records %+v", got)
		}
	})
	t.Run("others of mine", func(t *testing.T) {
		for _, query := range []string{"?except=other", "?except=", "?excepting=current", "?except=current;x", "?except=%zz"} {
			if got := s.call(me, "DELETE", "/v1/sessions"+query, "").StatusCode; got != http.StatusBadRequest {
				t.Errorf("%s: status %d", query, got)
			}
		}
		s.call(his, "DELETE", "/v1/sessions?except=current", "").want(t, http.StatusBadRequest) // no session of its own
		s.call(me, "DELETE", "/v1/sessions?except=current", "").want(t, http.StatusNoContent)
		b.get("/account").want(t, http.StatusSeeOther)
		desktop.get("/account").want(t, http.StatusOK)
		held = desktop.redeem(refreshForm(client.ClientID, held.RefreshToken), http.StatusOK)
	})
	t.Run("all of mine", func(t *testing.T) {
		s.call(me, "DELETE", "/v1/sessions", "").want(t, http.StatusNoContent)
		desktop.get("/account").want(t, http.StatusSeeOther)
		desktop.redeem(refreshForm(client.ClientID, held.RefreshToken), http.StatusBadRequest)
		bobs.get("/account").want(t, http.StatusOK)
	})
}

// TestLastUse is written at most once a minute, by pages and by refreshes.
func TestLastUse(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	ada, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	me := identity.Principal{Kind: identity.KindUser, Subject: ada.ID}
	seen := func() time.Time { return s.sessionsOf(me, "").Items[0].LastSeenAt }
	first := seen()
	s.advance(30 * time.Second)
	got = b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusOK)
	b.get("/account").want(t, http.StatusOK)
	if !seen().Equal(first) {
		t.Error("written twice within a minute")
	}
	s.advance(31 * time.Second)
	got = b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusOK)
	second := seen()
	if !second.After(first) {
		t.Error("a refresh is no use of the session")
	}
	s.advance(61 * time.Second)
	b.get("/account").want(t, http.StatusOK)
	if !seen().After(second) {
		t.Error("a page is no use of the session")
	}
	// A session that was ended, is refused at once.
	s.call(me, "DELETE", "/v1/sessions/"+s.sessionsOf(me, "").Items[0].ID, "").want(t, http.StatusNoContent)
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), http.StatusBadRequest)
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}}).want(t, http.StatusUnauthorized)
}

// TestSessionsPage ends sessions by its buttons.
func TestSessionsPage(t *testing.T) {
	s := start(t)
	ada, b := s.person("ada@example.com")
	bob, bobs := s.person("bob@example.com")
	two := s.signIn("ada@example.com", goodPassword, "User-Agent", firefox)
	three := s.signIn("ada@example.com", goodPassword)
	page := b.get("/account/sessions").want(t, http.StatusOK)
	if strings.Count(page.body, "(this device)") != 1 || !strings.Contains(page.body, "Firefox on Linux") {
		t.Errorf("page %s", page.body)
	}
	ids := map[string]string{}
	for _, p := range []identity.Principal{{Kind: identity.KindUser, Subject: ada.ID}, {Kind: identity.KindUser, Subject: bob.ID}} {
		for _, item := range s.sessionsOf(p, "").Items {
			ids[item.Device+p.Subject] = item.ID
		}
	}
	b.post("/account/sessions", url.Values{"session": {ids["A Go program"+bob.ID]}}).want(t, http.StatusSeeOther)
	bobs.get("/account").want(t, http.StatusOK) // it was not hers to end
	b.post("/account/sessions", url.Values{"session": {ids["Firefox on Linux"+ada.ID]}}).want(t, http.StatusSeeOther)
	two.get("/account/sessions").want(t, http.StatusSeeOther)
	three.get("/account").want(t, http.StatusOK)
	b.post("/account/sessions", url.Values{"end": {"others"}}, "Sec-Fetch-Site", "cross-site").want(t, http.StatusForbidden)
	for _, form := range []url.Values{nil, {"end": {"x"}}, {"session": {""}}} {
		b.post("/account/sessions", form).want(t, http.StatusBadRequest)
	}
	b.post("/account/sessions", url.Values{"end": {"others"}}).want(t, http.StatusSeeOther)
	three.get("/account").want(t, http.StatusSeeOther)
	b.get("/account").want(t, http.StatusOK)
	if got := s.records("session.revoked"); len(got) != 2 || got[1].Actor != ada.ID {
		t.Errorf("records %+v", got)
	}
	all := b.post("/account/sessions", url.Values{"end": {"all"}}).want(t, http.StatusSeeOther)
	if all.Header.Get("Location") != "/login" || len(all.Cookies()) != 1 || all.Cookies()[0].MaxAge >= 0 {
		t.Errorf("after ending all: %v", all.Header)
	}
	b.get("/account").want(t, http.StatusSeeOther)
}
