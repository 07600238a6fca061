package app_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/auth/postgres"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// TestClientAuthentication is RFC 6749 §2.3: one method for each client.
func TestClientAuthentication(t *testing.T) {
	s := start(t)
	b := s.browser()
	machine := func(method string) registered {
		return s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read"],"token_endpoint_auth_method":"` + method + `"}`)
	}
	basicClient, postClient, public := machine("client_secret_basic"), machine("client_secret_post"), s.publicClient()
	form := func(kv ...string) url.Values {
		v := url.Values{"grant_type": {"client_credentials"}}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v
	}
	for name, test := range map[string]struct {
		form   url.Values
		header string
		status int
		code   string
	}{
		"basic":                              {form(), basic(basicClient.ClientID, basicClient.ClientSecret), 200, ""},
		"basic with the same id":             {form("client_id", basicClient.ClientID), basic(basicClient.ClientID, basicClient.ClientSecret), 200, ""},
		"post":                               {form("client_id", postClient.ClientID, "client_secret", postClient.ClientSecret), "", 200, ""},
		"basic of a post client":             {form(), basic(postClient.ClientID, postClient.ClientSecret), 401, "invalid_client"},
		"post of a basic client":             {form("client_id", basicClient.ClientID, "client_secret", basicClient.ClientSecret), "", 401, "invalid_client"},
		"none of a confidential one":         {form("client_id", basicClient.ClientID), "", 401, "invalid_client"},
		"secret of a public one":             {form("client_id", public.ClientID, "client_secret", "x"), "", 401, "invalid_client"},
		"wrong secret":                       {form(), basic(basicClient.ClientID, postClient.ClientSecret), 401, "invalid_client"},
		"unknown client":                     {form(), basic("nobody", "x"), 401, "invalid_client"},
		"both methods":                       {form("client_secret", "x"), basic(basicClient.ClientID, basicClient.ClientSecret), 400, "invalid_request"},
		"two ids":                            {form("client_id", postClient.ClientID), basic(basicClient.ClientID, basicClient.ClientSecret), 400, "invalid_request"},
		"nobody":                             {form(), "", 401, "invalid_client"},
		"an id that is not text":             {form(), basic("\xff\x00", "x"), 401, "invalid_client"},
		"bearer":                             {form(), "Bearer x", 401, "invalid_client"},
		"client credentials of a public one": {form("client_id", public.ClientID), "", 400, "unauthorized_client"},
	} {
		t.Run(name, func(t *testing.T) {
			var header []string
			if test.header != "" {
				header = []string{"Authorization", test.header}
			}
			resp := b.post("/oauth2/token", test.form, header...)
			var got tokens
			resp.into(t, &got)
			if resp.StatusCode != test.status || got.Error != test.code {
				t.Errorf("status %d, error %q; want %d, %q", resp.StatusCode, got.Error, test.status, test.code)
			}
			if test.status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("WWW-Authenticate: %q", resp.Header.Get("WWW-Authenticate"))
			}
			if resp.Header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be kept (RFC 6749 §5.1)")
			}
		})
	}
}

// TestTokenRequests sends what is no token request (RFC 6749 §3.2, §5.2).
func TestTokenRequests(t *testing.T) {
	s := start(t)
	b := s.browser()
	header := http.Header{"Authorization": {basic("bootstrap", "bootstrap-secret")}}
	send := func(contentType, body string) answer {
		h := header.Clone()
		h.Set("Content-Type", contentType)
		return b.do(http.MethodPost, "/oauth2/token", strings.NewReader(body), h)
	}
	const form = "application/x-www-form-urlencoded"
	for name, test := range map[string]struct {
		contentType, body string
		status            int
		code              string
	}{
		"JSON":          {"application/json", `{"grant_type":"client_credentials"}`, 400, "invalid_request"},
		"empty":         {form, "", 400, "invalid_request"},
		"twice":         {form, "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"},
		"no such grant": {form, "grant_type=password&username=a&password=b", 400, "unsupported_grant_type"},
		"implicit":      {form, "grant_type=implicit", 400, "unsupported_grant_type"},
		"bad escape":    {form, "grant_type=%zz", 400, "invalid_request"},
		"NUL":           {form, "grant_type=client_credentials&scope=%00", 400, "invalid_request"},
		"not UTF-8":     {form, "grant_type=client_credentials&scope=%ff", 400, "invalid_request"},
		"too large":     {form, "grant_type=client_credentials&x=" + strings.Repeat("x", 1<<20), 413, "invalid_request"},
		"charset":       {form + "; charset=UTF-8", "grant_type=client_credentials", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			resp := send(test.contentType, test.body)
			var got tokens
			resp.into(t, &got)
			if resp.StatusCode != test.status || got.Error != test.code {
				t.Errorf("status %d, error %q; want %d, %q", resp.StatusCode, got.Error, test.status, test.code)
			}
		})
	}
	b.get("/oauth2/token").want(t, http.StatusMethodNotAllowed)
}

