package app

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gatehouse.example/internal/api/authapi"
	"gatehouse.example/internal/audit/refusals"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth/account"
	"gatehouse.example/services/auth/authorize"
	"gatehouse.example/services/auth/challenge"
	"gatehouse.example/services/auth/changeemail"
	"gatehouse.example/services/auth/changepassword"
	"gatehouse.example/services/auth/discovery"
	"gatehouse.example/services/auth/introspect"
	"gatehouse.example/services/auth/jwks"
	"gatehouse.example/services/auth/login"
	"gatehouse.example/services/auth/logout"
	"gatehouse.example/services/auth/page"
	"gatehouse.example/services/auth/register"
	"gatehouse.example/services/auth/reset"
	"gatehouse.example/services/auth/rest"
	"gatehouse.example/services/auth/revoke"
	"gatehouse.example/services/auth/sessions"
	"gatehouse.example/services/auth/setup"
	"gatehouse.example/services/auth/signedin"
	"gatehouse.example/services/auth/token"
	"gatehouse.example/services/auth/userinfo"
	"gatehouse.example/services/auth/verify"
)

// router mounts handlers behind who may reach them.
type router struct {
	mux      *http.ServeMux
	table    identity.Table
	verifier *identity.Verifier
	pages    *page.Renderer
	// refusals notes whom it refuses what.
	refusals *refusals.Watcher
	// operations is what the edge can reach, as "METHOD /path/{id}".
	operations []string
}

func routes(o Options, p *parts) (*router, error) {
	r := &router{mux: http.NewServeMux(), table: identity.DefaultTable(), verifier: o.Verifier, pages: p.pages, refusals: p.denials}
	if err := r.metadata(o, p); err != nil {
		return nil, err
	}
	r.oauth(o, p)
	r.browserPages(o, p)
	r.accountPages(o, p)
	r.socialPages(o, p)
	r.api(o, p)
	r.internal(o, p)
	r.mux.HandleFunc("/", rest.NotFound)
	return r, nil
}

func (rt *router) metadata(o Options, p *parts) error {
	server, err := discovery.Handler(discovery.ServerMetadata(o.Issuer))
	if err != nil {
		return err
	}
	resource, err := discovery.Handler(discovery.ResourceMetadata(o.Issuer))
	if err != nil {
		return err
	}
	rt.public("/.well-known/openid-configuration", methods{http.MethodGet: server})
	rt.public("/.well-known/oauth-authorization-server", methods{http.MethodGet: server})
	rt.public("/.well-known/oauth-protected-resource", methods{http.MethodGet: resource})
	rt.note(authapi.PathJWKS, http.MethodGet)
	rt.mux.Handle(authapi.PathJWKS, rt.peerOnly(identity.Allow(rt.table, identity.OperationJWKS, methods{http.MethodGet: jwks.Handler(p.ring)})))
	return nil
}

func (rt *router) oauth(o Options, p *parts) {
	authorizeEndpoint := authorize.New(authorize.Options{
		Issuer: o.Issuer, Clients: p.clients, Codes: p.codes, Sessions: p.jar, Pages: p.pages, CodeLifetime: o.Config.CodeLifetime, Now: o.Now,
	})
	tokenEndpoint := token.New(p.authenticator,
		token.NewCodeGrant(token.CodeOptions{
			Codes: p.codes, Revoker: p.endings, Accounts: o.Users, Minter: p.minter, Refresher: p.refresher,
			RefreshLifetime: o.Config.RefreshTokenLifetime, RefreshIdle: o.Config.RefreshTokenIdle, Logger: o.Logger, Now: o.Now,
		}),
		token.NewRefreshGrant(token.RefreshOptions{
			Families: p.refresh, Sessions: p.sessions, Revoker: p.endings, Accounts: o.Users, Minter: p.minter, Refresher: p.refresher,
			Idle: o.Config.RefreshTokenIdle, Logger: o.Logger, Now: o.Now,
		}),
		token.NewClientCredentials(p.minter, p.clients, p.recorder, o.Now),
	)
	userinfoEndpoint := userinfo.New(userinfo.Options{Tokens: p.minter, Endings: p.sessions, Accounts: o.Users})
	introspectEndpoint := introspect.New(introspect.Options{
		Issuer: o.Issuer, Clients: p.authenticator, Tokens: p.minter, Endings: p.sessions, Families: p.refresh, Refresher: p.refresher, Now: o.Now,
	})
	revokeEndpoint := revoke.New(revoke.Options{
		Clients: p.authenticator, Tokens: p.minter, Families: p.refresh, Revoker: p.endings, Refresher: p.refresher, Now: o.Now,
	})
	logoutEndpoint := logout.New(logout.Options{Clients: p.clients, Sessions: p.jar, Ender: p.endings, Hints: p.minter, Pages: p.pages, Now: o.Now})
	rt.public("/oauth2/authorize", methods{http.MethodGet: authorizeEndpoint, http.MethodPost: authorizeEndpoint})
	rt.public("/oauth2/token", methods{http.MethodPost: tokenEndpoint})
	rt.public("/oauth2/userinfo", methods{http.MethodGet: userinfoEndpoint, http.MethodPost: userinfoEndpoint})
	rt.public("/oauth2/introspect", methods{http.MethodPost: introspectEndpoint})
	rt.public("/oauth2/revoke", methods{http.MethodPost: revokeEndpoint})
	rt.public("/oauth2/logout", methods{http.MethodGet: logoutEndpoint, http.MethodPost: logoutEndpoint})
}

