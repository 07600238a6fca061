// Package mailtest owns the conformance kit of mail transports: what every
// [mail.Transport] must do, whether called in the same process or as a compiled
// plugin through [Start].
//
// It leaves out what only the receiver can tell (that a message arrived);
// [Options.Delivered] is the place where a transport's own test looks that up.
package mailtest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse.example/sdk/internal/process/processtest"
	"gatehouse.example/sdk/mail"
)

// Options is what the kit needs to know about a transport.
type Options struct {
	// New returns a transport that is not configured yet.
	New func(t *testing.T) mail.Transport
	// Config is a configuration that works.
	Config json.RawMessage
	// Delivered returns the raw message that arrived for the idempotency key,
	// or false. It may be nil where the receiver cannot be asked. It is polled
	// for a few seconds.
	Delivered func(t *testing.T, idempotencyKey string) (raw []byte, ok bool)
	// Rejected is an address that the receiver refuses for good; empty leaves
	// that test out.
	Rejected string
	// Unknown is an address of which the receiver says that there is no such
	// mailbox; empty leaves that test out.
	Unknown string
	// Deferred is an address that the receiver refuses for now; empty leaves
	// that test out.
	Deferred string
}

// Run runs the kit.
func Run(t *testing.T, o Options) {
	t.Helper()
	t.Run("refuses an unknown member of the configuration", o.refusesUnknownConfig)
	t.Run("delivers a message unchanged", o.deliversUnchanged)
	t.Run("delivers concurrently", o.deliversConcurrently)
	t.Run("accepts the same message again", o.acceptsAgain)
	t.Run("gives up when the context is done", o.givesUp)
	if o.Rejected != "" {
		t.Run("reports a permanent failure", func(t *testing.T) { o.reportsFailure(t, o.Rejected, true) })
	}
	if o.Unknown != "" {
		t.Run("reports a refused recipient", o.reportsRefusedRecipient)
	}
	if o.Deferred != "" {
		t.Run("reports a temporary failure", func(t *testing.T) { o.reportsFailure(t, o.Deferred, false) })
	}
}

// Message makes a small message for the key and the recipient: two
// alternatives, a subject that needs encoding, a line that starts with a dot.
func Message(key, to string) mail.Message {
	raw := strings.Join([]string{
		"From: Gatehouse <noreply@example.com>",
		"To: <" + to + ">",
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
		"Date: Mon, 02 Jan 2006 15:04:05 +0000",
		"Message-ID: <" + key + "@example.com>",
		"MIME-Version: 1.0",
		"Content-Type: multipart/alternative; boundary=edge",
		"",
		"--edge",
		"Content-Type: text/plain; charset=utf-8",
		"Content-Transfer-Encoding: quoted-printable",
		"",
		"Gr=C3=BC=C3=9Fe, https://example.com/verify?token=3Dabc",
		".a line that starts with a dot",
		"--edge",
		"Content-Type: text/html; charset=utf-8",
		"",
		"<p>Hello</p>",
		"--edge--",
		"",
	}, "\r\n")
	return mail.Message{
		IdempotencyKey: key,
		Envelope:       mail.Envelope{From: "noreply@example.com", To: []string{to}},
		Raw:            []byte(raw),
	}
}

func (o Options) configured(t *testing.T) mail.Transport {
	t.Helper()
	transport := o.New(t)
	if err := transport.Configure(t.Context(), o.Config); err != nil {
		t.Fatalf("Configure: %v", err)
	}
	return transport
}

func (o Options) refusesUnknownConfig(t *testing.T) {
	processtest.RefusesUnknownConfig(t, o.Config, o.New(t).Configure)
}

func (o Options) deliversUnchanged(t *testing.T) {
	transport := o.configured(t)
	m := Message("mailtest-unchanged", "person@example.com")
	send(t, transport, m)
	o.expect(t, m)
}

func (o Options) deliversConcurrently(t *testing.T) {
	transport := o.configured(t)
	var wg sync.WaitGroup
	var messages []mail.Message
	for i := range 8 {
		m := Message(fmt.Sprintf("mailtest-concurrent-%d", i), "person@example.com")
		messages = append(messages, m)
		wg.Go(func() { send(t, transport, m) })
	}
	wg.Wait()
	for _, m := range messages {
		o.expect(t, m)
	}
}

func (o Options) acceptsAgain(t *testing.T) {
	transport := o.configured(t)
	m := Message("mailtest-again", "person@example.com")
	send(t, transport, m)
	send(t, transport, m)
	o.expect(t, m)
}

func (o Options) givesUp(t *testing.T) {
	transport := o.configured(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan error, 1)
	go func() {
		_, err := transport.Send(ctx, Message("mailtest-cancelled", "person@example.com"))
		done <- err
	}()
	select {
	case err := <-done:
		if mail.IsPermanent(err) {
			t.Fatalf("a done context is not a permanent failure: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Send did not return 5 s after its context was done")
	}
}

func (o Options) reportsFailure(t *testing.T, to string, permanent bool) {
	transport := o.configured(t)
	_, err := transport.Send(t.Context(), Message("mailtest-failure", to))
	if err == nil {
		t.Fatalf("Send to %s succeeded", to)
	}
	if mail.IsPermanent(err) != permanent {
		t.Fatalf("IsPermanent(%v) = %t, want %t", err, !permanent, permanent)
	}
}

func (o Options) reportsRefusedRecipient(t *testing.T) {
	transport := o.configured(t)
	_, err := transport.Send(t.Context(), Message("mailtest-unknown", o.Unknown))
	if !mail.IsRecipientRefused(err) || !mail.IsPermanent(err) {
		t.Fatalf("Send to %s: %v, want an error that IsRecipientRefused", o.Unknown, err)
	}
	if o.Rejected == "" {
		return
	}
	if _, err := transport.Send(t.Context(), Message("mailtest-rejected", o.Rejected)); mail.IsRecipientRefused(err) {
		t.Fatalf("Send to %s: %v is about the recipient", o.Rejected, err)
	}
}

func (o Options) expect(t *testing.T, m mail.Message) {
	t.Helper()
	if o.Delivered == nil {
		return
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		raw, ok := o.Delivered(t, m.IdempotencyKey)
		if ok && string(raw) == string(m.Raw) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("message %s: arrived %t, got %q, want %q", m.IdempotencyKey, ok, raw, m.Raw)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func send(t *testing.T, transport mail.Transport, m mail.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := transport.Send(ctx, m); err != nil {
		t.Errorf("Send %s: %v", m.IdempotencyKey, err)
	}
}