// TestAdminScope is granted to marked clients by client_credentials alone.
func TestAdminScope(t *testing.T) {
	s := start(t)
	b := s.browser()
	ask := func(id, secret, scope string, status int) tokens {
		v := url.Values{"grant_type": {"client_credentials"}}
		if scope != "" {
			v.Set("scope", scope)
		}
		return b.redeem(v, status, "Authorization", basic(id, secret))
	}
	if got := ask("bootstrap", "bootstrap-secret", "admin", 200); got.Scope != "admin" || got.RefreshToken != "" {
		t.Errorf("bootstrap client: %+v", got)
	}
	if got := ask("bootstrap", "bootstrap-secret", "", 200); got.Scope != "admin" {
		t.Errorf("bootstrap client without scope: %+v", got)
	}
	if got := ask("bootstrap", "bootstrap-secret", "users:read", 200); got.Scope != "users:read" {
		t.Errorf("bootstrap client with less: %+v", got)
	}
	ask("bootstrap", "bootstrap-secret", "users:impersonate", 400)
	plain := s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read"]}`)
	ask(plain.ClientID, plain.ClientSecret, "admin", 400)
	if got := ask(plain.ClientID, plain.ClientSecret, "admin users:read users:write", 200); got.Scope != "users:read" {
		t.Errorf("plain client: %+v", got)
	}
	if got := ask(plain.ClientID, plain.ClientSecret, "", 200); got.Scope != "users:read" {
		t.Errorf("plain client without scope: %+v", got)
	}
	marked := s.register(`{"name":"m","type":"confidential","grant_types":["client_credentials"],"scopes":[],"admin":true}`)
	if got := ask(marked.ClientID, marked.ClientSecret, "admin", 200); got.Scope != "admin" {
		t.Errorf("marked client: %+v", got)
	}
	helper := identity.Principal{Kind: identity.KindClient, Subject: plain.ClientID, ClientID: plain.ClientID, Scopes: []string{"clients:write"}}
	s.call(helper, "POST", "/v1/clients", `{"name":"x","type":"confidential","grant_types":["client_credentials"],"scopes":["clients:write"],"admin":true}`).want(t, 422)
	s.call(helper, "POST", "/v1/clients", `{"name":"x","type":"confidential","grant_types":["client_credentials"],"scopes":["users:write"]}`).want(t, 422)
	s.call(helper, "POST", "/v1/clients", `{"name":"x","type":"confidential","grant_types":["client_credentials"],"scopes":["admin"]}`).want(t, 422)
	s.call(helper, "POST", "/v1/clients", `{"name":"x","type":"confidential","grant_types":["client_credentials"],"scopes":["clients:write"]}`).want(t, 201)
}