func (rt *router) browserPages(o Options, p *parts) {
	loginPage := login.New(login.Options{
		Accounts: o.Users, Credentials: p.credentials, Mailer: p.challenges, Guard: p.guard, Sessions: p.jar, Log: p.records, Hasher: p.hasher, Pages: p.pages,
		VerificationLifetime: o.Config.VerificationLifetime, AllowRegistration: o.Config.AllowRegistration, Choices: p.social.catalogue.Choices, Logger: o.Logger, Now: o.Now,
	})
	rt.page("/login", loginPage.Show, loginPage.Submit)
	registerPage := register.New(register.Options{
		Accounts: o.Users, Mailer: p.challenges, Guard: p.registerGuard, Hasher: p.hasher, Pages: p.pages, Browsers: p.jar, Allowed: o.Config.AllowRegistration,
		VerificationLifetime: o.Config.VerificationLifetime, Choices: p.social.catalogue.Choices, Now: o.Now,
	})
	rt.page("/register", registerPage.Show, registerPage.Submit)
	verifyPage := verify.New(verify.Options{
		Accounts: o.Users, Challenges: p.challenges, Identities: p.social.identities, DisplayName: p.social.catalogue.DisplayName,
		Links: p.links, Pages: p.pages, Browsers: p.jar, Now: o.Now,
	})
	rt.page("/verify", verifyPage.Show, verifyPage.Submit)
	resetPage := reset.New(reset.Options{
		Accounts: o.Users, Challenges: p.challenges, Passwords: p.passwords, Guard: p.mailGuard, Links: p.links, Hasher: p.hasher, Pages: p.pages,
		Lifetime: o.Config.ResetLifetime, Locale: register.Locale, Now: o.Now,
	})
	rt.page("/reset", resetPage.Show, resetPage.Submit)
	setupPage := setup.New(setup.Options{Accounts: o.Users, Links: p.setupLinks, Sessions: p.jar, Hasher: p.hasher, Pages: p.pages, Now: o.Now})
	rt.page("/setup", setupPage.Show, setupPage.Submit)
}

// accountPages are for who is signed in.
func (rt *router) accountPages(o Options, p *parts) {
	gate := signedin.New(signedin.Options{Accounts: o.Users, Sessions: p.jar, Pages: p.pages})
	accountPage := account.New(account.Options{Store: p.sessions, Ender: p.endings, Cookie: p.jar, Pages: p.pages, Sections: p.accountSections(), Now: o.Now})
	rt.page("/account", gate.Page(accountPage.Show), nil)
	passwordPage := changepassword.New(changepassword.Options{Proof: p.proofs, Passwords: p.passwords, Hasher: p.hasher, Pages: p.pages, Now: o.Now})
	rt.page("/account/password", gate.Page(passwordPage.Show), gate.Page(passwordPage.Submit))
	emailPage := changeemail.New(changeemail.Options{
		Accounts: o.Users, Challenges: p.challenges, Proof: p.proofs, Pages: p.pages, Lifetime: o.Config.VerificationLifetime, Locale: register.Locale, Now: o.Now,
	})
	rt.page("/account/email", gate.Page(emailPage.Show), gate.Page(emailPage.Submit))
	rt.page("/account/sessions", gate.Page(accountPage.ShowSessions), gate.Page(accountPage.EndSessions))
}

