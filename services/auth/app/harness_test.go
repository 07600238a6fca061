package app_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/internal/api"
	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/config"
	"gatehouse.example/internal/database"
	"gatehouse.example/internal/database/databasetest"
	"gatehouse.example/internal/event"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/mtls"
	"gatehouse.example/migrations"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/app"
	"gatehouse.example/services/auth/password"
)

const (
	issuer       = "http://localhost:8080"
	callback     = "http://localhost:3000/callback"
	verifier     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 Appendix B
	goodPassword = "correct horse battery"
)

// system is an auth service on a real schema, with a user service of its own.
type system struct {
	t       *testing.T
	db      *database.DB
	app     *app.App
	server  *httptest.Server
	users   *people
	minter  *identity.Minter
	options app.Options
	// ahead is how far the service's clock is in front.
	ahead atomic.Int64
	// peer is the service at the other end of the connections.
	peer atomic.Pointer[string]
}

func (s *system) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

func (s *system) advance(d time.Duration) { s.ahead.Add(int64(d)) }

// start starts the service; with a broker it can Run.
func start(t *testing.T, broker ...*bus.Bus) *system {
	t.Helper()
	s := &system{t: t, users: newPeople()}
	s.db = databasetest.New(t, database.MigrationSet{Service: "auth", Schema: "auth", Role: "gatehouse_auth", FS: migrations.Auth, ReadsAudit: true})
	dir := t.TempDir()
	authority, err := mtls.LoadOrCreateAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"), "test.example", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := authority.IssueService("gateway", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.minter = identity.NewMinter(gateway, time.Now)
	userServer := httptest.NewServer(s.users)
	t.Cleanup(userServer.Close)
	s.options = app.Options{
		Config: config.Auth{AllowRegistration: true}, Issuer: issuer, Environment: "test", DataDir: dir, DB: s.db,
		Verifier:        identity.NewVerifier(gateway.Roots, "test.example", "gatehouse", time.Now),
		Users:           userapi.New(api.New(api.Options{Base: userServer.URL})),
		PasswordCost:    password.Parameters{MemoryKiB: 64, Passes: 1, Lanes: 1},
		BootstrapClient: &app.BootstrapClient{ClientID: "bootstrap", ClientSecret: "bootstrap-secret"},
		Logger:          slog.New(slog.DiscardHandler),
		Now:             s.now,
	}
	if len(broker) > 0 {
		s.options.Bus = broker[0]
	}
	s.restart()
	s.as("gateway")
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.app.Handler().ServeHTTP(w, r.WithContext(identity.WithPeer(r.Context(), *s.peer.Load())))
	}))
	t.Cleanup(s.server.Close)
	return s
}

// restart makes the service anew on what it has stored.
func (s *system) restart() {
	s.t.Helper()
	var err error
	if s.app, err = app.New(s.t.Context(), s.options); err != nil {
		s.t.Fatal(err)
	}
}

// as makes the following requests come from another service.
func (s *system) as(service string) { s.peer.Store(&service) }

// authapi returns a client that calls as the service, with its internal token.
func (s *system) authapi() *authapi.Client {
	return authapi.New(api.New(api.Options{Base: s.server.URL}))
}

// browser is an HTTP client with cookies that follows no redirect.
type browser struct {
	*system
	client *http.Client
}

func (s *system) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is a response whose body was read.
type answer struct {
	*http.Response
	body string
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("decode %q: %v", a.body, err)
	}
}

func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d; body: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	return a
}

