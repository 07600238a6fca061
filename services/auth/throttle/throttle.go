// Package throttle owns how often a password may be guessed, or a mail asked
// for: a growing pause for each account name and for each address, shared by all
// replicas; and that an answer's time does not tell what was found.
//
// The names need not exist, so that the pauses tell nobody which accounts do.
// Known devices and a person's own reset come with the lockout rules later.
package throttle

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"gatehouse.example/internal/api/userapi"
)

// Policy is how pauses grow.
type Policy struct {
	// Free is how many attempts cost nothing.
	Free int
	// First is the pause after the next one; each further attempt doubles it
	// up to Max.
	First, Max time.Duration
	// Window is after how long without an attempt all is forgotten.
	Window time.Duration
}

// Store counts attempts.
type Store interface {
	// Attempt counts one attempt under key and returns zero, or, without
	// counting, until when the key is paused. Attempts at the same time are
	// counted one after the other.
	Attempt(ctx context.Context, key []byte, p Policy, now time.Time) (pausedUntil time.Time, err error)
	// Forgive takes back the attempts under key: all of them or the last one.
	Forgive(ctx context.Context, key []byte, all bool) error
}

// Guard counts attempts of one kind. It is safe for concurrent use.
type Guard struct {
	store Store
	// kind keeps the count apart from those of other guards.
	kind             string
	account, address Policy
	// exemptLoopback lets the own machine do what it likes.
	exemptLoopback bool
	now            func() time.Time
}

// New returns the guard of passwords with the built-in policies. now nil:
// time.Now.
func New(store Store, now func() time.Time) *Guard {
	if now == nil {
		now = time.Now
	}
	return &Guard{
		store: store,
		// A stranger can make the owner of a name wait this long at most.
		account: Policy{Free: 8, First: time.Second, Max: time.Minute, Window: 15 * time.Minute},
		// Many people may share an address.
		address: Policy{Free: 100, First: time.Second, Max: 5 * time.Minute, Window: 15 * time.Minute},
		now:     now,
	}
}

// NewMails returns the guard of mails that strangers ask for, with the built-in
// policies. What they cost a person is bounded by auth.MailLimit; this bounds
// how many addresses somebody can go through. now nil: time.Now.
func NewMails(store Store, now func() time.Time) *Guard {
	if now == nil {
		now = time.Now
	}
	return &Guard{
		store: store, kind: "mail\x00",
		account: Policy{Free: 5, First: 10 * time.Second, Max: 5 * time.Minute, Window: 15 * time.Minute},
		address: Policy{Free: 30, First: 10 * time.Second, Max: 15 * time.Minute, Window: time.Hour},
		now:     now,
	}
}

// NewRegistrations returns the guard of registrations: each may cause a mail to
// an address that somebody else reads. It does not count who comes from the own
// machine: that is its owner, who tries out how much it bears. now nil:
// time.Now.
func NewRegistrations(store Store, now func() time.Time) *Guard {
	if now == nil {
		now = time.Now
	}
	return &Guard{
		store: store, kind: "register\x00", exemptLoopback: true,
		account: Policy{Free: 5, First: 10 * time.Second, Max: 5 * time.Minute, Window: 15 * time.Minute},
		// A class or a company may register from one address in an hour.
		address: Policy{Free: 100, First: 10 * time.Second, Max: 15 * time.Minute, Window: time.Hour},
		now:     now,
	}
}

func isLoopback(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Unmap().IsLoopback()
}

// Attempt counts an attempt before the password is checked, so that guesses at
// the same time cannot get ahead of the count. It returns how long to wait
// instead, zero to go on.
func (g *Guard) Attempt(ctx context.Context, login, address string) (wait time.Duration, err error) {
	if g.exemptLoopback && isLoopback(address) {
		return 0, nil
	}
	now := g.now()
	until, err := g.store.Attempt(ctx, g.addressKey(address), g.address, now)
	if err == nil && until.IsZero() {
		until, err = g.store.Attempt(ctx, g.accountKey(login), g.account, now)
	}
	if err != nil || until.IsZero() {
		return 0, err
	}
	return max(time.Second, until.Sub(now)), nil
}

// Succeeded takes an attempt back that was right. The address keeps what other
// attempts cost it, else one good account would pay for guessing at others.
func (g *Guard) Succeeded(ctx context.Context, login, address string) error {
	return errors.Join(
		g.store.Forgive(ctx, g.accountKey(login), true),
		g.store.Forgive(ctx, g.addressKey(address), false),
	)
}

// Tell sets Retry-After and returns what to tell the person that has to wait.
func Tell(w http.ResponseWriter, wait time.Duration) string {
	seconds := int((wait + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	if seconds == 1 {
		return "Too many attempts. Try again in 1 second."
	}
	return "Too many attempts. Try again in " + strconv.Itoa(seconds) + " seconds."
}

// The keys are hashes: a table of throttled names would be a list of people.
func (g *Guard) accountKey(login string) []byte {
	// Every spelling that leads to one account is one key, or each would be worth
	// some guesses more.
	sum := sha256.Sum256([]byte(g.kind + "account\x00" + userapi.LoginKey(login)))
	return sum[:]
}

// addressKey takes an IPv6 address by its /64: one machine has all of those.
func (g *Guard) addressKey(address string) []byte {
	if ip, err := netip.ParseAddr(address); err == nil {
		ip = ip.Unmap()
		if ip.Is6() {
			if prefix, err := ip.WithZone("").Prefix(64); err == nil {
				address = prefix.String()
			}
		} else {
			address = ip.String()
		}
	}
	sum := sha256.Sum256([]byte(g.kind + "address\x00" + address))
	return sum[:]
}
