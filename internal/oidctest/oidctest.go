// Package oidctest owns a small OpenID provider for tests of whoever signs in
// through one: discovery, authorization endpoint without a page, token endpoint
// with PKCE, key set and userinfo, and the ways in which a provider can be wrong.
//
// It is no provider for people, and no model of one: services/auth is.
package oidctest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/jose"
)

// The credentials of the only client.
const (
	ClientID     = "gatehouse"
	ClientSecret = "the client's secret"
)

// Behaviour is what the provider does. Its zero value is right.
type Behaviour struct {
	// Person is the claims of who signs in, "sub" among them.
	Person map[string]any
	// Error is the code of the answer instead of signing in.
	Error string
	// Change alters the ID token's claims; a nil value removes one.
	Change map[string]any
	// ForeignKey signs with a key that is not in the set.
	ForeignKey bool
	// Unsigned sends a token of algorithm "none".
	Unsigned bool
	// UserInfoOnly keeps everything but sub out of the ID token.
	UserInfoOnly bool
	// UserInfoSubject is another person's, at userinfo.
	UserInfoSubject string
	// Iss replaces the response's iss parameter; "-" leaves it out.
	Iss string
	// Down answers everything with 503.
	Down bool
	// Silent answers nothing until the request is given up.
	Silent bool
	// RedirectTo sends discovery elsewhere.
	RedirectTo string
	// Flood makes answers larger than anybody should read.
	Flood bool
}

type grant struct{ nonce, challenge, redirectURI string }

// Issuer is a running provider. It is safe for concurrent use.
type Issuer struct {
	// URL is the issuer's identifier.
	URL string

	key, foreign jose.Key
	mu           sync.Mutex
	behaviour    Behaviour
	grants       map[string]grant
	redeemed     int
	requests     int
}

// New starts a provider that ends with the test.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{grants: map[string]grant{}}
	for _, key := range []*jose.Key{&i.key, &i.foreign} {
		made, err := jose.GenerateES256()
		if err != nil {
			t.Fatal(err)
		}
		*key = made
	}
	// The foreign key claims to be ours.
	i.foreign.KID = i.key.KID
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, jose.PublicSet(i.key)) })
	mux.HandleFunc("GET /userinfo", i.userInfo)
	server := httptest.NewServer(i.troubled(mux))
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Set replaces the behaviour.
func (i *Issuer) Set(b Behaviour) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.behaviour = b
}

// Redeemed is how many codes were exchanged.
func (i *Issuer) Redeemed() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.redeemed
}

// Requests is how many requests came, to any endpoint.
func (i *Issuer) Requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests
}

func (i *Issuer) now() Behaviour {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.behaviour
}

func (i *Issuer) troubled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.requests++
		b := i.behaviour
		i.mu.Unlock()
		switch {
		case b.Down:
			http.Error(w, "down", http.StatusServiceUnavailable)
		case b.Silent:
			// That the client has gone is noticed once its body is read.
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case b.Flood:
			w.Header().Set("Content-Type", "application/json")
			block := make([]byte, 64<<10)
			for range 128 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (i *Issuer) discovery(w http.ResponseWriter, r *http.Request) {
	if to := i.now().RedirectTo; to != "" {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"jwks_uri": i.URL + "/jwks", "userinfo_endpoint": i.URL + "/userinfo",
		"response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"authorization_response_iss_parameter_supported": true, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
	})
}

func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	target, parameters := i.respond(r.URL.Query())
	http.Redirect(w, r, target+"?"+parameters.Encode(), http.StatusFound)
}

// Authorize signs the person in without a browser and returns the callback and
// its parameters.
func (i *Issuer) Authorize(t testing.TB, authorizationURL string) (callback string, parameters url.Values) {
	t.Helper()
	u, err := url.Parse(authorizationURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != ClientID || q.Get("code_challenge_method") != "S256" || len(q.Get("nonce")) < 32 || len(q.Get("state")) < 32 {
		t.Fatalf("authorization request %s", authorizationURL)
	}
	return i.respond(q)
}

func (i *Issuer) respond(q url.Values) (string, url.Values) {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := url.Values{"state": {q.Get("state")}, "iss": {i.URL}}
	switch i.behaviour.Iss {
	case "":
	case "-":
		out.Del("iss")
	default:
		out.Set("iss", i.behaviour.Iss)
	}
	if i.behaviour.Error != "" {
		out.Set("error", i.behaviour.Error)
		return q.Get("redirect_uri"), out
	}
	code := uuid.NewString()
	i.grants[code] = grant{nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), redirectURI: q.Get("redirect_uri")}
	out.Set("code", code)
	return q.Get("redirect_uri"), out
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	// RFC 6749 §2.3.1: both are form-encoded first.
	id, secret, ok := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if !ok || id != ClientID || secret != ClientSecret {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	g, ok := i.grants[r.PostFormValue("code")]
	delete(i.grants, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || g.redirectURI != r.PostFormValue("redirect_uri") || base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "no such code"})
		return
	}
	i.redeemed++
	idToken, err := i.idToken(g)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": "an access token", "token_type": "Bearer", "expires_in": 300, "id_token": idToken})
}

func (i *Issuer) idToken(g grant) (string, error) {
	b := i.behaviour
	now := time.Now()
	claims := map[string]any{"iss": i.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": g.nonce}
	if b.UserInfoOnly {
		claims["sub"] = b.Person["sub"]
	} else {
		maps.Copy(claims, b.Person)
	}
	for name, value := range b.Change {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	if b.Unsigned {
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
		body, err := json.Marshal(claims)
		return head + "." + base64.RawURLEncoding.EncodeToString(body) + ".", err
	}
	key := i.key
	if b.ForeignKey {
		key = i.foreign
	}
	return jose.Sign(key, "JWT", claims, nil)
}

func (i *Issuer) userInfo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer an access token" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	b := i.now()
	claims := maps.Clone(b.Person)
	if b.UserInfoSubject != "" {
		claims["sub"] = b.UserInfoSubject
	}
	answer(w, http.StatusOK, claims)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // nobody is left to tell
}
