package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse.example/internal/bus"
	"gatehouse.example/internal/event"
)

// tryRegister registers a person once; a connection that breaks is an error,
// not the test's end.
func (in *installation) tryRegister(t testing.TB, email string) (*person, error) {
	t.Helper()
	p := &person{email: email, browser: newBrowser(t, in.issuer)}
	form := url.Values{"email": {email}, "password": {password}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.issuer+"/register", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %.200s", res.Status, page)
	case !strings.Contains(string(page), "Check your mail"):
		return nil, errors.New("another page came")
	}
	return p, nil
}

const registrations = 1000

// TestKillsDuringRegistrations kills every process, NATS and PostgreSQL while a
// thousand people register. Whoever was told to look into the mailbox gets one
// mail, and each event is told, in order.
func TestKillsDuringRegistrations(t *testing.T) {
	sink := newSMTPServer(t)
	_, port, _ := cutLast(sink.Addr().String(), ":")
	program, err := fast()
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, program, 1, `email:
  transport: smtp
  attempt_timeout: 10s
  transports: {smtp: {plugin: mail-smtp, config: {host: 127.0.0.1, port: `+port+`, tls: none}}}
`)
	var done, failures atomic.Int64
	numbers := make(chan int)
	var people sync.WaitGroup
	for range 8 {
		people.Go(func() {
			for i := range numbers {
				email := fmt.Sprintf("person%04d@example.com", i)
				for {
					if _, err := c.tryRegister(t, email); err == nil {
						break
					} else if t.Context().Err() != nil {
						return
					}
					failures.Add(1)
					time.Sleep(200 * time.Millisecond)
				}
				done.Add(1)
			}
		})
	}
	events := c.follow(t)
	flips, stopFlips := c.flipStatus(t)
	faults := []func(){
		func() { c.kill("email", 0); c.start("email", 0) },
		func() { c.kill("user", 0); c.start("user", 0) },
		func() { c.nats.kill(); c.nats.start(t) },
		func() { c.kill("auth", 0); c.start("auth", 0) },
		c.killPostgres,
		func() { c.kill("gateway", 0); c.start("gateway", 0) },
		func() { c.kill("email", 0); c.nats.kill(); c.nats.start(t); c.start("email", 0) },
	}
	for i := range registrations {
		numbers <- i
		if step := registrations / (len(faults) + 1); i > 0 && i%step == 0 && i/step <= len(faults) {
			faults[i/step-1]()
		}
	}
	close(numbers)
	people.Wait()
	stopFlips()
	if n := done.Load(); n != registrations {
		t.Fatalf("%d of %d registrations", n, registrations)
	}
	await(t, 120*time.Second, "every mail", func() error {
		if addresses, _, _ := sink.count("person"); addresses < registrations {
			return fmt.Errorf("%d of %d", addresses, registrations)
		}
		return nil
	})
	c.settle(t)
	addresses, repeated, several := sink.count("person")
	t.Logf("%d registrations, %d attempts failed, mails to %d addresses, %d deliveries repeated", registrations, failures.Load(), addresses, repeated)
	if addresses != registrations || several != 0 {
		t.Errorf("mails to %d addresses, want %d; %d of them got more than one message", addresses, registrations, several)
	}
	// A mail is delivered again only where its sender died between delivery
	// and note: at most what four attempts of two killed senders hold.
	if repeated > 8 {
		t.Errorf("%d deliveries were repeated", repeated)
	}
	await(t, 60*time.Second, "every event", func() error {
		if told := events.suspensions(); told != int(flips.Load()) {
			return fmt.Errorf("%d suspensions were told, want %d", told, flips.Load())
		}
		return events.complete(registrations)
	})
	t.Logf("%d suspensions under way", flips.Load())
	if err := events.ordered(); err != nil {
		t.Error(err)
	}
}

// flipStatus suspends some people and lets them in again, over and over, until
// stop is called. It counts the suspensions.
func (c *cluster) flipStatus(t *testing.T) (flips *atomic.Int64, stop func()) {
	t.Helper()
	flips = new(atomic.Int64)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for i := range 4 {
		status, _, body := call(t, http.DefaultClient, http.MethodPost, c.issuer+"/v1/users", c.adminToken(t), map[string]any{"email": fmt.Sprintf("flip%d@example.com", i)})
		id := want[struct{ ID string }](t, status, http.StatusCreated, body).ID
		work.Go(func() {
			for ctx.Err() == nil {
				c.setStatus(t, id, "suspended")
				flips.Add(1)
				c.setStatus(t, id, "active")
				time.Sleep(500 * time.Millisecond)
			}
		})
	}
	return flips, func() { cancel(); work.Wait() }
}