func (b *browser) do(method, target string, body io.Reader, header http.Header) answer {
	b.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = b.server.URL + target
	}
	req, err := http.NewRequestWithContext(context.Background(), method, target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

func (b *browser) get(target string) answer { return b.do(http.MethodGet, target, nil, nil) }

func (b *browser) post(target string, form url.Values, header ...string) answer {
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return b.do(http.MethodPost, target, strings.NewReader(form.Encode()), h)
}

// call sends JSON with the internal token of the principal.
func (s *system) call(p identity.Principal, method, path, body string) answer {
	s.t.Helper()
	header := http.Header{}
	if p.Authenticated() {
		token, _, err := s.minter.Mint(p, "gatehouse")
		if err != nil {
			s.t.Fatal(err)
		}
		header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	return s.browser().do(method, path, strings.NewReader(body), header)
}

// operator is the bootstrap client as the gateway passes it on.
func operator() identity.Principal {
	return identity.Principal{Kind: identity.KindClient, Subject: "bootstrap", ClientID: "bootstrap", Scopes: []string{"admin"}}
}

type registered struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

func (s *system) register(body string) registered {
	s.t.Helper()
	var c registered
	s.call(operator(), http.MethodPost, "/v1/clients", body).want(s.t, http.StatusCreated).into(s.t, &c)
	return c
}

// publicClient registers a client for the code flow.
func (s *system) publicClient() registered {
	return s.register(`{"name":"demo","type":"public","redirect_uris":["` + callback + `"],"grant_types":["authorization_code","refresh_token"],
		"scopes":["openid","profile","email","offline_access","users:read"]}`)
}

// person adds an active account with the good password and signs it in.
func (s *system) person(email string, roles ...string) (userapi.Account, *browser) {
	s.t.Helper()
	b := s.browser()
	b.post("/register", url.Values{"email": {email}, "password": {goodPassword}}).want(s.t, http.StatusOK)
	account := s.users.byLogin(email)
	b.post("/verify", s.challengeOf(account.ID)).want(s.t, http.StatusOK)
	s.users.change(account.ID, func(a *userapi.Account) { a.Roles = roles })
	b.post("/login", url.Values{"login": {email}, "password": {goodPassword}}).want(s.t, http.StatusSeeOther)
	return s.users.byLogin(email), b
}

// mails returns the mails asked for, the newest last.
func (s *system) mails(userID string) []event.VerificationRequested {
	s.t.Helper()
	rows, err := s.db.Pool.Query(s.t.Context(), `SELECT event->'data' FROM outbox WHERE aggregate LIKE '%' || $1 || '%' AND type = $2 ORDER BY seq`, userID, event.TypeVerificationRequested)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	var mails []event.VerificationRequested
	for rows.Next() {
		var raw string
		var m event.VerificationRequested
		if err := rows.Scan(&raw); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(raw), &m); err != nil {
			s.t.Fatal(err)
		}
		mails = append(mails, m)
	}
	return mails
}

// challengeOf returns the parameters of the link in the last mail, as the email
// service gets it.
func (s *system) challengeOf(userID string) url.Values { return s.linkOf(userID, "/verify") }

// linkOf is challengeOf for a link that leads to the given page.
func (s *system) linkOf(userID, path string) url.Values {
	s.t.Helper()
	mails := s.mails(userID)
	if len(mails) == 0 {
		s.t.Fatal("no mail was asked for")
	}
	s.as("email")
	defer s.as("gateway")
	link, err := s.authapi().ChallengeLink(s.t.Context(), mails[len(mails)-1].ChallengeID)
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := url.Parse(link.Link)
	if err != nil || !strings.HasPrefix(link.Link, issuer+path+"?") {
		s.t.Fatalf("link %q", link.Link)
	}
	return u.Query()
}

// with returns the form with further fields.
func with(form url.Values, fields ...string) url.Values {
	out := url.Values{}
	for name, values := range form {
		out[name] = values
	}
	for i := 0; i+1 < len(fields); i += 2 {
		out.Set(fields[i], fields[i+1])
	}
	return out
}

// signIn signs in as a device of its own.
func (s *system) signIn(login, plain string, header ...string) *browser {
	s.t.Helper()
	b := s.browser()
	b.post("/login", url.Values{"login": {login}, "password": {plain}}, header...).want(s.t, http.StatusSeeOther)
	return b
}

// events returns the data of the events of the type about a subject, the newest
// last.
func (s *system) events(typ, subject string) []map[string]any {
	s.t.Helper()
	return query[map[string]any](s, `SELECT event->'data' FROM outbox WHERE type = $1 AND aggregate = $2 ORDER BY seq`, typ, subject)
}

// records returns the audit records of an action, the newest last.
func (s *system) records(action string) []record {
	s.t.Helper()
	return query[record](s, `SELECT jsonb_build_object('actor', actor_id, 'kind', subject_kind, 'subject', subject_id, 'outcome', outcome, 'details', details)
		FROM audit_log WHERE action = $1 ORDER BY id`, action)
}

type record struct {
	Actor, Kind, Subject, Outcome string
	Details                       map[string]string
}

func query[T any](s *system, sql string, args ...any) []T {
	s.t.Helper()
	rows, err := s.db.Pool.Query(s.t.Context(), sql, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var raw string
		var v T
		if err := rows.Scan(&raw); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(raw), &v); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return all
}

func authorizeQuery(clientID string, change ...string) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callback}, "scope": {"openid profile email users:read"},
		"state": {"the state"}, "nonce": {"the nonce"}, "code_challenge": {auth.CodeChallenge(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		if change[i+1] == "" {
			q.Del(change[i])
		} else {
			q.Set(change[i], change[i+1])
		}
	}
	return q
}

// code walks the authorization endpoint of a signed-in browser.
func (b *browser) code(clientID string, change ...string) string {
	b.t.Helper()
	resp := b.get("/oauth2/authorize?"+authorizeQuery(clientID, change...).Encode()).want(b.t, http.StatusSeeOther)
	location, err := resp.Location()
	if err != nil {
		b.t.Fatal(err)
	}
	code := location.Query().Get("code")
	if code == "" {
		b.t.Fatalf("no code in %s", location)
	}
	return code
}

type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Error        string `json:"error"`
}

func codeForm(clientID, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
}

func refreshForm(clientID, token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token}}
}

// tokens walks the code flow of a signed-in browser to the end.
func (b *browser) tokens(clientID string, change ...string) tokens {
	b.t.Helper()
	return b.redeem(codeForm(clientID, b.code(clientID, change...)), http.StatusOK)
}

func (b *browser) redeem(form url.Values, status int, header ...string) tokens {
	b.t.Helper()
	var got tokens
	b.post("/oauth2/token", form, header...).want(b.t, status).into(b.t, &got)
	return got
}

// claims returns a token's header and claims without a look at its signature.
func claims(t *testing.T, token string) (header, payload map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	for i, to := range []*map[string]any{&header, &payload} {
		if err := json.Unmarshal(unbase64(t, parts[i]), to); err != nil {
			t.Fatal(err)
		}
	}
	return header, payload
}

func titleOf(page string) string {
	m := regexp.MustCompile(`<h1>(.*?)</h1>`).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return m[1]
}
