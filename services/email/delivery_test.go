package email_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse.example/sdk/mail"
	"gatehouse.example/services/email"
)

// What is sent to whom, and what is not.
func TestDelivery(t *testing.T) {
	toAda := email.Message{ID: "1", State: email.StateQueued, Template: "new_device", UserID: "ada", AddressOfAccount: true}
	notice := toAda
	notice.Template = "notice"
	tests := []struct {
		name      string
		message   email.Message
		change    func(*email.Message, *world)
		state     email.State
		recipient string
		locale    string
		reason    string
		forget    bool
	}{
		{"to the account's address", toAda, nil, email.StateSent, "ada@example.com", "de", "", false},
		{"its own language", toAda, func(m *email.Message, _ *world) { m.Locale = "fr" }, email.StateSent, "ada@example.com", "fr", "", false},
		{"to an old address", toAda, func(m *email.Message, _ *world) {
			m.AddressOfAccount, m.Recipient = false, "old@example.com"
		}, email.StateSent, "old@example.com", "de", "", false},
		{"to nobody in particular", notice, func(m *email.Message, _ *world) {
			m.UserID, m.AddressOfAccount, m.Recipient = "", false, "info@example.com"
		}, email.StateSent, "info@example.com", "", "", false},
		{"account gone", toAda, func(m *email.Message, _ *world) { m.UserID = "bob" }, email.StateObsolete, "", "", "ask user for the account: there is no such account", true},
		{"account gone, old address", toAda, func(m *email.Message, _ *world) {
			m.UserID, m.AddressOfAccount, m.Recipient = "bob", false, "old@example.com"
		}, email.StateObsolete, "old@example.com", "", "ask user for the account: there is no such account", true},
		{"user service away", toAda, func(_ *email.Message, w *world) {
			w.accounts, w.accountsErr = nil, errors.New("connection refused")
		}, email.StateDeferred, "", "", "ask user for the account: connection refused", false},
		{"suspended, about security", toAda, func(m *email.Message, _ *world) { m.UserID = "sue" }, email.StateSent, "sue@example.com", "", "", false},
		{"suspended, told so", toAda, func(m *email.Message, _ *world) {
			m.UserID, m.Template = "sue", "account_suspended"
		}, email.StateSent, "sue@example.com", "", "", false},
		{"not suspended any more", toAda, func(m *email.Message, _ *world) {
			m.Template = "account_suspended"
		}, email.StateObsolete, "ada@example.com", "de", "the cause of the message is gone: the account is not suspended any more", false},
		{"suspended, a notice", notice, func(m *email.Message, _ *world) { m.UserID = "sue" }, email.StateSuppressed, "sue@example.com", "", "account_suspended", false},
		{"not wanted", notice, func(_ *email.Message, w *world) {
			w.unwanted["ada/product/email"] = true
		}, email.StateSuppressed, "ada@example.com", "de", "preference", false},
		{"security can't be unwanted", toAda, func(_ *email.Message, w *world) {
			w.unwanted["ada/security/email"] = true
		}, email.StateSent, "ada@example.com", "de", "", false},
		{"address suppressed by hand, but security", toAda, func(_ *email.Message, w *world) {
			w.suppressed["ada@example.com"] = "left"
		}, email.StateSent, "ada@example.com", "de", "", false},
		{"address suppressed by hand", toAda, func(m *email.Message, w *world) {
			m.Template = "notice"
			w.suppressed["ada@example.com"] = "left"
		}, email.StateSuppressed, "ada@example.com", "de", "address_suppressed: left", false},
		{"address refused by its server, even security", toAda, func(_ *email.Message, w *world) {
			w.suppressed["ada@example.com"] = "recipient_refused"
		}, email.StateSuppressed, "ada@example.com", "de", "address_suppressed: recipient_refused", false},
		{"unknown template", toAda, func(m *email.Message, _ *world) { m.Template = "no_such" }, email.StateFailed, "ada@example.com", "de", `there is no template "no_such"`, false},
		{"account without an address", toAda, func(_ *email.Message, w *world) {
			w.accounts["ada"] = email.Account{Email: "x\r\nBcc: eve@example.com"}
		}, email.StateFailed, "x\r\nBcc: eve@example.com", "", "the account has no address", false},
		{"challenge over, account there", toAda, func(m *email.Message, _ *world) {
			m.ChallengeID, m.AddressOfAccount, m.Recipient = "over", false, "ada@example.com"
		}, email.StateObsolete, "ada@example.com", "", "ask auth for the link: the cause of the message is gone", false},
		{"challenge over, account gone", toAda, func(m *email.Message, _ *world) {
			m.ChallengeID, m.AddressOfAccount, m.Recipient, m.UserID = "over", false, "bob@example.com", "bob"
		}, email.StateObsolete, "bob@example.com", "", "ask auth for the link: the cause of the message is gone: there is no such account", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := ordinary()
				if test.change != nil {
					test.change(&test.message, &w)
				}
				q := &queue{messages: []email.Message{test.message}}
				var envelopes []string
				o := w.into(options(q, func(_ context.Context, m mail.Message) (mail.Receipt, error) {
					envelopes = append(envelopes, m.Envelope.To...)
					return mail.Receipt{}, nil
				}))
				o.Links = linkFunc(func(string) (email.Link, error) { return email.Link{}, email.ErrObsolete })
				o.Renderer = renderFunc(func(m email.Message, _ email.Link) (mail.Message, error) {
					return mail.Message{Envelope: mail.Envelope{To: []string{m.Recipient}}}, nil
				})
				run(t, o, time.Second)
				if len(q.outcomes) != 1 {
					t.Fatalf("%d outcomes", len(q.outcomes))
				}
				got := q.outcomes[0]
				if got.State != test.state || got.Recipient != test.recipient || got.Locale != test.locale || got.Reason != test.reason || got.Forget != test.forget {
					t.Errorf("outcome %+v", got)
				}
				if sent := len(envelopes) == 1 && envelopes[0] == test.recipient; sent != (test.state == email.StateSent) {
					t.Errorf("sent to %v", envelopes)
				}
			})
		})
	}
}

// A mailbox that does not exist is suppressed; any other refusal is not.
func TestRefusedRecipient(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"no such mailbox": {fmt.Errorf("plugin: %w", mail.RecipientRefused(errors.New("550 5.1.1 no such user"))), true},
		"spam":            {mail.Permanent(errors.New("550 5.7.1 go away")), false},
		"later":           {mail.Temporary(errors.New("450 busy")), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &queue{messages: []email.Message{{ID: "1", State: email.StateQueued, Template: "new_device", UserID: "ada", AddressOfAccount: true}}}
				run(t, options(q, func(context.Context, mail.Message) (mail.Receipt, error) { return mail.Receipt{}, test.err }), time.Second)
				s := q.outcomes[0].Suppression
				if (s != nil) != test.want {
					t.Fatalf("suppression %+v", s)
				}
				if s != nil && (s.Address != "ada@example.com" || s.Reason != email.ReasonRefused || s.CreatedBy != "service:email" ||
					s.Audit.Action != "suppression.created" || s.Audit.SubjectID != s.ID || s.Audit.ActorID != "email") {
					t.Errorf("suppression %+v", s)
				}
			})
		})
	}
}