// setStatus changes a status, again and again until somebody confirms it.
func (c *cluster) setStatus(t *testing.T, id, status string) {
	t.Helper()
	for {
		code, err := func() (int, error) {
			form := url.Values{"grant_type": {"client_credentials"}, "scope": {"admin"}}
			req, err := http.NewRequest(http.MethodPost, c.issuer+"/oauth2/token", strings.NewReader(form.Encode()))
			if err != nil {
				return 0, err
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.SetBasicAuth(c.clientID, c.clientSecret)
			_, answer, err := roundTrip(req)
			if err != nil {
				return 0, err
			}
			token, _ := answer["access_token"].(string)
			req, err = http.NewRequest(http.MethodPatch, c.issuer+"/v1/users/"+id, strings.NewReader(`{"status":"`+status+`"}`))
			if err != nil {
				return 0, err
			}
			req.Header.Set("Content-Type", "application/merge-patch+json")
			req.Header.Set("Authorization", "Bearer "+token)
			code, _, err := roundTrip(req)
			return code, err
		}()
		if err == nil && code == http.StatusOK || t.Context().Err() != nil {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func roundTrip(req *http.Request) (int, map[string]any, error) {
	client := http.Client{Timeout: 20 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	var answer map[string]any
	_ = json.Unmarshal(text, &answer)
	return res.StatusCode, answer, nil
}

// settle waits until no message is on its way any more.
func (c *cluster) settle(t *testing.T) {
	t.Helper()
	for _, state := range []string{"queued", "sending", "deferred"} {
		await(t, 120*time.Second, "no message is "+state, func() error {
			status, _, body := call(t, http.DefaultClient, http.MethodGet, c.issuer+"/v1/messages?limit=1&state="+state, c.adminToken(t), nil)
			if page := want[struct{ Items []map[string]any }](t, status, http.StatusOK, body); len(page.Items) > 0 {
				return fmt.Errorf("%v", page.Items[0])
			}
			return nil
		})
	}
}

// told is what a consumer of its own heard of each person, in order.
type told struct {
	mu    sync.Mutex
	seen  map[string]bool
	types map[string][]string
}

// follow reads the stream of events as any service does.
func (c *cluster) follow(t *testing.T) *told {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Options{URL: c.nats.url, Name: "e2e", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	all := &told{seen: map[string]bool{}, types: map[string][]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.Consume(ctx, bus.Consumer{
			Name: "e2e", Types: []string{event.TypeUserRegistered, event.TypeVerificationRequested, event.TypeUserSuspended, event.TypeUserUpdated}, Handle: all.handle,
			MaxDeliver: 1000, Backoff: []time.Duration{time.Millisecond}, Logger: slog.New(slog.DiscardHandler),
		})
	}()
	t.Cleanup(func() { cancel(); <-ended; b.Close() })
	return all
}

func (all *told) handle(_ context.Context, e event.Event) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	if !all.seen[e.ID] {
		all.seen[e.ID] = true
		all.types[e.Subject] = append(all.types[e.Subject], e.Type)
	}
	return nil
}

// complete reports a person whose registration or mail was not told.
func (all *told) complete(people int) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	registered, asked := 0, 0
	for _, types := range all.types {
		for _, typ := range types {
			switch typ {
			case event.TypeUserRegistered:
				registered++
			case event.TypeVerificationRequested:
				asked++
			}
		}
	}
	// The people whose status flips were made by an administrator.
	if registered -= 4; registered != people || asked != people {
		return fmt.Errorf("%d registrations and %d requests for a mail were told, want %d of each", registered, asked, people)
	}
	return nil
}

// suspensions counts what was told of them.
func (all *told) suspensions() int {
	all.mu.Lock()
	defer all.mu.Unlock()
	n := 0
	for _, types := range all.types {
		for _, typ := range types {
			if typ == event.TypeUserSuspended {
				n++
			}
		}
	}
	return n
}

// ordered reports a person of whom something was told twice or in another order than
// it happened: between two suspensions is always the update that ended one.
func (all *told) ordered() error {
	all.mu.Lock()
	defer all.mu.Unlock()
	for person, types := range all.types {
		count := map[string]int{}
		for _, typ := range types {
			count[typ]++
		}
		if types[0] != event.TypeUserRegistered && count[event.TypeVerificationRequested] == 0 {
			return fmt.Errorf("of %s was told %v", person, types)
		}
		if count[event.TypeUserSuspended] > 0 {
			for i := 1; i < len(types); i++ {
				if types[i] == event.TypeUserSuspended && types[i-1] == event.TypeUserSuspended {
					return fmt.Errorf("of %s was told %v", person, types)
				}
			}
			continue
		}
		if count[event.TypeUserRegistered] != 1 || count[event.TypeVerificationRequested] != 1 {
			return fmt.Errorf("of %s was told %v", person, types)
		}
	}
	return nil
}
