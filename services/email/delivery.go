package email

import (
	"context"
	"errors"
	"fmt"

	"gatehouse.example/sdk/mail"
)

// The reasons of suppressed messages.
const (
	// ReasonPreference: the person does not want mails of the category.
	ReasonPreference = "preference"
	// ReasonSuspended: the account is suspended, and this is not about security.
	ReasonSuspended = "account_suspended"
	// reasonAddress precedes the reason of the address' suppression.
	reasonAddress = "address_suppressed: "
)

// channelEmail is what [Preferences] call a mail.
const channelEmail = "email"

// suppressed is the error of a message that is not to be sent for now.
type suppressed string

func (s suppressed) Error() string { return string(s) }

// send makes one attempt: whom it is for, whether it may go out, what it says,
// and handing it over.
func (s *Sender) send(ctx context.Context, m Message) Outcome {
	if m.Attempts > s.o.MaxAttempts {
		// Each attempt ended without an outcome: the process died of it.
		return s.outcome(ctx, m, fmt.Errorf("no outcome after %d attempts", m.Attempts-1))
	}
	m, err := s.address(ctx, m)
	if err != nil {
		return s.outcome(ctx, m, err)
	}
	if err := s.permitted(ctx, m); err != nil {
		return s.outcome(ctx, m, err)
	}
	var link Link
	if m.ChallengeID != "" {
		if link, err = s.o.Links.Link(ctx, m.ChallengeID); err != nil {
			return s.outcome(ctx, m, fmt.Errorf("ask auth for the link: %w", s.orGone(ctx, m, err)))
		}
	}
	rendered, err := s.o.Renderer.Render(m, link, s.o.Now())
	if err != nil {
		return s.outcome(ctx, m, mail.Permanent(fmt.Errorf("render: %w", err)))
	}
	receipt, err := s.o.Transport.Send(ctx, rendered)
	if err != nil {
		return s.outcome(ctx, m, err)
	}
	return Outcome{
		State: StateSent, Recipient: m.Recipient, Locale: m.Locale,
		Transport: s.o.TransportName, ProviderID: receipt.ProviderID, At: s.o.Now().UTC(),
	}
}

// address returns m with what the person's account says now. Mails of a
// challenge go where the challenge does; auth knows whether that still stands.
func (s *Sender) address(ctx context.Context, m Message) (Message, error) {
	if m.UserID == "" || m.ChallengeID != "" {
		return m, nil
	}
	account, err := s.o.Accounts.Account(ctx, m.UserID)
	if err != nil {
		return m, fmt.Errorf("ask user for the account: %w", err)
	}
	if m.AddressOfAccount {
		if m.Recipient = account.Email; !IsAddress(m.Recipient) {
			return m, mail.Permanent(errors.New("the account has no address"))
		}
	}
	if m.Locale == "" {
		m.Locale = account.Locale
	}
	if m.Template == templateAccountSuspended && !account.Suspended {
		return m, fmt.Errorf("%w: the account is not suspended any more", ErrObsolete)
	}
	if account.Suspended && !s.aboutSecurity(m) {
		return m, suppressed(ReasonSuspended)
	}
	return m, nil
}

// orGone adds to an end of a challenge that its account is gone, too.
func (s *Sender) orGone(ctx context.Context, m Message, err error) error {
	if m.UserID == "" || !errors.Is(err, ErrObsolete) {
		return err
	}
	if _, lookup := s.o.Accounts.Account(ctx, m.UserID); errors.Is(lookup, ErrNoAccount) {
		return fmt.Errorf("%w: %w", err, ErrNoAccount)
	}
	return err
}

func (s *Sender) aboutSecurity(m Message) bool {
	t, ok := s.o.Catalog.Template(m.Template)
	return ok && t.Category == CategorySecurity
}

// permitted returns an error for a message that is not to go out: an address on
// the suppression list gets nothing, and nobody what it does not want. Mails
// about security heed only what a mail server said of the address: whoever may
// suppress addresses could silence the alarms of an account otherwise.
func (s *Sender) permitted(ctx context.Context, m Message) error {
	template, ok := s.o.Catalog.Template(m.Template)
	if !ok {
		return mail.Permanent(fmt.Errorf("there is no template %q", m.Template))
	}
	found, err := s.o.Suppressions.Suppression(ctx, m.Recipient)
	switch {
	case err == nil && (template.Category != CategorySecurity || found.ByService()):
		return suppressed(reasonAddress + found.Reason)
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	if template.Category == CategorySecurity || s.o.Preferences == nil || m.UserID == "" {
		return nil
	}
	allowed, err := s.o.Preferences.Allowed(ctx, m.UserID, template.Category, channelEmail)
	if err != nil {
		return fmt.Errorf("ask for preferences: %w", err)
	}
	if !allowed {
		return suppressed(ReasonPreference)
	}
	return nil
}

func (s *Sender) outcome(ctx context.Context, m Message, err error) Outcome {
	o := Outcome{Reason: err.Error(), Recipient: m.Recipient, Locale: m.Locale, At: s.o.Now().UTC()}
	reason, stopped := errors.AsType[suppressed](err)
	switch {
	case stopped:
		o.State, o.Reason = StateSuppressed, string(reason)
	case errors.Is(err, ErrNoAccount):
		o.State, o.Forget = StateObsolete, true
	case errors.Is(err, ErrObsolete):
		o.State = StateObsolete
	case mail.IsPermanent(err):
		o.State, o.Permanent = StateFailed, true
		o.Suppression = s.refused(ctx, m, err)
	case m.Attempts >= s.o.MaxAttempts:
		o.State = StateFailed
	default:
		o.State = StateDeferred
		o.DueAt = o.At.Add(s.pause(m.Attempts))
	}
	return o
}

// refused returns the suppression of an address of which the receiver says that
// there is no such mailbox: to go on writing to it harms the sender's name.
func (s *Sender) refused(ctx context.Context, m Message, err error) *Suppression {
	if !mail.IsRecipientRefused(err) {
		return nil
	}
	suppression, err := NewSuppression(ctx, m.Recipient, ReasonRefused, createdByService, s.o.Now())
	if err != nil {
		s.o.Logger.ErrorContext(ctx, "suppress a refused address", "message", m.ID, "error", err)
		return nil
	}
	suppression.Audit = suppression.Audit.By("service", service).With("message", m.ID).With("reason", ReasonRefused)
	return &suppression
}
