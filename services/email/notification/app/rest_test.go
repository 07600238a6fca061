package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/email/notification"
	"gatehouse.example/services/email/notification/postgres"
	"gatehouse.example/services/email/notification/rest"
)

func TestInbox(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	ada, bob := newPerson(), newPerson()
	var ids []string
	for n := range 5 {
		ids = append([]string{a.send(ada, fmt.Sprint("n", n))}, ids...)
	}
	bobs := a.send(bob, "bob's")
	var seen []string
	for query := "?limit=2"; query != ""; {
		page := a.do(person(ada), "GET", rest.Root+query, "").json(t)
		for _, item := range page["items"].([]any) {
			seen = append(seen, item.(map[string]any)["id"].(string))
		}
		next, more := page["next_cursor"].(string)
		if query = ""; more {
			query = "?limit=2&cursor=" + next
		}
	}
	if d := cmp.Diff(ids, seen); d != "" {
		t.Errorf("pages: %s", d)
	}
	first := a.do(person(ada), "POST", rest.Root+"/"+ids[0]+"/read", "").json(t)
	again := a.do(person(ada), "POST", rest.Root+"/"+ids[0]+"/read", "").json(t)
	if first["read_at"] == nil || first["read_at"] != again["read_at"] {
		t.Errorf("read %v, again %v", first["read_at"], again["read_at"])
	}
	if n := a.unread(ada); n != 4 {
		t.Errorf("%d unread", n)
	}
	if items := a.items(ada, "?unread=true&category=product"); len(items) != 4 || items[0]["id"] != ids[1] {
		t.Errorf("unread: %v", items)
	}
	if items := a.items(ada, "?category=account"); len(items) != 0 {
		t.Errorf("of another category: %v", items)
	}
	for _, path := range []string{bobs, uuid.NewString(), "no-uuid", "urn:uuid:" + uuid.NewString(), "x" + uuid.NewString() + "x", "%00", strings.Repeat("9", 3000)} {
		if got := a.do(person(ada), "POST", rest.Root+"/"+path+"/read", ""); got.status != http.StatusNotFound {
			t.Errorf("read %.40s: %d", path, got.status)
		}
		if got := a.do(person(ada), "DELETE", rest.Root+"/"+path, ""); got.status != http.StatusNotFound {
			t.Errorf("delete %.40s: %d", path, got.status)
		}
	}
	if got := a.do(person(ada), "DELETE", rest.Root+"/"+ids[4], ""); got.status != http.StatusNoContent {
		t.Errorf("delete: %d %s", got.status, got.body)
	}
	// Nothing is marked for a body that is not understood.
	for _, path := range []string{"/read", "/" + ids[1] + "/read"} {
		for _, body := range []string{`{"zz":1}`, `[]`, `{"a":`, "{\"ids\":[\"\xff\"]}", `{"ids":["x"]}`, `{"ids":null}`, `{"ids":"` + ids[1] + `"}`} {
			if got := a.do(person(ada), "POST", rest.Root+path, body); got.status != http.StatusUnprocessableEntity && got.status != http.StatusBadRequest {
				t.Errorf("%s %q: %d", path, body, got.status)
			}
		}
	}
	if got := a.do(person(ada), "POST", rest.Root+"/read", `{"ids":[]}`).json(t); got["read"] != 0.0 {
		t.Errorf("none by name: %v", got)
	}
	if got := a.do(person(ada), "POST", rest.Root+"/read", `{"ids":["`+ids[1]+`"]}`).json(t); got["read"] != 1.0 {
		t.Errorf("one by name: %v", got)
	}
	if got := a.do(person(ada), "POST", rest.Root+"/read", "").json(t); got["read"] != 2.0 {
		t.Errorf("read all: %v", got)
	}
	if a.unread(ada) != 0 || a.unread(bob) != 1 {
		t.Errorf("unread: ada %d, bob %d", a.unread(ada), a.unread(bob))
	}
	for _, query := range []string{"?limit=0", "?limit=201", "?limit=x", "?limit=-1", "?unread=maybe", "?category=A", "?cursor=x", "?cursor=AAAA", "?limit=%zz"} {
		if got := a.do(person(ada), "GET", rest.Root+query, ""); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

func TestWhoMayCreate(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	admin := person(newPerson())
	admin.Scopes, admin.Roles = []string{rbac.MessagesSend}, []string{rbac.RoleAdmin}
	unscoped := admin
	unscoped.Scopes = nil
	reader := shop()
	reader.Scopes = []string{rbac.MessagesRead}
	for name, test := range map[string]struct {
		p    identity.Principal
		want int
	}{
		"client with the scope": {shop(), 201}, "client with another": {reader, 403},
		"administrator": {admin, 201}, "administrator without the scope": {unscoped, 403},
		"the person itself": {person(newPerson()), 403}, "nobody": {identity.Principal{}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			if got := a.do(test.p, "POST", rest.Root, draft(newPerson(), "x")); got.status != test.want {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	var records []string
	if err := f.db.Bun.NewRaw(`SELECT event->'data'->>'action' || ' ' || (event->'data'->>'actor_id') FROM outbox`).Scan(t.Context(), &records); err != nil {
		t.Fatal(err)
	}
	if len(records) != 2 || !strings.Contains(strings.Join(records, ";"), "notification.sent_by_client shop") {
		t.Errorf("audit: %v", records)
	}
}

func TestCreateOnce(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	ada := newPerson()
	var work sync.WaitGroup
	bodies := make([]string, 20)
	for n := range bodies {
		work.Go(func() {
			bodies[n] = string(a.do(shop(), "POST", rest.Root, draft(ada, "x"), "Idempotency-Key", "k1").body)
		})
	}
	work.Wait()
	for _, body := range bodies {
		if body != bodies[0] || !strings.Contains(body, `"title":"x"`) {
			t.Errorf("answers differ: %s and %s", body, bodies[0])
		}
	}
	if n := a.unread(ada); n != 1 {
		t.Errorf("%d notifications", n)
	}
	if got := a.do(shop(), "POST", rest.Root, draft(ada, "y"), "Idempotency-Key", "k1"); got.status != 422 || got.json(t)["code"] != "idempotency_key_reused" {
		t.Errorf("another request: %d %s", got.status, got.body)
	}
	other := shop()
	other.Subject = "other"
	if got := a.do(other, "POST", rest.Root, draft(ada, "y"), "Idempotency-Key", "k1"); got.status != 201 {
		t.Errorf("another client: %d %s", got.status, got.body)
	}
	for _, key := range []string{"ä", "with space", strings.Repeat("k", 256), ""} {
		if got := a.do(shop(), "POST", rest.Root, draft(ada, "y"), "Idempotency-Key", key); got.status != 400 || got.pointers(t) != "header Idempotency-Key" {
			t.Errorf("key %.20q: %d %s", key, got.status, got.body)
		}
	}
}

func TestCreateForNobody(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	unknown, deleted := newPerson(), newPerson()
	f.accounts.set(unknown, "")
	f.accounts.set(deleted, userapi.StatusDeleted)
	for _, user := range []string{unknown, deleted} {
		if got := a.do(shop(), "POST", rest.Root, draft(user, "x")); got.status != 422 || got.pointers(t) != "/user_id" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

func TestPreferences(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	ada := newPerson()
	p := person(ada)
	path := rest.Root + "/preferences"
	choice := func(email, inApp, locked bool) any {
		return map[string]any{"email": email, "in_app": inApp, "locked": locked}
	}
	want := map[string]any{"security": choice(true, true, true), "account": choice(true, true, false), "product": choice(true, true, false)}
	check := func(got answer) {
		t.Helper()
		if d := cmp.Diff(map[string]any{"categories": want}, got.json(t)); got.status != 200 || d != "" {
			t.Errorf("%d %s", got.status, d)
		}
	}
	before := a.do(p, "GET", path, "")
	check(before)
	want["product"], want["news.weekly"] = choice(true, false, false), choice(false, true, false)
	check(a.do(p, "PATCH", path, `{"categories":{"product":{"in_app":false},"news.weekly":{"email":false}}}`, "Content-Type", "application/merge-patch+json", "If-Match", before.header.Get("ETag")))
	check(a.do(p, "GET", path, ""))
	if got := a.do(p, "PATCH", path, `{}`, "If-Match", before.header.Get("ETag")); got.status != 412 {
		t.Errorf("an old ETag: %d", got.status)
	}
	check(a.do(p, "PATCH", path, string(a.do(p, "GET", path, "").body))) // what one got may be sent back

	store := postgres.New(f.db)
	for _, test := range []struct {
		category, channel string
		want              bool
	}{
		{"product", notification.ChannelInApp, false}, {"product", notification.ChannelEmail, true},
		{"news.weekly", notification.ChannelEmail, false}, {"account", notification.ChannelEmail, true},
		{"security", notification.ChannelEmail, true}, {"never.seen", notification.ChannelInApp, true},
	} {
		if got, err := store.Allowed(t.Context(), ada, test.category, test.channel); err != nil || got != test.want {
			t.Errorf("Allowed(%s, %s) = %t, %v", test.category, test.channel, got, err)
		}
	}
	if _, err := store.Allowed(t.Context(), ada, "product", "pigeon"); err == nil {
		t.Error("a channel that there is not")
	}
	got := a.do(shop(), "POST", rest.Root, draft(ada, "x"), "Idempotency-Key", "k")
	again := a.do(shop(), "POST", rest.Root, draft(ada, "x"), "Idempotency-Key", "k")
	if got.status != 200 || got.json(t)["suppressed"] != true || string(got.body) != string(again.body) || len(a.items(ada, "")) != 0 {
		t.Errorf("unwanted: %d %s, %s", got.status, got.body, again.body)
	}
	want["product"] = choice(true, true, false)
	delete(want, "news.weekly")
	check(a.do(p, "PATCH", path, `{"categories":{"product":{"in_app":null},"news.weekly":null}}`))
	want["account"] = choice(false, false, false)
	check(a.do(p, "PATCH", path, `{"categories":{"account":{"in_app":false,"email":false},"security":{"email":true}}}`))
	want["account"] = choice(true, true, false)
	check(a.do(p, "PATCH", path, `{"categories":null}`))
	check(a.do(person(newPerson()), "GET", path, "")) // nobody else's
}

func TestTooManyChoices(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	var all []string
	for n := range 65 {
		all = append(all, fmt.Sprintf(`"c%02d":{"email":false}`, n))
	}
	got := a.do(person(newPerson()), "PATCH", rest.Root+"/preferences", `{"categories":{`+strings.Join(all, ",")+`}}`)
	if got.status != 422 || got.pointers(t) != "/categories/c64" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestBadInput(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	ada := newPerson()
	good := draft(ada, "x")
	with := func(name, value string) string {
		return strings.Replace(good, `"`+name+`":`, `"`+name+`":`+value+`,"x`+name+`":`, 1)
	}
	// member replaces the value of one member of the good body.
	member := func(name, value string) string {
		var b strings.Builder
		b.WriteString("{")
		for _, m := range []struct{ name, value string }{{"user_id", `"` + ada + `"`}, {"category", `"product"`}, {"title", `"x"`}, {"body", `"y"`}, {"link", `"/"`}} {
			if m.name == name {
				m.value = value
			}
			if b.Len() > 1 {
				b.WriteString(",")
			}
			b.WriteString(`"` + m.name + `":` + m.value)
		}
		return b.String() + "}"
	}
	prefs := rest.Root + "/preferences"
	for name, test := range map[string]struct {
		path, body string
		status     int
		pointers   string
	}{
		"no body":               {rest.Root, "", 415, ""},
		"truncated":             {rest.Root, good[:40], 400, "/user_id"},
		"null":                  {rest.Root, "null", 422, ""},
		"a list":                {rest.Root, "[]", 422, ""},
		"nothing in it":         {rest.Root, "{}", 422, "/user_id /category /title /body"},
		"two documents":         {rest.Root, good + good, 400, ""},
		"a duplicate name":      {rest.Root, `{"title":"a","title":"b"}`, 400, "/title"},
		"an unknown member":     {rest.Root, with("title", `"x"`), 422, "/xtitle"},
		"another case":          {rest.Root, strings.Replace(good, `"title"`, `"Title"`, 1), 422, "/Title"},
		"invalid UTF-8":         {rest.Root, member("title", "\"\xff\""), 400, "/title"},
		"a lone surrogate":      {rest.Root, member("title", `"\ud800"`), 400, "/title"},
		"U+0000":                {rest.Root, member("title", `"a\u0000b"`), 422, "/title"},
		"U+0000 in the body":    {rest.Root, member("body", `"a\u0000b"`), 422, "/body"},
		"U+0000 in the link":    {rest.Root, member("link", `"/\u0000"`), 422, "/link"},
		"U+0000 as category":    {rest.Root, member("category", `"a\u0000"`), 422, "/category"},
		"U+0000 as user":        {rest.Root, member("user_id", `"\u0000"`), 422, "/user_id"},
		"line break in title":   {rest.Root, member("title", `"a\nb"`), 422, "/title"},
		"number as title":       {rest.Root, member("title", "1"), 422, "/title"},
		"object as body":        {rest.Root, member("body", "{}"), 422, "/body"},
		"blank title":           {rest.Root, member("title", `" "`), 422, "/title"},
		"long title":            {rest.Root, member("title", `"`+strings.Repeat("ä", 201)+`"`), 422, "/title"},
		"long body":             {rest.Root, member("body", `"`+strings.Repeat("x", 4001)+`"`), 422, "/body"},
		"null title":            {rest.Root, member("title", "null"), 422, "/title"},
		"user is no UUID":       {rest.Root, member("user_id", `"ada"`), 422, "/user_id"},
		"user is a braced UUID": {rest.Root, member("user_id", `"{`+ada+`}"`), 422, "/user_id"},
		"reserved category":     {rest.Root, member("category", `"security"`), 422, "/category"},
		"malformed category":    {rest.Root, member("category", `"Product"`), 422, "/category"},
		"script link":           {rest.Root, member("link", `"javascript:alert(1)"`), 422, "/link"},
		"link to another host":  {rest.Root, member("link", `"//evil.example/"`), 422, "/link"},
		"link by backslash":     {rest.Root, member("link", `"/\\evil.example/"`), 422, "/link"},
		"link with a tab":       {rest.Root, member("link", `"/\t/evil.example/"`), 422, "/link"},
		"link with a password":  {rest.Root, member("link", `"https://a:b@evil.example/"`), 422, "/link"},
		"relative link":         {rest.Root, member("link", `"orders"`), 422, "/link"},
		"link without host":     {rest.Root, member("link", `"https:///x"`), 422, "/link"},
		"empty link":            {rest.Root, member("link", `""`), 422, "/link"},
		"long link":             {rest.Root, member("link", `"/`+strings.Repeat("x", 2048)+`"`), 422, "/link"},
		"10 MB":                 {rest.Root, member("body", `"`+strings.Repeat("x", 10<<20)+`"`), 413, ""},

		"preferences: no object":         {prefs, `"x"`, 422, ""},
		"preferences: unknown member":    {prefs, `{"x":1}`, 422, "/x"},
		"preferences: list":              {prefs, `{"categories":[]}`, 422, "/categories"},
		"preferences: category a number": {prefs, `{"categories":{"product":1}}`, 422, "/categories/product"},
		"preferences: channel a text":    {prefs, `{"categories":{"product":{"email":"no"}}}`, 422, "/categories/product/email"},
		"preferences: unknown channel":   {prefs, `{"categories":{"product":{"sms":true}}}`, 422, "/categories/product/sms"},
		"preferences: bad name":          {prefs, `{"categories":{"a/b~":{"email":true}}}`, 422, "/categories/a~1b~0"},
		"preferences: U+0000":            {prefs, `{"categories":{"a\u0000":{"email":true}}}`, 422, "/categories/a\x00"},
		"preferences: locked":            {prefs, `{"categories":{"product":{"email":false},"security":{"email":false}}}`, 422, "/categories/security/email"},
		"preferences: locked in_app":     {prefs, `{"categories":{"security":{"in_app":false}}}`, 422, "/categories/security/in_app"},
		"preferences: unlock":            {prefs, `{"categories":{"security":{"locked":false}}}`, 422, "/categories/security/locked"},
		"preferences: lock":              {prefs, `{"categories":{"product":{"locked":true}}}`, 422, "/categories/product/locked"},
		"preferences: remove the lock":   {prefs, `{"categories":{"security":{"locked":null}}}`, 422, "/categories/security/locked"},
		"preferences: duplicate names":   {prefs, `{"categories":{"a":{"email":true,"email":false}}}`, 400, "/categories/a/email"},
		"preferences: truncated":         {prefs, `{"categories":{"a"`, 400, "/categories/a"},
		"preferences: 10 MB":             {prefs, `{"categories":{"a` + strings.Repeat("x", 10<<20) + `":null}}`, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			who, method := shop(), "POST"
			if test.path == prefs {
				who, method = person(ada), "PATCH"
			}
			got := a.do(who, method, test.path, test.body)
			if got.status != test.status || !strings.HasPrefix(got.header.Get("Content-Type"), "application/problem+json") {
				t.Fatalf("%d %.300s", got.status, got.body)
			}
			if pointers := got.pointers(t); pointers != test.pointers {
				t.Errorf("pointers %q, want %q: %s", pointers, test.pointers, got.body)
			}
		})
	}
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json, text/html", "application/merge-patch+json"} {
		if got := a.do(shop(), "POST", rest.Root, good, "Content-Type", media); got.status != 415 {
			t.Errorf("%s: %d", media, got.status)
		}
	}
	if n := len(a.items(ada, "")); n != 0 {
		t.Errorf("%d of them are stored", n)
	}
	for _, link := range []string{`"/"`, `"/a?b=c#d"`, `"https://shop.example/x"`, `"http://localhost:3000"`} {
		if got := a.do(shop(), "POST", rest.Root, member("link", link)); got.status != 201 {
			t.Errorf("link %s: %d %s", link, got.status, got.body)
		}
	}
}
