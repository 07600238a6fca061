package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/config"
	"gatehouse.example/internal/identity"
)

func TestEverythingOfOneself(t *testing.T) {
	f := setUp(t)
	a := f.ask(`{ me {
		id email emailVerified username phone status createdAt
		profile { givenName familyName locale address { country } attributes }
		preferences { namespace value updatedAt }
		ui: preferences(namespace: "ui") { value }
		none: preferences(namespace: "none") { value }
		roles permissions
		sessions(limit: 5) { id current device userAgent address lastSeenAt expiresAt }
		notifications(unread: true, category: "security", limit: 2, cursor: "c d") { items { id category type title body link data createdAt readAt } unreadCount nextCursor }
	} }`)
	if len(a.Errors) > 0 {
		t.Errorf("errors: %v", a.Errors)
	}
	wantData(t, a, `{"me":{
		"id":"`+ada+`","email":"ada@example.com","emailVerified":true,"username":"ada","phone":null,"status":"ACTIVE","createdAt":"2026-11-23T10:00:00Z",
		"profile":{"givenName":"ada","familyName":null,"locale":"en-GB","address":{"country":"UK"},"attributes":{"team":{"size":3}}},
		"preferences":[{"namespace":"mail","value":{"daily":true},"updatedAt":"2026-11-23T11:00:00Z"},{"namespace":"ui","value":{"theme":"dark","columns":[1,2]},"updatedAt":"2026-11-23T11:00:00Z"}],
		"ui":[{"value":{"theme":"dark","columns":[1,2]}}],"none":[],
		"roles":["user"],"permissions":["docs:read"],
		"sessions":[{"id":"s1","current":true,"device":"Firefox on Linux","userAgent":"Mozilla","address":"192.0.2.1","lastSeenAt":"2026-11-23T11:00:00Z","expiresAt":"2026-12-23T10:00:00Z"}],
		"notifications":{"items":[{"id":"n1","category":"security","type":"new_device","title":"New sign-in","body":"Firefox on Linux","link":null,"data":{"device":"Firefox"},"createdAt":"2026-11-23T11:00:00Z","readAt":null}],"unreadCount":3,"nextCursor":"next"}
	}}`)
	for _, want := range []struct {
		service *fake
		uris    []string
	}{
		{f.user, []string{"/v1/me", "/v1/users/" + ada + "/preferences", "/v1/users/" + ada + "/roles"}},
		{f.auth, []string{"/v1/sessions?limit=5"}},
		{f.email, []string{"/v1/notifications/unread-count", "/v1/notifications?category=security&cursor=c+d&limit=2&unread=true"}},
	} {
		if diff := cmp.Diff(want.uris, want.service.asked()); diff != "" {
			t.Errorf("%s was asked for (-want +got):\n%s", want.service.name, diff)
		}
	}
}

func TestTheCallersOwnRequestGoesOn(t *testing.T) {
	f := setUp(t)
	r := f.request(post(`{ me { id sessions { id } notifications { unreadCount } } }`))
	r.Header.Set("X-Request-Id", "request-7")
	r.Header.Set("Accept-Language", "de")
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if resp, body := f.send(r); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	for _, s := range []*fake{f.user, f.auth, f.email} {
		s.mu.Lock()
		if len(s.calls) == 0 {
			t.Errorf("%s was not asked", s.name)
		}
		for _, c := range s.calls {
			c.uri = ""
			if want := (call{peer: "graph", subject: ada, requestID: "request-7", language: "de", traced: true}); c != want {
				t.Errorf("%s was asked by %+v, want %+v", s.name, c, want)
			}
		}
		s.mu.Unlock()
	}
}

func TestAliasesAskOnce(t *testing.T) {
	f := setUp(t)
	a := f.ask(`{
		a: me { ...all } b: me { ...all } c: user(id: "` + ada + `") { ...all } d: user(id: "` + ada + `") { ...all }
	} fragment all on User {
		email permissions x: permissions preferences { namespace } sessions { id } y: sessions { device }
		notifications { unreadCount } z: notifications { items { id } unreadCount }
	}`)
	if len(a.Errors) > 0 {
		t.Errorf("errors: %v", a.Errors)
	}
	want := map[*fake][]string{
		f.user:  {"/v1/me", "/v1/users/" + ada + "/preferences", "/v1/users/" + ada + "/roles"},
		f.auth:  {"/v1/sessions?limit=20"},
		f.email: {"/v1/notifications/unread-count", "/v1/notifications?limit=20"},
	}
	for s, uris := range want {
		if diff := cmp.Diff(uris, s.asked()); diff != "" {
			t.Errorf("%s was asked for (-want +got):\n%s", s.name, diff)
		}
	}
}