func (rt *router) api(o Options, p *parts) {
	rt.adminAPI(o, p)
	sessionAPI := sessions.New(sessions.Options{Store: p.sessions, Ender: p.endings, Now: o.Now})
	rt.authenticated("/v1/sessions", methods{http.MethodGet: http.HandlerFunc(sessionAPI.List), http.MethodDelete: http.HandlerFunc(sessionAPI.DeleteAll)})
	rt.authenticated("/v1/sessions/{id}", methods{http.MethodDelete: http.HandlerFunc(sessionAPI.Delete)})
	rt.authenticated("/v1/", http.HandlerFunc(rest.NotFound))
}

func (rt *router) internal(o Options, p *parts) {
	rt.operation(authapi.PathVerifyAPIKey, identity.OperationVerifyAPIKey, methods{http.MethodPost: verifyKey(o, p)})
	rt.operation(authapi.PathChallengeLink, identity.OperationChallengeLink, methods{http.MethodGet: challenge.Handler(p.challenges, p.links, o.Now)})
}

// page mounts a page: show answers GET and submit POST, which another site
// cannot make a browser send; nil for a method that it has not.
func (rt *router) page(path string, show, submit http.HandlerFunc) {
	m := methods{}
	if show != nil {
		m[http.MethodGet] = show
	}
	if submit != nil {
		m[http.MethodPost] = submit
	}
	rt.note(path, slices.Sorted(maps.Keys(m))...)
	rt.public(path, rt.pages.Protect(m))
}

// note notes what the edge can reach, for the table of operations.
func (rt *router) note(path string, methods ...string) {
	for _, method := range methods {
		rt.operations = append(rt.operations, method+" "+path)
	}
}

// noteAll notes the methods of a handler that has a list of them. A path that
// answers 404 alone has none.
func (rt *router) noteAll(path string, h http.Handler) {
	if m, ok := h.(methods); ok {
		rt.note(path, slices.Sorted(maps.Keys(m))...)
	}
}

// public mounts what strangers reach through the gateway. An Authorization
// header there is the client's own and none of ours.
func (rt *router) public(path string, h http.Handler) {
	rt.noteAll(path, h)
	rt.mux.Handle(path, rt.peerOnly(identity.Allow(rt.table, identity.OperationEdge, h)))
}

// authenticated mounts what the gateway forwards with an internal token.
func (rt *router) authenticated(path string, h http.Handler) {
	rt.noteAll(path, h)
	rt.mux.Handle(path, identity.Authenticate(rt.verifier)(identity.Allow(rt.table, identity.OperationEdge, identity.RequireAuthenticated(rt.refusals.Watch(h)))))
}

// operation mounts what other services call.
func (rt *router) operation(path, operation string, h http.Handler) {
	rt.mux.Handle(path, identity.Authenticate(rt.verifier)(identity.Allow(rt.table, operation, h)))
}

// peerOnly finds out which service is at the other end and leaves the
// Authorization header to the handler.
func (rt *router) peerOnly(next http.Handler) http.Handler {
	authenticate := identity.Authenticate(rt.verifier)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header
		bare := r.WithContext(r.Context())
		bare.Header = header.Clone()
		bare.Header.Del("Authorization")
		authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header = header
			next.ServeHTTP(w, r)
		})).ServeHTTP(w, bare)
	})
}

// methods picks the handler of the request's method and answers 405 for others.
type methods map[string]http.Handler

// ServeHTTP implements [http.Handler].
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	h, ok := m[method]
	if !ok {
		allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		w.Header().Set("Allow", allowed)
		problem.Write(w, r, problem.New(http.StatusMethodNotAllowed, "method_not_allowed", fmt.Sprintf("use %s", allowed)))
		return
	}
	h.ServeHTTP(w, r)
}