// TestIntrospectionAndRevocation is RFC 7662 and RFC 7009.
func TestIntrospectionAndRevocation(t *testing.T) {
	s := start(t)
	web := s.register(`{"name":"web","type":"confidential","redirect_uris":["` + callback + `"],"grant_types":["authorization_code","refresh_token"],"scopes":["openid","users:read"]}`)
	other := s.register(`{"name":"other","type":"confidential","grant_types":["client_credentials"],"scopes":["users:read"]}`)
	account, b := s.person("ada@example.com", "admin")
	header := []string{"Authorization", basic(web.ClientID, web.ClientSecret)}
	got := b.redeem(codeForm(web.ClientID, b.code(web.ClientID)), 200, header...)
	ask := func(token string, header ...string) map[string]any {
		var answer map[string]any
		b.post("/oauth2/introspect", url.Values{"token": {token}}, header...).want(t, 200).into(t, &answer)
		return answer
	}
	active := ask(got.AccessToken, header...)
	if active["active"] != true || active["sub"] != account.ID || active["client_id"] != web.ClientID || active["scope"] != "openid users:read" || !slices.Equal(active["roles"].([]any), []any{"admin"}) {
		t.Errorf("introspection: %v", active)
	}
	if r := ask(got.RefreshToken, header...); r["active"] != true || r["token_type"] != "refresh_token" {
		t.Errorf("introspection of the refresh token: %v", r)
	}
	for name, r := range map[string]map[string]any{
		"another client":          ask(got.AccessToken, "Authorization", basic(other.ClientID, other.ClientSecret)),
		"another client, refresh": ask(got.RefreshToken, "Authorization", basic(other.ClientID, other.ClientSecret)),
		"ID token":                ask(got.IDToken, header...),
		"nonsense":                ask("x", header...),
	} {
		if len(r) != 1 || r["active"] != false {
			t.Errorf("%s: %v", name, r)
		}
	}
	b.post("/oauth2/introspect", url.Values{"token": {got.AccessToken}}).want(t, 401)
	b.post("/oauth2/introspect", url.Values{"token": {got.AccessToken}, "client_id": {s.publicClient().ClientID}}).want(t, 400)

	b.post("/oauth2/revoke", url.Values{"token": {got.AccessToken}}, header...).want(t, 200)
	if r := ask(got.AccessToken, header...); r["active"] != false {
		t.Error("a revoked access token is active")
	}
	again := b.redeem(refreshForm(web.ClientID, got.RefreshToken), 200, header...)
	b.post("/oauth2/revoke", url.Values{"token": {again.RefreshToken}, "token_type_hint": {"access_token"}}, header...).want(t, 200)
	b.redeem(refreshForm(web.ClientID, again.RefreshToken), 400, header...)
	if r := ask(again.AccessToken, header...); r["active"] != false {
		t.Error("the access token outlives its revoked refresh token")
	}
	b.post("/oauth2/revoke", url.Values{"token": {"x"}}, header...).want(t, 200)
	b.post("/oauth2/revoke", nil, header...).want(t, 400)

	expired := b.redeem(codeForm(web.ClientID, b.code(web.ClientID)), 200, header...)
	s.advance(6 * time.Minute)
	if r := ask(expired.AccessToken, header...); r["active"] != false {
		t.Error("an expired access token is active")
	}
}

