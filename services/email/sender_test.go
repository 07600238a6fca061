package email_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse.example/sdk/mail"
	"gatehouse.example/services/email"
)

// queue is a queue in memory; the real one is tested in postgres.
type queue struct {
	mu       sync.Mutex
	messages []email.Message
	outcomes []email.Outcome
}

func (q *queue) Claim(_ context.Context, limit int, now, leaseEnd time.Time) ([]email.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var claimed []email.Message
	for i := range q.messages {
		m := &q.messages[i]
		waiting := m.State == email.StateQueued || m.State == email.StateDeferred || m.State == email.StateSending
		if waiting && !m.DueAt.After(now) && len(claimed) < limit {
			m.State, m.DueAt = email.StateSending, leaseEnd
			m.Attempts++
			claimed = append(claimed, *m)
		}
	}
	return claimed, nil
}

func (q *queue) Finish(_ context.Context, m email.Message, o email.Outcome) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.messages {
		if q.messages[i].ID == m.ID {
			q.messages[i].State = o.State
			q.messages[i].DueAt = o.DueAt
		}
	}
	q.outcomes = append(q.outcomes, o)
	return nil
}

type linkFunc func(id string) (email.Link, error)

func (f linkFunc) Link(_ context.Context, id string) (email.Link, error) { return f(id) }

type renderFunc func(m email.Message, l email.Link) (mail.Message, error)

func (f renderFunc) Render(m email.Message, l email.Link, _ time.Time) (mail.Message, error) {
	return f(m, l)
}

type sendFunc func(ctx context.Context, m mail.Message) (mail.Receipt, error)

func (f sendFunc) Send(ctx context.Context, m mail.Message) (mail.Receipt, error) { return f(ctx, m) }

// world is what the sender asks others for.
type world struct {
	accounts    map[string]email.Account
	templates   map[string]email.Template
	suppressed  map[string]string
	unwanted    map[string]bool // userID/category/channel
	accountsErr error
}

func (w world) Account(_ context.Context, id string) (email.Account, error) {
	account, ok := w.accounts[id]
	if !ok && w.accountsErr == nil {
		return email.Account{}, email.ErrNoAccount
	}
	return account, w.accountsErr
}

func (w world) Template(name string) (email.Template, bool) {
	t, ok := w.templates[name]
	return t, ok
}

func (w world) Templates() []email.Template { return nil }

func (w world) Suppression(_ context.Context, address string) (email.Suppression, error) {
	reason, ok := w.suppressed[address]
	if !ok {
		return email.Suppression{}, email.ErrNotFound
	}
	by := "user:root"
	if reason == email.ReasonRefused {
		by = "service:email"
	}
	return email.Suppression{Address: address, Reason: reason, CreatedBy: by}, nil
}

func (w world) Allowed(_ context.Context, userID, category, channel string) (bool, error) {
	return !w.unwanted[userID+"/"+category+"/"+channel], nil
}

// ordinary is a world with one person and one template of each kind.
func ordinary() world {
	return world{
		accounts: map[string]email.Account{"ada": {Email: "ada@example.com", Locale: "de"}, "sue": {Email: "sue@example.com", Suspended: true}},
		templates: map[string]email.Template{
			"": {Category: email.CategorySecurity}, "new_device": {Category: email.CategorySecurity},
			"account_suspended": {Category: email.CategorySecurity}, "notice": {Category: "product"},
		},
		suppressed: map[string]string{"gone@example.com": "manual"},
		unwanted:   map[string]bool{},
	}
}

func (w world) into(o email.SenderOptions) email.SenderOptions {
	o.Accounts, o.Catalog, o.Suppressions, o.Preferences = w, w, w, w
	return o
}

