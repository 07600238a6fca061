package email

import (
	"errors"
	"strings"
	"time"

	"gatehouse.example/internal/event"
)

// The templates of mails that events other than those with a challenge cause.
// The purpose of a challenge is its template's name.
const (
	templateEmailChangeRequested = "email_change_requested"
	templateEmailChanged         = "email_changed"
	templatePasswordChanged      = "password_changed"
	templateNewDevice            = "new_device"
	templateRoleChanged          = "role_changed"
	templateIdentityLinked       = "identity_linked"
	templateIdentityUnlinked     = "identity_unlinked"
	templateAccountSuspended     = "account_suspended"
	templateAccountRestored      = "account_restored"
)

// cause makes a message of the events of one type; one without a template
// where there is nothing to tell.
type cause struct {
	eventType string
	message   func(event.Event) (Message, error)
}

func causes() []cause {
	return []cause{
		{event.TypeVerificationRequested, verificationRequested},
		{event.TypeEmailChangeRequested, causedBy(func(d event.EmailChangeRequested) Message {
			m := Message{Template: templateEmailChangeRequested, UserID: d.UserID, Recipient: d.OldEmail}
			return m.with("new_email", d.Email, "address", d.Address)
		})},
		{event.TypeUserEmailChanged, causedBy(func(d event.UserEmailChanged) Message {
			if AddressKey(d.OldEmail) == AddressKey(d.Email) {
				return Message{} // another spelling of the same address
			}
			return Message{Template: templateEmailChanged, UserID: d.UserID, Recipient: d.OldEmail}.with("new_email", d.Email)
		})},
		{event.TypePasswordChanged, causedBy(func(d event.PasswordChanged) Message {
			return toAccount(templatePasswordChanged, d.UserID).with("reason", d.Reason, "address", d.Address)
		})},
		{event.TypeNewDevice, causedBy(func(d event.NewDevice) Message {
			browser, system := Device(d.UserAgent)
			return toAccount(templateNewDevice, d.UserID).with("browser", browser, "system", system, "address", d.Address)
		})},
		{event.TypeUserRolesChanged, causedBy(func(d event.UserRolesChanged) Message {
			if len(d.Added)+len(d.Removed) == 0 {
				return Message{}
			}
			m := toAccount(templateRoleChanged, d.UserID)
			return m.with("added", strings.Join(d.Added, ", "), "removed", strings.Join(d.Removed, ", "))
		})},
		{event.TypeIdentityLinked, causedBy(func(d event.IdentityLinked) Message {
			return toAccount(templateIdentityLinked, d.UserID).with("provider", d.Provider)
		})},
		{event.TypeIdentityUnlinked, causedBy(func(d event.IdentityUnlinked) Message {
			return toAccount(templateIdentityUnlinked, d.UserID).with("provider", d.Provider)
		})},
		{event.TypeUserSuspended, causedBy(func(d event.UserSuspended) Message {
			// What the administrator noted is not meant for the person.
			return toAccount(templateAccountSuspended, d.UserID)
		})},
		{event.TypeUserRestored, causedBy(func(d event.UserRestored) Message {
			return toAccount(templateAccountRestored, d.UserID)
		})},
	}
}

// verificationRequested makes the mail with the link of a challenge, one for
// each challenge whichever event tells of it.
func verificationRequested(e event.Event) (Message, error) {
	var v event.VerificationRequested
	if err := e.Decode(&v); err != nil {
		return Message{}, err
	}
	if v.ChallengeID == "" || v.Purpose == "" {
		return Message{}, errors.New("challenge_id or purpose is missing")
	}
	m := Message{
		IdempotencyKey: "challenge:" + v.ChallengeID,
		Template:       v.Purpose,
		Locale:         v.Locale,
		Recipient:      v.Email,
		UserID:         v.UserID,
		ChallengeID:    v.ChallengeID,
	}
	if v.ProviderName != "" {
		m = m.with("provider_name", v.ProviderName)
	}
	return m, nil
}

// causedBy is the message function of events with data T: one mail an event,
// which says when it happened.
func causedBy[T any](message func(T) Message) func(event.Event) (Message, error) {
	return func(e event.Event) (Message, error) {
		var data T
		if err := e.Decode(&data); err != nil {
			return Message{}, err
		}
		m := message(data)
		if m.Template == "" {
			return Message{}, nil
		}
		if m.UserID == "" {
			return Message{}, errors.New("user_id is missing")
		}
		m.IdempotencyKey = "event:" + e.ID
		return m.with("time", FormatTime(e.Time)), nil
	}
}

func toAccount(template, userID string) Message {
	return Message{Template: template, UserID: userID, AddressOfAccount: true}
}

// with returns m with further data: names and values in turn.
func (m Message) with(pairs ...string) Message {
	data := make(map[string]string, len(m.Data)+len(pairs)/2)
	for name, value := range m.Data {
		data[name] = value
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		data[pairs[i]] = pairs[i+1]
	}
	m.Data = data
	return m
}

// FormatTime returns t as mails show it.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