// TestClientsAPI walks /v1/clients and sends it what it must refuse.
func TestClientsAPI(t *testing.T) {
	s := start(t)
	nobody := identity.Principal{}
	if resp := s.call(nobody, "GET", "/v1/clients", "").want(t, 401); resp.Header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	s.call(nobody, "GET", "/v1/keys", "").want(t, 401)
	s.call(operator(), "GET", "/v1/nothing", "").want(t, 404)
	reader := identity.Principal{Kind: identity.KindClient, Subject: "r", ClientID: "r", Scopes: []string{"users:read"}}
	s.call(reader, "POST", "/v1/clients", `{}`).want(t, 403)
	plainAdmin := identity.Principal{Kind: identity.KindUser, Subject: "u", ClientID: "c", Scopes: []string{"clients:write"}}
	s.call(plainAdmin, "POST", "/v1/clients", `{}`).want(t, 403)

	for body, want := range map[string]struct {
		status  int
		pointer string
	}{
		``:                        {415, ""},
		`{`:                       {400, ""},
		`[]`:                      {422, ""},
		`{"name":1}`:              {422, "/name"},
		`{"name":"x","nmae":"y"}`: {422, "/nmae"},
		`{"name":"x","name":"y","redirect_uris":["https://a.b/"]}`: {400, "/name"},
		`{"name":"","redirect_uris":["https://a.example/cb"]}`:     {422, "/name"},
		`{"name":"x"}`: {422, "/redirect_uris"},
		`{"name":"x","redirect_uris":["http://a.example/"]}`:                                                               {422, "/redirect_uris/0"},
		`{"name":"x","redirect_uris":["https://a.example/#f"]}`:                                                            {422, "/redirect_uris/0"},
		`{"name":"x","redirect_uris":["https://*.example/"]}`:                                                              {422, "/redirect_uris/0"},
		`{"name":"x","redirect_uris":["javascript:alert(1)"]}`:                                                             {422, "/redirect_uris/0"},
		`{"name":"x","redirect_uris":["https://u:p@a.example/"]}`:                                                          {422, "/redirect_uris/0"},
		`{"name":"x","redirect_uris":"https://a.example/"}`:                                                                {422, "/redirect_uris"},
		`{"name":"x","type":"secret","redirect_uris":["https://a.b/"]}`:                                                    {422, "/type"},
		`{"name":"x","type":"public","grant_types":["client_credentials"]}`:                                                {422, "/grant_types/0"},
		`{"name":"x","grant_types":["password"]}`:                                                                          {422, "/grant_types/0"},
		`{"name":"x","type":"public","redirect_uris":["https://a.b/"],"token_endpoint_auth_method":"client_secret_basic"}`: {422, "/token_endpoint_auth_method"},
		`{"name":"x","redirect_uris":["https://a.b/"],"scopes":["a b"]}`:                                                   {422, "/scopes/0"},
	} {
		resp := s.call(operator(), "POST", "/v1/clients", body)
		if resp.StatusCode != want.status || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: status %d, want %d: %s", body, resp.StatusCode, want.status, resp.body)
		}
		if want.pointer != "" && !strings.Contains(resp.body, `"pointer":"`+want.pointer+`"`) {
			t.Errorf("%s: no pointer %s in %s", body, want.pointer, resp.body)
		}
	}
	var ids []string
	for range 3 {
		ids = append(ids, s.publicClient().ClientID)
	}
	type list struct {
		Items []struct {
			ClientID     string  `json:"client_id"`
			ClientSecret *string `json:"client_secret"`
		} `json:"items"`
		NextCursor *string `json:"next_cursor"`
	}
	var first, second list
	s.call(operator(), "GET", "/v1/clients?limit=2", "").want(t, 200).into(t, &first)
	if len(first.Items) != 2 || first.NextCursor == nil {
		t.Fatalf("first page: %+v", first)
	}
	s.call(operator(), "GET", "/v1/clients?limit=2&cursor="+*first.NextCursor, "").want(t, 200).into(t, &second)
	if len(second.Items) != 1 || second.NextCursor != nil || second.Items[0].ClientID != ids[2] {
		t.Errorf("second page: %+v", second)
	}
	s.call(operator(), "GET", "/v1/clients?limit=x", "").want(t, 400)
	s.call(operator(), "GET", "/v1/clients?cursor=%21", "").want(t, 400)
	s.call(operator(), "GET", "/v1/clients/"+ids[0], "").want(t, 200)
	s.call(operator(), "GET", "/v1/clients/nobody", "").want(t, 404)
	s.call(operator(), "GET", "/v1/clients/%00", "").want(t, 404)
	s.call(operator(), "GET", "/v1/clients/%ff", "").want(t, 404)
	s.call(operator(), "DELETE", "/v1/clients/%00", "").want(t, 404)
	s.call(operator(), "DELETE", "/v1/clients/"+ids[0], "").want(t, 204)
	s.call(operator(), "DELETE", "/v1/clients/"+ids[0], "").want(t, 404)
	s.call(operator(), "PUT", "/v1/clients/"+ids[1], "{}").want(t, 405)
}

// TestDeletedClient loses its tokens.
func TestDeletedClient(t *testing.T) {
	s := start(t)
	client := s.publicClient()
	_, b := s.person("ada@example.com")
	got := b.tokens(client.ClientID)
	s.call(operator(), "DELETE", "/v1/clients/"+client.ClientID, "").want(t, 204)
	b.redeem(refreshForm(client.ClientID, got.RefreshToken), 401)
	b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}}).want(t, 401)
	// Its tokens for itself are stored nowhere: gateways refuse them by its id.
	var until time.Time
	if err := s.db.Pool.QueryRow(t.Context(), `SELECT (event->'data'->>'until')::timestamptz FROM outbox WHERE type = $1 AND event->'data'->>'kind' = 'client' AND event->'data'->>'id' = $2`,
		postgres.TypeRevoked, client.ClientID).Scan(&until); err != nil || until.Before(s.now().Add(4*time.Minute)) {
		t.Errorf("gateways refuse the client until %s (%v)", until, err)
	}

	// A client without refresh tokens has no family that would end.
	plain := s.register(`{"name":"plain","type":"public","redirect_uris":["` + callback + `"],"grant_types":["authorization_code"],"scopes":["openid","profile"]}`)
	got = b.tokens(plain.ClientID, "scope", "openid")
	userinfo := func() answer {
		return b.do(http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + got.AccessToken}})
	}
	userinfo().want(t, 200)
	s.call(operator(), "DELETE", "/v1/clients/"+plain.ClientID, "").want(t, 204)
	userinfo().want(t, 401)
}
