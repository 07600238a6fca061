package capability

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	filterv1 "gatehouse.example/pluginspec/filter/v1"
)

const opaque = "2YotnFZFEjr1zCsicMWpAA"

// asking is a verifier that asks a provider about opaque tokens.
type asking struct {
	*verifying
	idp    *provider
	secret string // its file
	text   string
}

func newAsking(t *testing.T, more string) *asking {
	a := &asking{verifying: newVerifying(t), idp: newProvider(t), secret: filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(a.secret, []byte("s:cr&t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.text = fmt.Sprintf(`{"issuers":[{"issuer":"urn:idp","audience":["shop"],"introspection":{"endpoint":"%s/introspect","client_id":"gate way","client_secret_file":%q%s}}],"claims":["tenant"]}`,
		a.idp.URL, a.secret, more)
	return a
}

func (a *asking) answers(status int, format string, args ...any) {
	body := fmt.Sprintf(format, args...)
	a.idp.mu.Lock()
	defer a.idp.mu.Unlock()
	a.idp.answer = func(*http.Request) (int, string) { return status, body }
}

func (a *asking) wantAsked(want int64) {
	a.t.Helper()
	if got := a.idp.asked.Load(); got != want {
		a.t.Errorf("asked %d times, want %d", got, want)
	}
}

func TestIntrospection(t *testing.T) {
	a := newAsking(t, "")
	p := a.policy("%s", a.text)
	a.idp.answer = func(r *http.Request) (int, string) {
		user, password, _ := r.BasicAuth()
		if user != "gate+way" || password != "s%3Acr%26t" || r.Method != http.MethodPost || r.PostFormValue("token") != opaque || r.PostFormValue("token_type_hint") != "access_token" {
			return http.StatusUnauthorized, ""
		}
		return 200, fmt.Sprintf(`{"active":true,"scope":"users:read admin","client_id":"app","sub":"ada","aud":["x","shop"],"iss":"urn:idp","exp":%d,"tenant":"acme"}`, a.now().Add(time.Hour).Unix())
	}
	c := a.use(p, opaque, filterv1.StatusOK)
	if c == nil {
		return
	}
	if pr := c.Principal; pr.Issuer != "urn:idp" || pr.Subject != "ada" || pr.ClientID != "app" || !pr.HasScope("users:read") || pr.HasScope("users:write") || pr.Expires.IsZero() || c.Claims["tenant"] != "acme" {
		t.Errorf("%+v", c)
	}
	a.use(p, opaque, filterv1.StatusOK)
	a.wantAsked(1)
	a.advance(31 * time.Second)
	a.use(p, opaque, filterv1.StatusOK)
	a.wantAsked(2)
	// A secret is rotated in its file.
	if err := os.WriteFile(a.secret, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.advance(31 * time.Second)
	a.use(p, opaque, filterv1.StatusUnavailable)
	// What cannot be a token is not asked about.
	a.use(p, "no token", filterv1.StatusInvalid)
	a.use(p, "=", filterv1.StatusInvalid)
	a.use(p, strings.Repeat("x", maxOpaqueBytes+1), filterv1.StatusInvalid)
	a.wantAsked(3)
}

func TestIntrospectionAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   filterv1.Status
	}{
		"inactive":              {200, `{"active":false}`, filterv1.StatusInvalid},
		"active as a text":      {200, `{"active":"true","sub":"ada","aud":"shop"}`, filterv1.StatusInvalid},
		"nothing":               {200, `{}`, filterv1.StatusInvalid},
		"another audience":      {200, `{"active":true,"sub":"ada","aud":"mall"}`, filterv1.StatusInvalid},
		"no audience":           {200, `{"active":true,"sub":"ada"}`, filterv1.StatusInvalid},
		"another issuer":        {200, `{"active":true,"sub":"ada","aud":"shop","iss":"urn:other"}`, filterv1.StatusInvalid},
		"expired":               {200, `{"active":true,"sub":"ada","aud":"shop","exp":1}`, filterv1.StatusExpired},
		"not yet":               {200, `{"active":true,"sub":"ada","aud":"shop","nbf":9999999999}`, filterv1.StatusInvalid},
		"nobody":                {200, `{"active":true,"aud":"shop"}`, filterv1.StatusInvalid},
		"only a client":         {200, `{"active":true,"aud":"shop","client_id":"app"}`, filterv1.StatusOK},
		"without an end":        {200, `{"active":true,"aud":"shop","sub":"ada"}`, filterv1.StatusOK},
		"refresh token":         {200, `{"active":true,"sub":"ada","aud":"shop","token_type":"refresh_token"}`, filterv1.StatusInvalid},
		"Keycloak's refresh":    {200, `{"active":true,"sub":"ada","aud":"shop","typ":"Refresh"}`, filterv1.StatusInvalid},
		"bound":                 {200, `{"active":true,"sub":"ada","aud":"shop","cnf":{"jkt":"x"}}`, filterv1.StatusForbidden},
		"DPoP":                  {200, `{"active":true,"sub":"ada","aud":"shop","token_type":"DPoP"}`, filterv1.StatusForbidden},
		"not JSON":              {200, `<html>`, filterv1.StatusUnavailable},
		"claims of odd types":   {200, `{"active":true,"sub":7,"aud":"shop"}`, filterv1.StatusUnavailable},
		"too long":              {200, `{"active":true,"x":"` + strings.Repeat("x", maxDocumentBytes) + `"}`, filterv1.StatusUnavailable},
		"our client is refused": {401, `{"error":"invalid_client"}`, filterv1.StatusUnavailable},
		"broken":                {500, ``, filterv1.StatusUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsking(t, "")
			a.answers(c.status, "%s", c.body)
			a.use(a.policy("%s", a.text), opaque, c.want)
		})
	}
	a := newAsking(t, `,"allow_no_audience":true`)
	a.answers(200, `{"active":true,"sub":"ada"}`)
	a.use(a.policy("%s", a.text), opaque, filterv1.StatusOK)
}

