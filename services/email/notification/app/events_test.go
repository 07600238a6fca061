package app_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/event"
	"gatehouse.example/services/email/notification"
	"gatehouse.example/services/email/notification/postgres"
	"gatehouse.example/services/email/notification/rest"
)

// items are the notifications that the person sees.
func (i *instance) items(user, query string, header ...string) []map[string]any {
	i.t.Helper()
	got := i.do(person(user), "GET", rest.Root+query, "", header...)
	if got.status != 200 {
		i.t.Fatalf("list: %d %s", got.status, got.body)
	}
	var items []map[string]any
	for _, item := range got.json(i.t)["items"].([]any) {
		items = append(items, item.(map[string]any))
	}
	return items
}

func (i *instance) unread(user string) int {
	i.t.Helper()
	return int(i.do(person(user), "GET", rest.Root+"/unread-count", "").json(i.t)["unread"].(float64))
}

func TestEventsBecomeNotifications(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	for name, test := range map[string]struct {
		typ                    string
		data                   func(user string) any
		category, title, words string
		german                 string
	}{
		"new device": {event.TypeNewDevice, func(u string) any {
			return event.NewDevice{UserID: u, SessionID: uuid.NewString(), UserAgent: firefox, Address: "192.0.2.1"}
		}, "security", "New sign-in", "Firefox on Linux. IP address: 192.0.2.1.", "Neue Anmeldung"},
		"device that says nothing": {event.TypeNewDevice, func(u string) any {
			return event.NewDevice{UserID: u, SessionID: uuid.NewString(), UserAgent: "<script>\x00" + strings.Repeat("ä", 5000)}
		}, "security", "New sign-in", "an unknown device. If", "Neue Anmeldung"},
		"password changed": {event.TypePasswordChanged, func(u string) any {
			return event.PasswordChanged{UserID: u, Reason: "change", Address: "192.0.2.1"}
		}, "security", "Your password was changed", "IP address: 192.0.2.1.", "Ihr Passwort wurde geändert"},
		"password reset": {event.TypePasswordChanged, func(u string) any {
			return event.PasswordChanged{UserID: u, Reason: "reset"}
		}, "security", "Your password was reset", "by a link", "Ihr Passwort wurde zurückgesetzt"},
		"address changed": {event.TypeUserEmailChanged, func(u string) any {
			return event.UserEmailChanged{UserID: u, OldEmail: "ada@old.example", Email: "ada@new.example"}
		}, "security", "Your email address was changed", "has the address ada@new.example now. It was ada@old.example.", "Ihre E-Mail-Adresse wurde geändert"},
		"roles changed": {event.TypeUserRolesChanged, func(u string) any {
			return event.UserRolesChanged{UserID: u, Added: []string{"a", "b"}, Removed: []string{}, Roles: []string{"a", "b"}}
		}, "account", "Your roles have changed", "You were given: a, b.", "Ihre Rollen haben sich geändert"},
		"identity linked": {event.TypeIdentityLinked, func(u string) any {
			return event.IdentityLinked{UserID: u, Provider: "corp"}
		}, "security", "New way to sign in", "with corp from now on", "Neue Anmeldemöglichkeit"},
		"identity unlinked": {event.TypeIdentityUnlinked, func(u string) any {
			return event.IdentityUnlinked{UserID: u, Provider: "corp"}
		}, "security", "A way to sign in was removed", "with corp.", "Anmeldemöglichkeit entfernt"},
		"key revoked": {event.TypeKeyRevoked, func(u string) any {
			return event.KeyRevoked{KeyID: "k1", OwnerKind: "user", OwnerID: u, Reason: "revoked"}
		}, "security", "An API key was revoked", "key k1 no longer", "Ein API-Schlüssel wurde widerrufen"},
		"key rotated": {event.TypeKeyRevoked, func(u string) any {
			return event.KeyRevoked{KeyID: "k1", OwnerKind: "user", OwnerID: u, Reason: "rotated"}
		}, "security", "An API key was rotated", "replaced", "Ein API-Schlüssel wurde ersetzt"},
	} {
		t.Run(name, func(t *testing.T) {
			user := newPerson()
			f.publish(f.event(test.typ, user, test.data(user)))
			eventually(t, "the notification", func() bool { return a.unread(user) == 1 })
			item := a.items(user, "")[0]
			if item["category"] != test.category || item["title"] != test.title || !strings.Contains(item["body"].(string), test.words) {
				t.Errorf("got %v", item)
			}
			if strings.Contains(item["body"].(string), "{") || strings.Contains(item["body"].(string), "<") {
				t.Errorf("body %q", item["body"])
			}
			if item := a.items(user, "", "Accept-Language", "fr;q=0.3, de-AT")[0]; item["title"] != test.german {
				t.Errorf("in German: %v", item)
			}
		})
	}
}

