package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse.example/internal/identity"
	"gatehouse.example/services/email"
)

var sender = identity.Principal{Kind: identity.KindClient, Subject: "shop", ClientID: "shop", Scopes: []string{"messages:send", "messages:read"}}

// do sends a JSON body with further headers: names and values in turn.
func do(t *testing.T, h http.Handler, p identity.Principal, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, reader)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(identity.WithPrincipal(context.Background(), p)))
	return w
}

type message struct {
	ID, Template, Locale, Recipient, State, Reason string
	UserID                                         string `json:"user_id"`
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return v
}

const toAda = `{"template":"notice","user_id":"` + ada + `","data":{"title":"Hi","text":"one\ntwo"}}`

func TestSend(t *testing.T) {
	f := newHandler(t, 0)
	w := do(t, f, sender, "POST", "/v1/messages", toAda)
	m := decode[message](t, w)
	if w.Code != 202 || m.State != "queued" || m.UserID != ada || m.Recipient != "" || w.Header().Get("Location") != "/v1/messages/"+m.ID {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	stored, err := f.store.ByID(t.Context(), m.ID)
	if err != nil || !stored.AddressOfAccount || stored.Data["text"] != "one\ntwo" || strings.Contains(w.Body.String(), "one") {
		t.Errorf("stored %+v, %v", stored, err)
	}
	w = do(t, f, sender, "POST", "/v1/messages", `{"template":"notice","to":"bob@example.com","locale":"de-AT","data":{"title":"Hi","text":"x","link":"https://x.example/y?z=1"}}`)
	if m := decode[message](t, w); w.Code != 202 || m.Recipient != "bob@example.com" || m.Locale != "de-AT" {
		t.Errorf("to an address: %d %s", w.Code, w.Body)
	}
	if again := decode[message](t, do(t, f, sender, "POST", "/v1/messages", toAda)); again.ID == m.ID {
		t.Error("without a key, a second request is the first")
	}
	// While the user service is away, the sender asks later.
	away := newAPI(t, f.db, nil)
	if w := do(t, away, sender, "POST", "/v1/messages", toAda); w.Code != 202 {
		t.Errorf("user away: %d %s", w.Code, w.Body)
	}
	var page struct{ Items []message }
	if err := json.Unmarshal(get(t, f, reader, "/v1/messages?template=notice&user_id="+ada+"&state=queued").Body.Bytes(), &page); err != nil || len(page.Items) != 3 {
		t.Errorf("list: %+v, %v", page, err)
	}
}

func TestSendAccess(t *testing.T) {
	f := newHandler(t, 0)
	user := func(permissions ...string) identity.Principal {
		return identity.Principal{Kind: identity.KindUser, Subject: ada, Scopes: []string{"messages:send"}, Roles: []string{"user"}, Permissions: permissions}
	}
	for name, test := range map[string]struct {
		principal identity.Principal
		want      int
	}{
		"nobody":                       {identity.Principal{}, 401},
		"reader":                       {reader, 403},
		"user without the permission":  {user(), 403},
		"user with another permission": {user("messages:read"), 403},
		"user with the permission":     {user("messages:send"), 202},
		"a service":                    {identity.Principal{Kind: identity.KindService, Subject: "auth", Scopes: []string{"admin"}}, 403},
		"client with the scope":        {sender, 202},
	} {
		if w := do(t, f, test.principal, "POST", "/v1/messages", toAda); w.Code != test.want {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, test.want, w.Body)
		}
		if test.want >= 400 {
			for _, other := range []string{"POST /v1/messages/suppressions", "DELETE /v1/messages/suppressions/a@example.com", "POST /v1/messages/" + uuid.NewString() + "/resend"} {
				method, path, _ := strings.Cut(other, " ")
				if w := do(t, f, test.principal, method, path, `{"address":"a@example.com"}`); w.Code != test.want {
					t.Errorf("%s: %s: %d", name, other, w.Code)
				}
			}
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	f := newHandler(t, 0)
	var mu sync.Mutex
	var codes []int
	ids := map[string]bool{}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			w := do(t, f, sender, "POST", "/v1/messages", toAda, "Idempotency-Key", "order-1")
			mu.Lock()
			defer mu.Unlock()
			codes = append(codes, w.Code)
			ids[decode[message](t, w).ID] = true
		})
	}
	wg.Wait()
	slices.Sort(codes)
	if want := []int{200, 200, 200, 200, 200, 202}; !slices.Equal(codes, want) || len(ids) != 1 {
		t.Errorf("codes %v, ids %v", codes, ids)
	}
	// Another order of the members is the same request.
	same := `{"data":{"text":"one\ntwo","title":"Hi"},"user_id":"` + ada + `","template":"notice"}`
	if w := do(t, f, sender, "POST", "/v1/messages", same, "Idempotency-Key", "order-1"); w.Code != 200 {
		t.Errorf("the same in another order: %d %s", w.Code, w.Body)
	}
	w := do(t, f, sender, "POST", "/v1/messages", strings.Replace(toAda, "Hi", "Ho", 1), "Idempotency-Key", "order-1")
	if w.Code != 422 || !strings.Contains(w.Body.String(), "idempotency_key_reused") {
		t.Errorf("another body: %d %s", w.Code, w.Body)
	}
	// The keys of one actor are none of another's.
	for _, other := range []identity.Principal{
		{Kind: identity.KindClient, Subject: "other", Scopes: []string{"messages:send"}},
		{Kind: identity.KindUser, Subject: "shop", Scopes: []string{"messages:send"}, Permissions: []string{"messages:send"}},
	} {
		if w := do(t, f, other, "POST", "/v1/messages", toAda, "Idempotency-Key", "order-1"); w.Code != 202 || ids[decode[message](t, w).ID] {
			t.Errorf("another actor's: %d %s", w.Code, w.Body)
		}
	}
	for _, key := range []string{"", "two words", strings.Repeat("k", 256), "ü"} {
		if w := do(t, f, sender, "POST", "/v1/messages", toAda, "Idempotency-Key", key); w.Code != 400 {
			t.Errorf("key %q: %d", key, w.Code)
		}
	}
}