// TestIntrospectionIsRemembered never past a token's end, and a refusal for a
// few seconds.
func TestIntrospectionIsRemembered(t *testing.T) {
	a := newAsking(t, `,"cache":"5m"`)
	p := a.policy("%s", a.text)
	a.answers(200, `{"active":true,"sub":"ada","aud":"shop","exp":%d}`, a.now().Add(20*time.Second).Unix())
	a.use(p, opaque, filterv1.StatusOK)
	a.advance(10 * time.Second)
	a.use(p, opaque, filterv1.StatusOK)
	a.wantAsked(1)
	a.advance(16 * time.Second)
	a.use(p, opaque, filterv1.StatusExpired)
	a.wantAsked(2)

	a.answers(200, `{"active":false}`)
	a.use(p, opaque+"2", filterv1.StatusInvalid)
	a.use(p, opaque+"2", filterv1.StatusInvalid)
	a.wantAsked(3)
	a.advance(6 * time.Second)
	a.use(p, opaque+"2", filterv1.StatusInvalid)
	a.wantAsked(4)

	never := newAsking(t, `,"cache":"0s"`)
	p = never.policy("%s", never.text)
	never.answers(200, `{"active":true,"sub":"ada","aud":"shop"}`)
	never.use(p, opaque, filterv1.StatusOK)
	never.use(p, opaque, filterv1.StatusOK)
	never.answers(200, `{"active":false}`)
	never.use(p, opaque, filterv1.StatusInvalid)
	never.answers(200, `{"active":true,"sub":"ada","aud":"shop"}`)
	never.use(p, opaque, filterv1.StatusOK)
	never.wantAsked(4)
}

// TestIntrospectionAsksOnceForMany, and who hangs up spoils nothing.
func TestIntrospectionAsksOnceForMany(t *testing.T) {
	a := newAsking(t, "")
	p := a.policy("%s", a.text)
	release := make(chan struct{})
	a.idp.answer = func(*http.Request) (int, string) {
		<-release
		return 200, `{"active":true,"sub":"ada","aud":"shop"}`
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, refusal := a.Verify(ctx, p, opaque); refusal == nil || refusal.Status != filterv1.StatusUnavailable {
		t.Errorf("who cannot wait: %+v", refusal)
	}
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() { a.use(p, opaque, filterv1.StatusOK) })
	}
	time.Sleep(10 * time.Millisecond)
	close(release)
	waiting.Wait()
	a.wantAsked(1)
}