// Nothing is told of a key that ended with its owner, of a client's key, of
// roles that stay, or of an event that is nonsense; and none of these holds up
// the next.
func TestEventsThatTellNothing(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	user := newPerson()
	f.publish(f.event(event.TypeKeyRevoked, user, event.KeyRevoked{KeyID: "k", OwnerKind: "user", OwnerID: user, Reason: "owner"}))
	f.publish(f.event(event.TypeKeyRevoked, user, event.KeyRevoked{KeyID: "k", OwnerKind: "client", OwnerID: user, Reason: "revoked"}))
	f.publish(f.event(event.TypeUserRolesChanged, user, event.UserRolesChanged{UserID: user}))
	for range 20 { // more than are at work at once
		f.publish(f.event(event.TypeNewDevice, "x", event.NewDevice{UserID: "nobody", SessionID: "s"}))
		f.publish(f.event(event.TypeNewDevice, "x", []string{"not an object"}))
	}
	f.publish(f.event(event.TypeIdentityLinked, user, event.IdentityLinked{UserID: user, Provider: "corp"}))
	eventually(t, "the last", func() bool { return a.unread(user) > 0 })
	if items := a.items(user, ""); len(items) != 1 || items[0]["type"] != notification.TypeIdentityLinked {
		t.Errorf("got %v", items)
	}
	dead, err := f.bus.Dead(t.Context(), 0, 100)
	if err != nil || len(dead) != 40 {
		t.Errorf("%d dead events, %v", len(dead), err)
	}
}