func TestSendRefuses(t *testing.T) {
	f := newHandler(t, 0)
	with := func(data string) string { return `{"template":"notice","to":"a@example.com","data":` + data + `}` }
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"empty", "", 400, "invalid_json"},
		{"truncated", toAda[:40], 400, "invalid_json"},
		{"two", toAda + toAda, 400, "invalid_json"},
		{"no object", `[]`, 422, ""},
		{"null", `null`, 422, "/template"},
		{"no members", `{}`, 422, "/template"},
		{"unknown member", `{"template":"notice","cc":"x"}`, 422, "/cc"},
		{"member twice", `{"template":"notice","template":"notice"}`, 400, "/template"},
		{"wrong type", `{"template":7}`, 422, "/template"},
		{"wrong type within", with(`{"title":7}`), 422, "/data/title"},
		{"invalid UTF-8", with("{\"title\":\"\xff\"}"), 400, "invalid_json"},
		{"zero byte", with(`{"title":"a\u0000","text":"x"}`), 422, "/data/title"},
		{"line break in the subject", with(`{"title":"a\r\nBcc: eve@example.com","text":"x"}`), 422, "/data/title"},
		{"carriage return", with(`{"title":"a","text":"x\r\ny"}`), 422, "/data/text"},
		{"missing", with(`{"title":"a","text":" "}`), 422, "/data/text"},
		{"unknown variable", with(`{"title":"a","text":"x","~/":"b"}`), 422, "/data/~0~1"},
		{"too long", with(`{"title":"` + strings.Repeat("ä", 151) + `","text":"x"}`), 422, "150 characters"},
		{"script", with(`{"title":"a","text":"x","link":"javascript:alert(1)"}`), 422, "/data/link"},
		{"relative link", with(`{"title":"a","text":"x","link":"//evil.example"}`), 422, "/data/link"},
		{"link with a password", with(`{"title":"a","text":"x","link":"https://id.example.com@evil.example"}`), 422, "/data/link"},
		{"unknown template", `{"template":"no_such","to":"a@example.com"}`, 422, "clients may send: notice"},
		{"security template", `{"template":"verify_email","to":"a@example.com"}`, 422, "clients may send: notice"},
		{"template with a zero", `{"template":"notice\u0000","to":"a@example.com"}`, 422, "/template"},
		{"nobody", `{"template":"notice","data":{"title":"a","text":"x"}}`, 422, "either user_id or to"},
		{"both", `{"template":"notice","to":"a@example.com","user_id":"` + ada + `","data":{"title":"a","text":"x"}}`, 422, "either user_id or to"},
		{"no address", `{"template":"notice","to":"Ada <a@example.com>"}`, 422, "/to"},
		{"two addresses", `{"template":"notice","to":"a@example.com,b@example.com"}`, 422, "/to"},
		{"header in the address", `{"template":"notice","to":"a@example.com\r\nBcc: eve@example.com"}`, 422, "/to"},
		{"no UUID", `{"template":"notice","user_id":"ada"}`, 422, "/user_id"},
		{"another form of UUID", `{"template":"notice","user_id":"{` + ada + `}"}`, 422, "/user_id"},
		{"unknown user", `{"template":"notice","user_id":"` + uuid.NewString() + `"}`, 422, "no such user"},
		{"locale", `{"template":"notice","to":"a@example.com","locale":"../en"}`, 422, "/locale"},
		{"huge", `{"template":"` + strings.Repeat("x", 10<<20) + `"}`, 413, "body_too_large"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := do(t, f, sender, "POST", "/v1/messages", test.body)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d, want %d and %q: %.300s", w.Code, test.status, test.want, w.Body)
			}
			if w := do(t, f, sender, "POST", "/v1/messages/suppressions", test.body); w.Code < 400 || w.Code >= 500 {
				t.Errorf("as a suppression: %d", w.Code)
			}
		})
	}
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", ";", "application/json-patch+json"} {
		if w := do(t, f, sender, "POST", "/v1/messages", toAda, "Content-Type", media); w.Code != 415 {
			t.Errorf("content type %q: %d", media, w.Code)
		}
	}
	if page := get(t, f, reader, "/v1/messages").Body.String(); page != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("something was queued: %s", page)
	}
}