// TestIntrospectionLeavesABrokenEndpointAlone for a while.
func TestIntrospectionLeavesABrokenEndpointAlone(t *testing.T) {
	a := newAsking(t, "")
	p := a.policy("%s", a.text)
	a.answers(503, "")
	for i := range 50 {
		a.use(p, fmt.Sprint(opaque, i), filterv1.StatusUnavailable)
	}
	a.wantAsked(patienceFailures)
	a.answers(200, `{"active":true,"sub":"ada","aud":"shop"}`)
	a.advance(maxPause)
	a.use(p, opaque, filterv1.StatusOK)
}

// TestQuestionsAreBounded: each made-up token is a question.
func TestQuestionsAreBounded(t *testing.T) {
	a := newAsking(t, "")
	p := a.policy("%s", a.text)
	release := make(chan struct{})
	var mu sync.Mutex
	most, now := 0, 0
	a.idp.answer = func(*http.Request) (int, string) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-release
		mu.Lock()
		now--
		mu.Unlock()
		return 200, `{"active":false}`
	}
	var waiting sync.WaitGroup
	for i := range maxQuestions {
		waiting.Go(func() { a.use(p, fmt.Sprint(opaque, i), filterv1.StatusInvalid) })
	}
	for a.idp.asked.Load() < maxQuestions {
		time.Sleep(time.Millisecond)
	}
	// The others are told at once, while nobody answers.
	for i := range 2 * maxQuestions {
		a.use(p, fmt.Sprint(opaque, maxQuestions+i), filterv1.StatusUnavailable)
	}
	close(release)
	waiting.Wait()
	if most > maxQuestions {
		t.Errorf("%d questions at once", most)
	}
}

// TestWhichTokensAreAskedAbout: JWTs only where the issuer has no keys here,
// and only of that issuer.
func TestWhichTokensAreAskedAbout(t *testing.T) {
	a := newAsking(t, "")
	a.answers(200, `{"active":true,"sub":"ada","aud":"shop"}`)
	without := a.policy("%s", a.text)
	stranger := newES256(t)
	a.use(without, a.token(stranger, "urn:idp"), filterv1.StatusOK)
	a.use(without, a.token(stranger, "urn:other"), filterv1.StatusInvalid)
	a.wantAsked(1)

	with := a.policy("%s", strings.Replace(a.text, `"audience"`, fmt.Sprintf(`"jwks_uri":"%s/jwks","audience"`, a.idp.URL), 1))
	a.use(with, a.token(a.idp.keys[0], "urn:idp"), filterv1.StatusOK)
	a.use(with, a.token(stranger, "urn:idp"), filterv1.StatusInvalid)
	a.wantAsked(1)
	a.use(with, opaque, filterv1.StatusOK)
	a.use(with, "five.parts.make.a.jwe", filterv1.StatusOK)
	a.wantAsked(3)

	twice := strings.Replace(a.text, `"issuers":[`, `"issuers":[`+strings.TrimSuffix(strings.TrimPrefix(strings.Replace(a.text, "urn:idp", "urn:b", 1), `{"issuers":[`), `],"claims":["tenant"]}`)+`,`, 1)
	if _, err := a.Policy([]byte(twice), []byte(twice)); err == nil || !strings.Contains(err.Error(), "issuers/1/introspection: another issuer has it already") {
		t.Errorf("two endpoints for opaque tokens: %v", err)
	}
}

func TestEmptySecretIsAMistake(t *testing.T) {
	a := newAsking(t, "")
	if err := os.WriteFile(a.secret, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Policy([]byte(a.text), []byte(a.text)); err == nil || !strings.Contains(err.Error(), "issuers/0/introspection/client_secret_file: ") {
		t.Error(err)
	}
}

func TestIsJWS(t *testing.T) {
	v := newVerifying(t)
	for token, want := range map[string]bool{
		v.token(v.own, ownIssuer): true, "YQ.YQ.YQ": true,
		"": false, "YQ": false, "YQ.YQ": false, "YQ.YQ.": false, "YQ.YQ.YQ.YQ": false, "a+b.YQ.YQ": false, opaque: false,
	} {
		if isJWS(token) != want {
			t.Errorf("%q: %v", token, !want)
		}
	}
}