// A redelivered event, and a second event of the same cause, make no second
// notification; two processes share the events.
func TestOneNotificationPerCause(t *testing.T) {
	f := newFixture(t)
	a, b := f.instance(), f.instance()
	user := newPerson()
	device := event.NewDevice{UserID: user, SessionID: uuid.NewString()}
	one, same := f.event(event.TypeNewDevice, user, device), f.event(event.TypeNewDevice, user, device)
	store := postgres.New(f.db)
	receiver := notification.NewReceiver(store, nil, nobody)
	for _, e := range []event.Event{one, one, same} {
		f.publish(e)
		if err := receiver.Handle(t.Context(), e); err != nil { // a third process, behind the broker's back
			t.Fatal(err)
		}
	}
	f.publish(f.event(event.TypeIdentityLinked, user, event.IdentityLinked{UserID: user, Provider: "corp"}))
	eventually(t, "the last", func() bool { return a.unread(user) == 2 })
	if items := b.items(user, ""); len(items) != 2 {
		t.Errorf("got %v", items)
	}
	// A person that deleted it does not get it again.
	id := b.items(user, "?limit=200")[1]["id"].(string)
	b.do(person(user), "DELETE", rest.Root+"/"+id, "")
	if err := receiver.Handle(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if n := b.unread(user); n != 1 {
		t.Errorf("%d after a redelivery", n)
	}
}

func TestErasedAndDeleted(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	ada, bob := newPerson(), newPerson()
	for _, user := range []string{ada, bob} {
		a.do(shop(), "POST", rest.Root, draft(user, "x"), "Idempotency-Key", "k"+user)
		a.do(person(user), "PATCH", rest.Root+"/preferences", `{"categories":{"product":{"email":false}}}`)
		f.publish(f.event(event.TypeUserDeleted, user, event.UserDeleted{UserID: user}))
	}
	stream := a.open(person(ada), "")
	stream.next(t, "unread")
	f.publish(f.event(event.TypeUserErased, ada, event.UserErased{UserID: ada}))
	if m := stream.next(t, "unread"); m.data != `{"unread":0}` {
		t.Errorf("live: %+v", m)
	}
	for _, table := range []string{"notifications", "notification_preferences", "notification_keys"} {
		var of []string
		if err := f.db.Bun.NewRaw("SELECT user_id FROM "+table).Scan(t.Context(), &of); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{bob}, of); d != "" {
			t.Errorf("%s: %s", table, d)
		}
	}
	// What comes late, of another service or a client, is dropped.
	f.publish(f.event(event.TypePasswordChanged, ada, event.PasswordChanged{UserID: ada, Reason: "reset"}))
	f.publish(f.event(event.TypePasswordChanged, bob, event.PasswordChanged{UserID: bob, Reason: "reset"}))
	eventually(t, "bob's", func() bool { return a.unread(bob) == 2 })
	if n := a.unread(ada); n != 0 {
		t.Errorf("%d notifications of somebody who was erased", n)
	}
	if got := a.do(shop(), "POST", rest.Root, draft(ada, "x")); got.status != 422 || got.pointers(t) != "/user_id" {
		t.Errorf("create: %d %s", got.status, got.body)
	}
	if got := a.do(person(ada), "PATCH", rest.Root+"/preferences", `{}`); got.status != 422 {
		t.Errorf("preferences: %d %s", got.status, got.body)
	}
}

func TestRetention(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	ada := newPerson()
	old, young := a.send(ada, "old"), a.send(ada, "young")
	a.do(shop(), "POST", rest.Root, draft(ada, "keyed"), "Idempotency-Key", "k")
	gone := newPerson()
	f.publish(f.event(event.TypeUserErased, gone, event.UserErased{UserID: gone}))
	count := func(query string) (n int) {
		t.Helper()
		if err := f.db.Bun.NewRaw(query).Scan(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "the erasure", func() bool {
		return count("SELECT count(*) FROM notification_inboxes WHERE erased_at IS NOT NULL") == 1
	})
	for _, change := range []string{
		"UPDATE notifications SET created_at = created_at - interval '91 days' WHERE id = '" + old + "'",
		"UPDATE notification_keys SET created_at = created_at - interval '25 hours'",
		"UPDATE notification_inboxes SET erased_at = erased_at - interval '91 days'",
	} {
		if _, err := f.db.Bun.NewRaw(change).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	removed, err := notification.Sweep(t.Context(), postgres.New(f.db), time.Now(), 90*24*time.Hour, func(_ context.Context, user string) { told = append(told, user) })
	if err != nil || removed != 1 || len(told) != 1 || told[0] != ada {
		t.Errorf("removed %d, told %v, %v", removed, told, err)
	}
	if items := a.items(ada, ""); len(items) != 2 || items[1]["id"] != young {
		t.Errorf("left: %v", items)
	}
	if n := count("SELECT count(*) FROM notification_keys"); n != 0 {
		t.Errorf("%d keys", n)
	}
	if n := count("SELECT count(*) FROM notification_inboxes WHERE erased_at IS NOT NULL"); n != 0 {
		t.Errorf("%d closed inboxes", n)
	}
	if _, err := notification.Sweep(t.Context(), postgres.New(f.db), time.Now(), 0, nobody); err != nil || len(a.items(ada, "")) != 2 {
		t.Errorf("without a retention: %v", err)
	}
}

func nobody(context.Context, string) {}