func TestMethods(t *testing.T) {
	f := newHandler(t, 0)
	for path, allow := range map[string]string{
		"/v1/messages": "GET, HEAD, POST", "/v1/messages/" + ada: "GET, HEAD", "/v1/messages/" + ada + "/resend": "POST",
		"/v1/messages/suppressions": "GET, HEAD, POST", "/v1/messages/suppressions/a@b": "DELETE", "/v1/templates": "GET, HEAD",
	} {
		w := do(t, f, sender, "PUT", path, "{}")
		if w.Code != 405 || w.Header().Get("Allow") != allow || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("PUT %s: %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
	if w := do(t, f, sender, "PUT", "/v1/nothing", "{}"); w.Code != 404 {
		t.Errorf("elsewhere: %d", w.Code)
	}
}

func TestResend(t *testing.T) {
	f := newHandler(t, 0)
	end := func(o email.Outcome) {
		t.Helper()
		now := time.Now().Add(time.Minute)
		claimed, err := f.store.Claim(t.Context(), 1, now, now.Add(time.Minute))
		if err != nil || len(claimed) != 1 {
			t.Fatalf("claim: %v, %v", claimed, err)
		}
		o.At = now
		if err := f.store.Finish(t.Context(), claimed[0], o); err != nil {
			t.Fatal(err)
		}
	}
	m := decode[message](t, do(t, f, sender, "POST", "/v1/messages", toAda))
	path := "/v1/messages/" + m.ID + "/resend"
	if w := do(t, f, sender, "POST", path, ""); w.Code != 409 || !strings.Contains(w.Body.String(), "not_resendable") {
		t.Errorf("queued: %d %s", w.Code, w.Body)
	}
	end(email.Outcome{State: email.StateSuppressed, Recipient: "ada@example.com", Reason: "address_suppressed: manual"})
	if w := do(t, f, sender, "POST", "/v1/messages/suppressions", `{"address":"ADA@example.com"}`); w.Code != 201 {
		t.Fatalf("suppress: %d %s", w.Code, w.Body)
	}
	if w := do(t, f, sender, "POST", path, ""); w.Code != 409 || !strings.Contains(w.Body.String(), "address_suppressed") {
		t.Errorf("suppressed: %d %s", w.Code, w.Body)
	}
	// The account has another address by now.
	f.users[ada] = email.Account{Email: "new@example.com"}
	if w := do(t, f, sender, "POST", path, ""); w.Code != 202 {
		t.Errorf("another address: %d %s", w.Code, w.Body)
	}
	f.users[ada] = email.Account{Email: "ada@example.com"}
	end(email.Outcome{State: email.StateFailed, Recipient: "ada@example.com", Reason: "451"})
	if w := do(t, f, sender, "DELETE", "/v1/messages/suppressions/ada@example.com", ""); w.Code != 204 {
		t.Fatalf("unsuppress: %d %s", w.Code, w.Body)
	}
	if failed := get(t, f, reader, "/v1/messages?state=failed").Body.String(); !strings.Contains(failed, m.ID) || !strings.Contains(failed, "451") {
		t.Errorf("dead letters: %s", failed)
	}
	if w := do(t, f, sender, "POST", path, ""); w.Code != 202 || decode[message](t, w).State != "queued" {
		t.Errorf("failed: %d %s", w.Code, w.Body)
	}
	for _, id := range []string{"x", uuid.NewString(), "%00"} {
		if w := do(t, f, sender, "POST", "/v1/messages/"+id+"/resend", ""); w.Code != 404 {
			t.Errorf("resend %s: %d", id, w.Code)
		}
	}
	var actions []string
	if err := f.db.Bun.NewRaw("SELECT concat_ws(' ', event->'data'->>'action', event->'data'->>'actor_id', event->'data'->'details'->>'template') FROM outbox ORDER BY seq").Scan(t.Context(), &actions); err != nil {
		t.Fatal(err)
	}
	want := []string{"message.sent_by_client shop notice", "suppression.created shop", "message.resent shop notice", "suppression.deleted shop", "message.resent shop notice"}
	if !slices.Equal(actions, want) {
		t.Errorf("audit %q, want %q", actions, want)
	}
}

func TestSuppressions(t *testing.T) {
	f := newHandler(t, 0)
	for i := range 3 {
		body := fmt.Sprintf(`{"address":"U%d@example.com","reason":"complaint"}`, i)
		if w := do(t, f, sender, "POST", "/v1/messages/suppressions", body); w.Code != 201 || !strings.Contains(w.Body.String(), `"created_by":"client:shop"`) {
			t.Errorf("create: %d %s", w.Code, w.Body)
		}
		if w := do(t, f, sender, "POST", "/v1/messages/suppressions", strings.ToLower(body)); w.Code != 200 || !strings.Contains(w.Body.String(), fmt.Sprintf(`"U%d@`, i)) {
			t.Errorf("again: %d %s", w.Code, w.Body)
		}
	}
	type page struct {
		Items      []struct{ Address, Reason string }
		NextCursor *string `json:"next_cursor"`
	}
	first := decode[page](t, get(t, f, reader, "/v1/messages/suppressions?limit=2"))
	if len(first.Items) != 2 || first.Items[0].Address != "U0@example.com" || first.Items[0].Reason != "complaint" || first.NextCursor == nil {
		t.Fatalf("first page %+v", first)
	}
	second := decode[page](t, get(t, f, reader, "/v1/messages/suppressions?limit=2&cursor="+*first.NextCursor))
	if len(second.Items) != 1 || second.Items[0].Address != "U2@example.com" || second.NextCursor != nil {
		t.Errorf("second page %+v", second)
	}
	for _, body := range []string{
		`{}`, `{"address":""}`, `{"address":"a@example.com\u0000"}`, `{"address":"Ada <a@example.com>"}`, `{"address":7}`, `{"address":"a@example.com","note":"x"}`,
		`{"address":"a@example.com","reason":"a\nb"}`, `{"address":"a@example.com","reason":"` + strings.Repeat("x", 201) + `"}`,
	} {
		if w := do(t, f, sender, "POST", "/v1/messages/suppressions", body); w.Code != 422 {
			t.Errorf("%.60s: %d %s", body, w.Code, w.Body)
		}
	}
	for _, address := range []string{"nobody@example.com", "%00", "x", "%FF@example.com", "a%2Fb@example.com"} {
		if w := do(t, f, sender, "DELETE", "/v1/messages/suppressions/"+address, ""); w.Code != 404 {
			t.Errorf("delete %s: %d", address, w.Code)
		}
	}
}

func TestTemplates(t *testing.T) {
	f := newHandler(t, 0)
	type template struct {
		Name, Category string
		API            bool
		Locales        []string
		Variables      []struct {
			Name, Format string
			Required     bool
			MaxLength    int `json:"max_length"`
		}
	}
	list := decode[struct{ Items []template }](t, get(t, f, reader, "/v1/templates"))
	var sendable []string
	for _, item := range list.Items {
		if item.API {
			sendable = append(sendable, item.Name)
		}
	}
	if len(list.Items) != 14 || !slices.Equal(sendable, []string{"notice"}) {
		t.Errorf("%d templates, sendable %v", len(list.Items), sendable)
	}
	notice := decode[template](t, get(t, f, reader, "/v1/templates/notice"))
	if notice.Category != "product" || !slices.Equal(notice.Locales, []string{"de", "en"}) || len(notice.Variables) != 3 ||
		notice.Variables[1].Format != "multiline" || notice.Variables[2].Format != "link" || !notice.Variables[0].Required || notice.Variables[0].MaxLength != 150 {
		t.Errorf("notice %+v", notice)
	}
}