func TestOthers(t *testing.T) {
	f := setUp(t)
	query := `{ user(id: "` + bob + `") { id email sessions { id } notifications { unreadCount } } }`
	t.Run("without the permission", func(t *testing.T) {
		a := f.ask(query)
		wantData(t, a, `{"user":null}`)
		if diff := cmp.Diff([]string{"user FORBIDDEN"}, a.problems()); diff != "" {
			t.Error(diff)
		}
	})
	admin := person(ada)
	admin.Scopes = []string{"users:read", "sessions:read"}
	t.Run("with it, but nobody's inbox", func(t *testing.T) {
		a := f.askAs(admin, query)
		wantData(t, a, `{"user":{"id":"`+bob+`","email":"bob@example.com","sessions":[{"id":"s1"}],"notifications":null}}`)
		if diff := cmp.Diff([]string{"user.notifications FORBIDDEN"}, a.problems()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		for _, id := range []string{nobody, "", "me", "../roles", "%2e%2e/me", strings.ToUpper(bob), "x\u0000y", strings.Repeat("a", 30000)} {
			a := f.askAs(admin, `query($id: ID!) { user(id: $id) { email } }`, map[string]any{"id": id})
			wantData(t, a, `{"user":null}`)
			if len(a.Errors) > 0 {
				t.Errorf("%.20q: %v", id, a.Errors)
			}
		}
	})
	t.Run("several at once", func(t *testing.T) {
		f.user.asked()
		a := f.askAs(admin, `{ a: user(id: "`+bob+`") { username } b: user(id: "`+nobody+`") { username } c: user(id: "`+ada+`") { username } }`)
		wantData(t, a, `{"a":{"username":"bob"},"b":null,"c":{"username":"ada"}}`)
		for _, uri := range f.user.asked() {
			if strings.HasPrefix(uri, "/v1/users?") && !strings.Contains(uri, "ids=") {
				t.Errorf("asked for %s", uri)
			}
		}
	})
}

func TestClientsAreNobody(t *testing.T) {
	f := setUp(t)
	client := identity.Principal{Kind: identity.KindClient, Subject: "app", ClientID: "app", Scopes: []string{"users:read"}, Expires: time.Now().Add(time.Minute)}
	a := f.askAs(client, `{ me { id } user(id: "`+bob+`") { email notifications { unreadCount } } }`)
	wantData(t, a, `{"me":null,"user":{"email":"bob@example.com","notifications":null}}`)
	if diff := cmp.Diff([]string{"user.notifications FORBIDDEN"}, a.problems()); diff != "" {
		t.Error(diff)
	}
}

// everything asks all three services.
const everything = `{ me { id email roles permissions preferences { namespace } sessions { id } notifications { unreadCount } } }`

func TestAServiceThatIsNotThere(t *testing.T) {
	for _, test := range []struct {
		service  func(*fixture) *fake
		data     string
		problems []string
	}{
		{
			func(f *fixture) *fake { return f.user },
			`{"me":{"id":"` + ada + `","email":null,"roles":null,"permissions":null,"preferences":null,"sessions":[{"id":"s1"}],"notifications":{"unreadCount":3}}}`,
			[]string{"me.email SERVICE_UNAVAILABLE", "me.permissions SERVICE_UNAVAILABLE", "me.preferences SERVICE_UNAVAILABLE", "me.roles SERVICE_UNAVAILABLE"},
		}, {
			func(f *fixture) *fake { return f.auth },
			`{"me":{"id":"` + ada + `","email":"ada@example.com","roles":["user"],"permissions":["docs:read"],"preferences":[{"namespace":"mail"},{"namespace":"ui"}],"sessions":null,"notifications":{"unreadCount":3}}}`,
			[]string{"me.sessions SERVICE_UNAVAILABLE"},
		}, {
			func(f *fixture) *fake { return f.email },
			`{"me":{"id":"` + ada + `","email":"ada@example.com","roles":["user"],"permissions":["docs:read"],"preferences":[{"namespace":"mail"},{"namespace":"ui"}],"sessions":[{"id":"s1"}],"notifications":null}}`,
			[]string{"me.notifications SERVICE_UNAVAILABLE"},
		},
	} {
		for _, how := range []string{"stopped", "hangs", "fails"} {
			f := setUp(t)
			s := test.service(f)
			t.Run(s.name+" "+how, func(t *testing.T) {
				switch how {
				case "stopped":
					s.stop()
				case "hangs":
					s.hangs.Store(true)
				case "fails":
					for path := range s.routes {
						s.routes[path] = refuse(http.StatusInternalServerError, "panic at 10.0.0.7:9103")
					}
				}
				a := f.ask(everything)
				wantData(t, a, test.data)
				if diff := cmp.Diff(test.problems, a.problems()); diff != "" {
					t.Errorf("errors (-want +got):\n%s", diff)
				}
				for _, e := range a.Errors {
					if strings.Contains(e.Message, "127.0.0.1") || strings.Contains(e.Message, "10.0.0.7") || strings.Contains(e.Message, "https:") {
						t.Errorf("the error tells an address: %s", e.Message)
					}
				}
			})
		}
	}
}

func TestAnswersOfServicesBecomeCodes(t *testing.T) {
	f := setUp(t)
	for status, want := range map[int]string{
		http.StatusBadRequest: "BAD_USER_INPUT", http.StatusUnprocessableEntity: "BAD_USER_INPUT",
		http.StatusUnauthorized: "UNAUTHENTICATED", http.StatusForbidden: "FORBIDDEN", http.StatusNotFound: "NOT_FOUND",
		http.StatusTooManyRequests: "RATE_LIMITED", http.StatusServiceUnavailable: "SERVICE_UNAVAILABLE", http.StatusTeapot: "INTERNAL",
	} {
		f.email.routes["/v1/notifications"] = refuse(status, "x")
		a := f.ask(`{ me { id notifications(cursor: "x") { nextCursor } } }`)
		if diff := cmp.Diff([]string{"me.notifications " + want}, a.problems()); diff != "" {
			t.Errorf("%d: %s", status, diff)
		}
	}
	f.email.routes["/v1/notifications"] = fixed(`{"items":[{"id":7}]`)
	if a := f.ask(`{ me { notifications { nextCursor } } }`); !slices.Equal(a.problems(), []string{"me.notifications INTERNAL"}) || a.Errors[0].Message != "this could not be answered" {
		t.Errorf("half an answer: %+v", a.Errors)
	}
}

func TestTheTimeOfAQueryIsBounded(t *testing.T) {
	f := setUp(t, func(c *config.Graph) { c.Timeout = 1500 * time.Millisecond })
	f.email.hangs.Store(true)
	a := f.ask(everything)
	if diff := cmp.Diff([]string{"me.notifications TIMEOUT"}, a.problems()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(a.Data), "ada@example.com") {
		t.Errorf("what was answered by then is missing: %s", a.Data)
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	f := setUp(t)
	f.user.routes["/v1/users/"+ada+"/preferences"] = fixed(`{"items":[{"namespace":"ui","value":{"a":"` + strings.Repeat("x", 1<<20) + `"}}]}`)
	a := f.ask(`{ me { ` + aliases(12, `preferences(namespace: "ui") { value }`) + ` } }`)
	if a.Data != nil || !slices.Equal(a.problems(), []string{"ANSWER_TOO_LARGE"}) {
		t.Errorf("%d bytes, %v", len(a.Data), a.problems())
	}
}

func TestOnlyTheGatewayWithACredential(t *testing.T) {
	f := setUp(t)
	for name, test := range map[string]struct {
		as            string
		authorization string
		status        int
	}{
		"nobody":          {"gateway", "", http.StatusUnauthorized},
		"basic":           {"gateway", "Basic YTpi", http.StatusUnauthorized},
		"not a token":     {"gateway", "Bearer x", http.StatusUnauthorized},
		"another service": {"email", "Bearer " + f.token(person(ada)), http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.request(post(`{ me { id } }`))
			r.Header.Del("Authorization")
			if test.authorization != "" {
				r.Header.Set("Authorization", test.authorization)
			}
			f.client = f.httpClient(f.bundle(test.as), "graph")
			resp, body := f.send(r)
			if resp.StatusCode != test.status || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	if asked := f.user.asked(); asked != nil {
		t.Errorf("the user service was asked for %v", asked)
	}
}

func TestReadyAndOperations(t *testing.T) {
	f := setUp(t)
	f.user.stop()
	if err := f.app.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if diff := cmp.Diff([]string{"POST /graphql"}, f.app.Operations()); diff != "" {
		t.Error(diff)
	}
}
