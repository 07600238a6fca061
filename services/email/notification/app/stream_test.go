package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/identity"
	"gatehouse.example/services/email/notification"
	"gatehouse.example/services/email/notification/app"
	"gatehouse.example/services/email/notification/postgres"
	"gatehouse.example/services/email/notification/rest"
)

func TestStreamTellsWhatAnotherInstanceStores(t *testing.T) {
	f := newFixture(t)
	a, b := f.instance(), f.instance()
	ada := newPerson()
	stream := a.open(person(ada), "")
	if first := stream.next(t, "unread"); first.data != `{"unread":0}` || first.id == "" {
		t.Errorf("first event %+v", first)
	}
	b.send(newPerson(), "for somebody else")
	id := b.send(ada, "Your parcel")
	got := stream.next(t, "notification")
	if got.id != id {
		t.Errorf("id %s, want %s", got.id, id)
	}
	list := b.do(person(ada), "GET", rest.Root, "").json(t)
	var live any
	if err := json.Unmarshal([]byte(got.data), &live); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(list["items"].([]any)[0], live); d != "" {
		t.Errorf("the list (-) and the stream (+) differ:\n%s", d)
	}
	if m := stream.next(t, "unread"); m.data != `{"unread":1}` {
		t.Errorf("after it came: %+v", m)
	}
	b.do(person(ada), "POST", rest.Root+"/"+id+"/read", "")
	if m := stream.next(t, "unread"); m.data != `{"unread":0}` || m.id != id {
		t.Errorf("after it was read elsewhere: %+v", m)
	}
}

// What a reader gets over many connections to two instances is everything, once
// and in order, while a thousand are created at the same time.
func TestResumeLosesAndRepeatsNothing(t *testing.T) {
	const total = 1000
	f := newFixture(t)
	a, b := f.instance(), f.instance()
	ada := newPerson()
	last := a.open(person(ada), "").next(t, "unread").id
	var created atomic.Int64
	var work sync.WaitGroup
	for n := range 20 {
		work.Go(func() {
			for range total / 20 {
				i := []*instance{a, b}[n%2]
				got := i.do(shop(), "POST", rest.Root, draft(ada, "x"))
				if got.status != http.StatusCreated {
					t.Errorf("create: %d %s", got.status, got.body)
				}
				created.Add(1)
			}
		})
	}
	var seen []string
	connections := 0
	for len(seen) < total {
		stream := []*instance{a, b}[connections%2].open(person(ada), last)
		connections++
		for range 37 { // then the connection is lost
			m := stream.next(t, "notification")
			seen, last = append(seen, m.id), m.id
			if len(seen) == total {
				break
			}
		}
		stream.close()
	}
	work.Wait()
	if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != total {
		t.Error("not in order, or twice")
	}
	var stored []string
	if err := f.db.Bun.NewRaw("SELECT id FROM notifications ORDER BY id").Scan(t.Context(), &stored); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(stored, seen); d != "" {
		t.Errorf("stored (-), seen (+):\n%s", d)
	}
	t.Logf("%d notifications over %d connections", len(seen), connections)
}

// A deleted notification's id is still a place to go on from.
func TestResumeAfterWhatWasDeleted(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	ada := newPerson()
	first := a.send(ada, "one")
	a.do(person(ada), "DELETE", rest.Root+"/"+first, "")
	second := a.send(ada, "two")
	if m := a.open(person(ada), first).next(t, "notification"); m.id != second {
		t.Errorf("got %+v", m)
	}
}

