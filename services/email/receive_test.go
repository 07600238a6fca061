package email_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse.example/internal/event"
	"gatehouse.example/services/email"
)

// intake remembers what it was given; the real one is tested in postgres.
type intake struct {
	queued    []email.Message
	withdrawn []string
	forgotten []string
}

func (i *intake) EnqueueOnce(_ context.Context, _ event.Event, m email.Message) (bool, error) {
	i.queued = append(i.queued, m)
	return true, nil
}

func (i *intake) WithdrawOnce(_ context.Context, _ event.Event, userID string, _ time.Time) error {
	i.withdrawn = append(i.withdrawn, userID)
	return nil
}

func (i *intake) ForgetOnce(_ context.Context, _ event.Event, userID string) error {
	i.forgotten = append(i.forgotten, userID)
	return nil
}

var happened = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newEvent(t *testing.T, typ string, data any) event.Event {
	t.Helper()
	e, err := event.New(event.SourceUser, typ, "ada", data, happened)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

func TestCauses(t *testing.T) {
	id := uuid.NewString()
	const at = "2026-01-02 03:04 UTC"
	toAccount := func(template string, data map[string]string) *email.Message {
		return &email.Message{Template: template, UserID: id, AddressOfAccount: true, Data: data}
	}
	tests := []struct {
		name string
		typ  string
		data any
		want *email.Message
	}{
		{"change requested", event.TypeEmailChangeRequested,
			event.EmailChangeRequested{UserID: id, OldEmail: "old@example.com", Email: "new@example.com", Address: "192.0.2.1"},
			&email.Message{Template: "email_change_requested", UserID: id, Recipient: "old@example.com",
				Data: map[string]string{"new_email": "new@example.com", "address": "192.0.2.1", "time": at}}},
		{"changed", event.TypeUserEmailChanged,
			event.UserEmailChanged{UserID: id, OldEmail: "old@example.com", Email: "new@example.com"},
			&email.Message{Template: "email_changed", UserID: id, Recipient: "old@example.com",
				Data: map[string]string{"new_email": "new@example.com", "time": at}}},
		{"only its spelling changed", event.TypeUserEmailChanged,
			event.UserEmailChanged{UserID: id, OldEmail: "Ada@Example.com", Email: "ada@example.com"}, nil},
		{"password", event.TypePasswordChanged, event.PasswordChanged{UserID: id, Reason: "reset", Address: "192.0.2.1"},
			toAccount("password_changed", map[string]string{"reason": "reset", "address": "192.0.2.1", "time": at})},
		{"device", event.TypeNewDevice, event.NewDevice{UserID: id, SessionID: "s", UserAgent: firefox, Address: "192.0.2.1"},
			toAccount("new_device", map[string]string{"browser": "Firefox", "system": "Linux", "address": "192.0.2.1", "time": at})},
		{"roles", event.TypeUserRolesChanged, event.UserRolesChanged{UserID: id, Added: []string{"auditor", "editor"}, Removed: []string{"admin"}},
			toAccount("role_changed", map[string]string{"added": "auditor, editor", "removed": "admin", "time": at})},
		{"roles as before", event.TypeUserRolesChanged, event.UserRolesChanged{UserID: id, Roles: []string{"user"}}, nil},
		{"linked", event.TypeIdentityLinked, event.IdentityLinked{UserID: id, Provider: "corp"},
			toAccount("identity_linked", map[string]string{"provider": "corp", "time": at})},
		{"unlinked", event.TypeIdentityUnlinked, event.IdentityUnlinked{UserID: id, Provider: "corp"},
			toAccount("identity_unlinked", map[string]string{"provider": "corp", "time": at})},
		{"suspended", event.TypeUserSuspended, event.UserSuspended{UserID: id, Reason: "known only to us"},
			toAccount("account_suspended", map[string]string{"time": at})},
		{"restored", event.TypeUserRestored, event.UserRestored{UserID: id},
			toAccount("account_restored", map[string]string{"time": at})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !slices.Contains(email.EventTypes(), test.typ) {
				t.Errorf("%s is not consumed", test.typ)
			}
			var in intake
			e := newEvent(t, test.typ, test.data)
			if err := email.NewReceiver(&in, func() time.Time { return happened }, nil).Handle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if test.want == nil {
				if len(in.queued) != 0 {
					t.Errorf("queued %+v", in.queued)
				}
				return
			}
			want := *test.want
			want.ID, want.IdempotencyKey, want.State = in.queued[0].ID, "event:"+e.ID, email.StateQueued
			want.DueAt, want.CreatedAt, want.UpdatedAt = happened, happened, happened
			if diff := cmp.Diff([]email.Message{want}, in.queued); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPurposes(t *testing.T) {
	for _, purpose := range []string{event.PurposeVerifyEmail, event.PurposeExistingAccount, event.PurposeResetPassword, event.PurposeChangeEmail} {
		var in intake
		e := newEvent(t, event.TypeVerificationRequested, event.VerificationRequested{ChallengeID: "c", UserID: uuid.NewString(), Email: "ada@example.com", Purpose: purpose, ProviderName: "A forum"})
		if err := email.NewReceiver(&in, nil, nil).Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if m := in.queued[0]; m.Template != purpose || m.Recipient != "ada@example.com" || m.AddressOfAccount || m.IdempotencyKey != "challenge:c" || m.Data["provider_name"] != "A forum" {
			t.Errorf("%s: %+v", purpose, m)
		}
	}
}

func TestTakeBack(t *testing.T) {
	var in intake
	r := email.NewReceiver(&in, nil, nil)
	id := uuid.NewString()
	for typ, data := range map[string]any{event.TypeUserDeleted: event.UserDeleted{UserID: id}, event.TypeUserErased: event.UserErased{UserID: id}} {
		if err := r.Handle(t.Context(), newEvent(t, typ, data)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([][]string{{id}, {id}}, [][]string{in.withdrawn, in.forgotten}); diff != "" {
		t.Errorf("withdrawn and forgotten (-want +got):\n%s", diff)
	}
}

// What can't become a mail is given up, and nothing of it gets anywhere.
func TestMalformed(t *testing.T) {
	for _, typ := range email.EventTypes() {
		for _, data := range []string{`{}`, `[]`, `null`, `{"user_id":"7"}`, `{"user_id":7}`, `{"user_id":"\u0000"}`} {
			var in intake
			e := newEvent(t, typ, struct{}{})
			e.Data = []byte(data)
			err := email.NewReceiver(&in, nil, nil).Handle(t.Context(), e)
			nothing := typ == event.TypeUserRolesChanged || typ == event.TypeUserEmailChanged
			if nothing && err == nil && len(in.queued) == 0 {
				continue
			}
			if !errors.Is(err, email.ErrMalformed) || len(in.queued)+len(in.withdrawn)+len(in.forgotten) != 0 {
				t.Errorf("%s %s: %v, %+v", typ, data, err, in)
			}
		}
	}
	e := newEvent(t, event.TypeUserEmailChanged, event.UserEmailChanged{UserID: uuid.NewString(), OldEmail: "old@example.com>\r\nBcc: eve@example.com", Email: "x@example.com"})
	if err := email.NewReceiver(&intake{}, nil, nil).Handle(t.Context(), e); !errors.Is(err, email.ErrMalformed) {
		t.Errorf("an address with a line break: %v", err)
	}
}

// While processes of two versions run, the older leaves events to the newer.
func TestUnknownEventIsLeftToOthers(t *testing.T) {
	var in intake
	err := email.NewReceiver(&in, nil, nil).Handle(t.Context(), newEvent(t, "gatehouse.user.born.v9", struct{}{}))
	if err == nil || errors.Is(err, email.ErrMalformed) || len(in.queued) != 0 {
		t.Errorf("handled: %v, %+v", err, in)
	}
}

// Whatever passes for an address is one line and one mailbox.
func FuzzIsAddress(f *testing.F) {
	for _, seed := range []string{"ada@example.com", "Ada <ada@example.com>", "a@b\r\nBcc: c@d", `"a b"@example.com`, "a@[192.0.2.1]", "(c)a@b", "a@b,c@d", "ü@ö"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !email.IsAddress(text) {
			return
		}
		if strings.ContainsAny(text, "\r\n\x00 <>") || !strings.Contains(text, "@") {
			t.Errorf("%q is an address", text)
		}
		if key := email.AddressKey(text); key == "" || email.AddressKey(key) != key {
			t.Errorf("%q has the key %q", text, key)
		}
	})
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string][2]string{
		firefox: {"Firefox", "Linux"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0":                  {"Edge", "Windows"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15":                     {"Safari", "macOS"},
		"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36":                               {"Chrome", "Android"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1": {"Chrome", "iPhone"},
		"<script>alert(1)</script>": {"", ""},
		"":                          {"", ""},
	} {
		browser, system := email.Device(agent)
		if browser != want[0] || system != want[1] {
			t.Errorf("%q: %q on %q", agent, browser, system)
		}
	}
}

func TestIsAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"ada@example.com": true, "o'hara+x@example.com": true, "jürgen@example.com": true,
		"": false, "ada": false, "Ada <ada@example.com>": false, "<ada@example.com>": false, "ada@example.com, bob@example.com": false,
		"ada@example.com\r\nBcc: eve@example.com": false, "ada\x00@example.com": false, " ada@example.com": false, "\xff@example.com": false,
	} {
		if email.IsAddress(address) != want {
			t.Errorf("%q: %t", address, !want)
		}
	}
	if long := string(make([]byte, 300)); email.IsAddress(long) {
		t.Error("a long address")
	}
}
