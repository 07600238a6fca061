package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse.example/internal/rbac"
)

// badBodies are what no endpoint may stumble over.
func badBodies() []struct{ name, contentType, body string } {
	deep := strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000)
	return []struct{ name, contentType, body string }{
		{"empty", "application/json", ""},
		{"truncated", "application/json", `{"email":"a`},
		{"wrong type", "application/json", `{"email":1,"name":[],"roles":{},"permission":7,"scopes":"x","query":3,"data":4,"title":{},"password":[1]}`},
		{"array", "application/json", `[1]`},
		{"null", "application/json", `null`},
		{"10 MB", "application/json", `{"email":"` + strings.Repeat("a", 10<<20) + `"}`},
		{"invalid UTF-8", "application/json", "{\"email\":\"\xff@example.com\",\"name\":\"\xff\",\"query\":\"\xff\"}"},
		{"NUL", "application/json", `{"email":"a\u0000@example.com","name":"\u0000","permission":"\u0000","query":"\u0000"}`},
		{"unknown members", "application/json", `{"colour":"red","__proto__":{"a":1}}`},
		{"twice", "application/json", `{"name":"a","name":"b","email":"a@example.com","email":"b@example.com"}`},
		{"deep", "application/json", deep},
		{"large number", "application/json", `{"overlap_seconds":1e999,"name":1e999}`},
		{"wrong content type", "text/plain", `{"email":"a@example.com"}`},
		{"no content type", "", `{"email":"a@example.com"}`},
		{"broken content type", `application/json; charset="`, `{}`},
		{"form", "application/x-www-form-urlencoded", "email=%ff&name=%zz&=&&password=" + strings.Repeat("p", 5000)},
		{"multipart", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na"},
		{"compressed", "application/json", "\x1f\x8b\x08\x00garbage"},
	}
}

// TestBadInputEverywhere sends what is wrong to every operation, as somebody
// who may call it: it is the sender's fault, and the answer says so.
func TestBadInputEverywhere(t *testing.T) {
	in := dev(t, dataFolder(t))
	table, err := rbac.Operations()
	if err != nil {
		t.Fatal(err)
	}
	person := in.register(t, "bad@example.com")
	in.signIn(t, person.browser, person.email, password)
	app := in.client(t, map[string]any{"name": "all", "type": "public", "redirect_uris": []string{redirectURI}, "scopes": strings.Fields(everyScope)}).ID
	own, admin := in.tokensFor(t, person, app, everyScope).AccessToken, in.adminToken(t)
	for _, o := range table {
		token := admin
		if o.Answers["client"] == "403" {
			token = own
		}
		path := strings.NewReplacer("{self}", "0190b8f0-0000-7000-8000-000000000000", "{id}", "0190b8f0-0000-7000-8000-000000000000", "{name}", "absent",
			"{namespace}", "absent", "{address}", "absent@example.com", "{provider}", "absent").Replace(o.Path)
		t.Run(o.Method+" "+strings.ReplaceAll(o.Path, "/", "|"), func(t *testing.T) {
			switch o.Method {
			case http.MethodPost, http.MethodPut, http.MethodPatch:
				for _, bad := range badBodies() {
					in.mustNotFail(t, o, path, token, bad.name, bad.contentType, bad.body)
				}
			}
			for _, query := range []string{"?limit=-1", "?limit=x&cursor=%ff", "?cursor=AAAA", "?status=%00&email=%ff&sort=x&ids=x&since=x", "?" + strings.Repeat("a=b&", 2000)} {
				in.mustNotFail(t, o, path+query, token, "query "+query[:min(len(query), 20)], "application/json", "")
			}
			for _, id := range []string{"%00", "%ff", "x", strings.Repeat("9", 3000), "..%2f..", "%F0%9F%92%A9", "'; DROP TABLE users; --"} {
				if !strings.Contains(o.Path, "{") {
					break
				}
				start, end := strings.IndexByte(o.Path, '{'), strings.IndexByte(o.Path, '}')
				odd := o.Path[:start] + strings.NewReplacer("'", "%27", ";", "%3B", " ", "%20").Replace(id) + o.Path[end+1:]
				in.mustNotFail(t, o, odd, token, "id "+id[:min(len(id), 8)], "application/json", "{}")
			}
		})
	}
}

// mustNotFail sends a request and wants no 5xx, and a problem for a refusal of
// the APIs.
func (in *installation) mustNotFail(t *testing.T, o rbac.Operation, path, token, what, contentType, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, o.Method, in.issuer+path, strings.NewReader(body))
	if err != nil {
		return // no client can send it
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if !strings.HasPrefix(path, "/oauth2/") {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("If-Match", `"0"`)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		// The gateway may answer and hang up while 10 MB are on their way.
		if len(body) < 1<<20 {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	defer res.Body.Close()
	media := res.Header.Get("Content-Type")
	switch {
	case res.StatusCode >= 500:
		text, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		t.Errorf("%s: %s %s", what, res.Status, text)
	case res.StatusCode == http.StatusTooManyRequests:
		time.Sleep(500 * time.Millisecond)
		in.mustNotFail(t, o, path, token, what, contentType, body)
	case res.StatusCode >= 400 && strings.HasPrefix(path, "/v1/") && media != "application/problem+json":
		t.Errorf("%s: %s with %s", what, res.Status, media)
	case res.StatusCode < 300 && (o.Method == http.MethodPost || o.Method == http.MethodPut) && strings.HasPrefix(path, "/v1/") && len(body) > 2 && strings.Contains(o.Path, "users"):
		t.Errorf("%s: it was taken: %s", what, res.Status)
	}
}