func TestRevocationEndsStreams(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	t.Run("one secret of an API key", func(t *testing.T) {
		p := person(newPerson())
		p.RevocationID = uuid.NewString() + "#digest"
		ends := a.open(p, "")
		ends.next(t, "unread")
		if err := f.bus.Revoke(t.Context(), bus.KindKey, p.RevocationID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		ends.ended(t)
	})
	t.Run("the end of the credential", func(t *testing.T) {
		p := person(newPerson())
		p.CredentialExpires = time.Now().Add(2 * time.Second)
		ends := a.open(p, "")
		ends.next(t, "unread")
		ends.ended(t)
	})
	for kind, id := range map[string]func(identity.Principal) string{
		bus.KindSession: func(p identity.Principal) string { return p.SessionID },
		bus.KindJTI:     func(p identity.Principal) string { return p.TokenID },
		bus.KindKey:     func(p identity.Principal) string { return p.TokenID },
		bus.KindClient:  func(p identity.Principal) string { return p.ClientID },
	} {
		t.Run(kind, func(t *testing.T) {
			ada := newPerson()
			p, other := person(ada), person(ada)
			p.ClientID, other.ClientID = uuid.NewString(), uuid.NewString()
			ends, stays := a.open(p, ""), a.open(other, "")
			ends.next(t, "unread")
			stays.next(t, "unread")
			begun := time.Now()
			if err := f.bus.Revoke(t.Context(), kind, id(p), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			ends.ended(t)
			t.Logf("ended after %s", time.Since(begun))
			if got := a.do(p, "GET", rest.StreamPath, ""); got.status != http.StatusUnauthorized {
				t.Errorf("opened again: %d", got.status)
			}
			a.send(ada, "still there")
			stays.next(t, "notification")
		})
	}
}

// slow opens a stream on a connection that nobody reads.
func (i *instance) slow(p identity.Principal, last string) net.Conn {
	i.t.Helper()
	conn, err := net.Dial("tcp", i.server.Listener.Addr().String())
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		i.t.Fatal(err)
	}
	if err := i.request(p, "GET", rest.StreamPath, nil, "Last-Event-ID", last).Write(conn); err != nil {
		i.t.Fatal(err)
	}
	return conn
}

// fill stores more than the buffers of a connection take.
func (f *fixture) fill(user string) {
	f.t.Helper()
	_, err := f.db.Bun.NewRaw(`INSERT INTO notifications (id, user_id, category, type, title, body, created_at)
		SELECT gen_random_uuid(), ?, 'product', 'notice', 'x', repeat('y', 4000), now() FROM generate_series(1, 4000)`, user).Exec(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
}

// A reader that takes nothing holds up neither others nor its own end, and gets
// everything when it comes back.
func TestSlowReader(t *testing.T) {
	f := newFixture(t)
	a := f.instance(func(o *app.Options) { o.WriteTimeout = time.Hour })
	ada := newPerson()
	p := person(ada)
	quick := a.open(person(ada), "")
	quick.next(t, "unread")
	f.fill(ada)
	conn := a.slow(p, uuid.Nil.String())
	eventually(t, "the slow stream", func() bool { return streams(t) == 2 })
	id := a.send(ada, "for the quick one")
	eventually(t, "the new one", func() bool { return quick.next(t, "notification").id == id })

	begun := time.Now()
	if err := f.bus.Revoke(t.Context(), bus.KindSession, p.SessionID, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the slow stream", func() bool { return streams(t) == 1 })
	t.Logf("ended after %s", time.Since(begun))
	_ = conn.Close()
	again := a.open(person(ada), uuid.Nil.String())
	for range 4001 {
		again.next(t, "notification")
	}
}

// streams counts the goroutines that stream.
func streams(t *testing.T) int {
	t.Helper()
	return strings.Count(goroutines(t), "stream.(*stream).run(")
}

func goroutines(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&text, 2); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestTenStreamsAPerson(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	ada := newPerson()
	var open []*reader
	for range 10 {
		open = append(open, a.open(person(ada), ""))
	}
	got := a.do(person(ada), "GET", rest.StreamPath, "")
	if got.status != http.StatusTooManyRequests || got.json(t)["code"] != "too_many_streams" || got.header.Get("Retry-After") == "" {
		t.Errorf("the eleventh: %d %s", got.status, got.body)
	}
	a.open(person(newPerson()), "")
	open[3].close()
	eventually(t, "room for another", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		response, err := a.client.Do(a.request(person(ada), "GET", rest.StreamPath, nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// A notice that is lost is only a delay.
func TestHeartbeatFindsWhatNobodyTold(t *testing.T) {
	f := newFixture(t)
	a := f.instance(func(o *app.Options) { o.Heartbeat = 50 * time.Millisecond })
	ada := newPerson()
	stream := a.open(person(ada), "")
	stream.next(t, "comment")
	created, err := postgres.New(f.db).Create(t.Context(), notification.Creation{
		Notification: notification.Notification{UserID: ada, Category: "product", Type: "notice", Title: "x", Body: "y", CreatedAt: time.Now()},
		Record:       record(t, ada),
	})
	if err != nil {
		t.Fatal(err)
	}
	if m := stream.next(t, "notification"); m.id != created.Notification.ID {
		t.Errorf("got %+v", m)
	}
}

func TestStreamsEnd(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *instance){
		"Run ends": func(_ *testing.T, i *instance) { i.stop() },
		"the server shuts down": func(t *testing.T, i *instance) {
			if err := i.server.Config.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"half an hour is over": func(*testing.T, *instance) {},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			i := f.instance(func(o *app.Options) {
				if strings.HasPrefix(name, "half") {
					o.Lifetime = 100 * time.Millisecond
				}
			})
			var open []*reader
			for range 3 {
				open = append(open, i.open(person(newPerson()), ""))
			}
			end(t, i)
			for _, stream := range open {
				stream.ended(t)
			}
			i.stop()
			eventually(t, "the end of all goroutines", func() bool {
				return !strings.Contains(goroutines(t), "services/email/notification/stream.")
			})
		})
	}
}

func TestStreamRefuses(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	for name, id := range map[string]string{"a word": "yesterday", "too long": strings.Repeat("a", 5000), "another form of UUID": "urn:uuid:" + uuid.NewString()} {
		t.Run(name, func(t *testing.T) {
			got := a.do(person(newPerson()), "GET", rest.StreamPath, "", "Last-Event-ID", id)
			if got.status != http.StatusBadRequest || got.pointers(t) != "header Last-Event-ID" {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	if got := a.do(shop(), "GET", rest.StreamPath, ""); got.status != http.StatusForbidden {
		t.Errorf("a client: %d", got.status)
	}
	if got := a.do(person(newPerson()), "HEAD", rest.StreamPath, ""); got.status != http.StatusOK || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", got.status, got.header)
	}
	a.app.Drain()
	if got := a.do(person(newPerson()), "GET", rest.StreamPath, ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("while it stops: %d", got.status)
	}
}

// The same over HTTP/2, where there is no connection to close.
func TestStreamOverHTTP2(t *testing.T) {
	f := newFixture(t)
	a := f.instance(func(o *app.Options) { o.Heartbeat, o.WriteTimeout = 900*time.Millisecond, 300*time.Millisecond })
	second := a.second()
	ada := newPerson()
	p := person(ada)
	stream := second.open(p, "")
	stream.next(t, "unread")
	stream.next(t, "comment") // long after the first had to be written
	id := a.send(ada, "x")
	if m := stream.next(t, "notification"); m.id != id {
		t.Errorf("got %+v", m)
	}
	if err := f.bus.Revoke(t.Context(), bus.KindSession, p.SessionID, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	stream.ended(t)
	if got := second.do(person(ada), "GET", rest.Root, ""); got.status != http.StatusOK {
		t.Errorf("another request on the connection: %d %s", got.status, got.body)
	}
}

func TestOperations(t *testing.T) {
	f := newFixture(t)
	a := f.instance()
	for _, o := range a.app.Operations() {
		method, path, _ := strings.Cut(o, " ")
		path = strings.ReplaceAll(path, "{id}", uuid.NewString())
		if got := a.do(identity.Principal{}, method, path, ""); got.status != http.StatusUnauthorized {
			t.Errorf("nobody, %s: %d", o, got.status)
		}
		if got := a.do(identity.Principal{Kind: identity.KindService, Subject: "user"}, method, path, "{}"); got.status != http.StatusForbidden {
			t.Errorf("a service, %s: %d", o, got.status)
		}
		if got := a.do(person(newPerson()), "PUT", path, "{}"); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") == "" {
			t.Errorf("PUT %s: %d %s", path, got.status, fmt.Sprint(got.header))
		}
	}
	if got := a.do(person(newPerson()), "GET", rest.Root+"/x/y/z", ""); got.status != http.StatusNotFound {
		t.Errorf("elsewhere: %d", got.status)
	}
}

// Another process whose clock is ahead has stored something: what comes after
// still is after it.
func TestClocksMayDiffer(t *testing.T) {
	const ahead = "ffffffff-0000-7000-8000-000000000000"
	f := newFixture(t)
	a := f.instance()
	ada := newPerson()
	a.send(ada, "before")
	if _, err := f.db.Bun.NewRaw("UPDATE notification_inboxes SET last_id = ? WHERE user_id = ?", ahead, ada).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	stream := a.open(person(ada), "")
	if m := stream.next(t, "unread"); m.id != ahead {
		t.Errorf("begins at %s", m.id)
	}
	one, two := a.send(ada, "one"), a.send(ada, "two")
	for _, want := range []string{one, two} {
		if m := stream.next(t, "notification"); m.id != want || m.id <= ahead {
			t.Errorf("got %s, want %s", m.id, want)
		}
	}
}