func options(q *queue, send sendFunc) email.SenderOptions {
	return ordinary().into(email.SenderOptions{
		Queue: q,
		Links: linkFunc(func(id string) (email.Link, error) { return email.Link{URL: "https://x/" + id}, nil }),
		Renderer: renderFunc(func(m email.Message, l email.Link) (mail.Message, error) {
			return mail.Message{IdempotencyKey: m.ID, Raw: []byte(l.URL)}, nil
		}),
		Transport: send,
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// run lets the sender work for a (fake) while.
func run(t *testing.T, o email.SenderOptions, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := email.NewSender(o).Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestRetriesUntilSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{messages: []email.Message{{ID: "1", ChallengeID: "c", State: email.StateQueued}}}
		var at []time.Time
		o := options(q, func(_ context.Context, m mail.Message) (mail.Receipt, error) {
			if string(m.Raw) != "https://x/c" {
				t.Errorf("rendered %q", m.Raw)
			}
			at = append(at, time.Now())
			if len(at) < 5 {
				return mail.Receipt{}, mail.Temporary(errors.New("451 later"))
			}
			return mail.Receipt{ProviderID: "p"}, nil
		})
		o.TransportName, o.Backoff, o.MaxBackoff = "file", 10*time.Second, 60*time.Second
		run(t, o, time.Hour)
		if len(at) != 5 {
			t.Fatalf("%d attempts, want 5", len(at))
		}
		for i, full := range []time.Duration{10, 20, 40, 60} {
			full *= time.Second
			pause := at[i+1].Sub(at[i])
			// Half of it is random, and the queue is looked at once a second.
			if pause < full/2 || pause > full+time.Second {
				t.Errorf("pause %d = %v, want %v to %v", i+1, pause, full/2, full)
			}
		}
		last := q.outcomes[len(q.outcomes)-1]
		if last.State != email.StateSent || last.ProviderID != "p" || last.Transport != "file" {
			t.Errorf("outcome %+v", last)
		}
	})
}

func TestGivesUp(t *testing.T) {
	tests := []struct {
		name      string
		change    func(o *email.SenderOptions)
		attempts  int
		state     email.State
		permanent bool
		reason    string
	}{
		{"permanent failure", func(o *email.SenderOptions) {
			o.Transport = sendFunc(func(context.Context, mail.Message) (mail.Receipt, error) {
				return mail.Receipt{}, fmt.Errorf("transport: %w", mail.Permanent(errors.New("550 no such user")))
			})
		}, 1, email.StateFailed, true, "550"},
		{"attempts used up", func(o *email.SenderOptions) {
			o.Transport = sendFunc(func(context.Context, mail.Message) (mail.Receipt, error) {
				return mail.Receipt{}, errors.New("451 later")
			})
		}, 3, email.StateFailed, false, "451"},
		{"obsolete", func(o *email.SenderOptions) {
			o.Links = linkFunc(func(string) (email.Link, error) { return email.Link{}, fmt.Errorf("410: %w", email.ErrObsolete) })
		}, 1, email.StateObsolete, false, "410"},
		{"auth is down", func(o *email.SenderOptions) {
			o.Links = linkFunc(func(string) (email.Link, error) { return email.Link{}, errors.New("connection refused") })
		}, 3, email.StateFailed, false, "refused"},
		{"template is missing", func(o *email.SenderOptions) {
			o.Renderer = renderFunc(func(email.Message, email.Link) (mail.Message, error) {
				return mail.Message{}, errors.New("no template")
			})
		}, 1, email.StateFailed, true, "no template"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &queue{messages: []email.Message{{ID: "1", ChallengeID: "c", State: email.StateQueued}}}
				o := options(q, func(context.Context, mail.Message) (mail.Receipt, error) { return mail.Receipt{}, nil })
				o.MaxAttempts = 3
				test.change(&o)
				run(t, o, time.Hour)
				if len(q.outcomes) != test.attempts {
					t.Fatalf("%d attempts, want %d", len(q.outcomes), test.attempts)
				}
				last := q.outcomes[len(q.outcomes)-1]
				if last.State != test.state || last.Permanent != test.permanent || !strings.Contains(last.Reason, test.reason) {
					t.Errorf("outcome %+v", last)
				}
			})
		})
	}
}

// A message whose sender died counts each claim, so it can't kill for ever.
func TestCrashingMessageIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{messages: []email.Message{{ID: "1", State: email.StateSending, Attempts: 8}}}
		run(t, options(q, func(context.Context, mail.Message) (mail.Receipt, error) {
			t.Error("it was sent once more")
			return mail.Receipt{}, nil
		}), time.Minute)
		if len(q.outcomes) != 1 || q.outcomes[0].State != email.StateFailed {
			t.Errorf("outcomes %+v", q.outcomes)
		}
	})
}

func TestStopLetsAttemptsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{messages: []email.Message{{ID: "1", State: email.StateQueued}}}
		run(t, options(q, func(ctx context.Context, _ mail.Message) (mail.Receipt, error) {
			time.Sleep(10 * time.Second) // past the stop
			return mail.Receipt{}, ctx.Err()
		}), 5*time.Second)
		if len(q.outcomes) != 1 || q.outcomes[0].State != email.StateSent {
			t.Errorf("outcomes %+v", q.outcomes)
		}
	})
}

func TestConcurrencyAndWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{}
		for i := range 100 {
			q.messages = append(q.messages, email.Message{ID: fmt.Sprint(i), State: email.StateQueued})
		}
		var mu sync.Mutex
		var running, most int
		o := options(q, func(context.Context, mail.Message) (mail.Receipt, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			return mail.Receipt{}, nil
		})
		// Were the queue looked at by the clock alone, this would take 25 s.
		run(t, o, 900*time.Millisecond)
		if most != 4 || len(q.outcomes) != 100 {
			t.Errorf("%d at a time, %d sent", most, len(q.outcomes))
		}
	})
}
