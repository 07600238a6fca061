package event_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"gatehouse.example/internal/event"
	spec "gatehouse.example/pluginspec/event"
)

const person = "01890a5d-ac96-774b-bcce-b302099a8057"

var now = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.FixedZone("CET", 3600))

// samples has each type with all members and with only the required ones.
func samples() map[string][]any {
	return map[string][]any{
		event.TypeUserRegistered:       {event.UserRegistered{UserID: person, Email: "ada@example.com"}},
		event.TypeUserVerified:         {event.UserVerified{UserID: person, Email: "ada@example.com"}},
		event.TypeUserUpdated:          {event.UserUpdated{UserID: person, Changed: []string{"email", "roles"}}},
		event.TypeUserSuspended:        {event.UserSuspended{UserID: person, Reason: "spam"}, event.UserSuspended{UserID: person}},
		event.TypeUserDeleted:          {event.UserDeleted{UserID: person}},
		event.TypeUserRestored:         {event.UserRestored{UserID: person}},
		event.TypeUserErased:           {event.UserErased{UserID: person}},
		event.TypeUserEmailChanged:     {event.UserEmailChanged{UserID: person, OldEmail: "ada@example.com", Email: "ada@example.com"}},
		event.TypeUserRolesChanged:     {event.UserRolesChanged{UserID: person, Added: []string{"editor"}, Removed: []string{"editor"}, Roles: []string{"editor"}}},
		event.TypeRoleChanged:          {event.RoleChanged{Role: "x", Deleted: true}, event.RoleChanged{Role: "x"}},
		event.TypePasswordChanged:      {event.PasswordChanged{UserID: person, Reason: "change", Address: "x"}, event.PasswordChanged{UserID: person, Reason: "change"}},
		event.TypeEmailChangeRequested: {event.EmailChangeRequested{UserID: person, OldEmail: "ada@example.com", Email: "ada@example.com", Address: "x"}, event.EmailChangeRequested{UserID: person, OldEmail: "ada@example.com", Email: "ada@example.com"}},
		event.TypeNewDevice:            {event.NewDevice{UserID: person, SessionID: person, UserAgent: "x", Address: "x"}, event.NewDevice{UserID: person, SessionID: person}},
		event.TypeSessionRevoked:       {event.SessionRevoked{UserID: person, SessionID: person, Reason: "sign_out"}},
		event.TypeKeyRevoked:           {event.KeyRevoked{KeyID: person, OwnerKind: "user", OwnerID: "x", Reason: "revoked"}},
		event.TypeIdentityLinked:       {event.IdentityLinked{UserID: person, Provider: "x"}},
		event.TypeIdentityUnlinked:     {event.IdentityUnlinked{UserID: person, Provider: "x"}},
		event.TypeAuditRecorded: {
			event.AuditRecorded{ID: person, Time: now, Service: "user", ActorKind: "user", ActorID: person, ClientID: "c", Action: "user.suspended", SubjectKind: "user", SubjectID: person, Outcome: "success", Address: "192.0.2.1", RequestID: "r", TraceID: "t", Details: map[string]string{"from": "active"}},
			event.AuditRecorded{ID: person, Time: now, Service: "user", Action: "user.suspended", Outcome: "success"},
		},
		event.TypeVerificationRequested: {
			event.VerificationRequested{ChallengeID: person, UserID: person, Email: "ada@example.com", Locale: "de", Purpose: event.PurposeVerifyEmail, ProviderName: "A forum", ExpiresAt: now},
			event.VerificationRequested{ChallengeID: person, UserID: person, Email: "ada@example.com", Purpose: event.PurposeExistingAccount, ExpiresAt: now},
			event.VerificationRequested{ChallengeID: person, UserID: person, Email: "ada@example.com", Purpose: event.PurposeResetPassword, ExpiresAt: now},
			event.VerificationRequested{ChallengeID: person, UserID: person, Email: "ada@example.com", Purpose: event.PurposeChangeEmail, ExpiresAt: now},
		},
	}
}

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := fs.ReadFile(spec.Schemas, name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEventsFitTheirSchemas(t *testing.T) {
	envelope := schema(t, "envelope.json")
	for typ, all := range samples() {
		t.Run(typ, func(t *testing.T) {
			data := schema(t, typ+".json")
			for _, sample := range all {
				e, err := event.New(event.SourceUser, typ, person, sample, now)
				if err != nil {
					t.Fatal(err)
				}
				e.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
				text, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				if err := envelope.Validate(decode(t, text)); err != nil {
					t.Errorf("envelope: %v", err)
				}
				if err := data.Validate(decode(t, e.Data)); err != nil {
					t.Errorf("data: %v", err)
				}
			}
			sameMembers(t, typ, all[0])
			var empty map[string]any
			if err := data.Validate(empty); err == nil {
				t.Error("the schema accepts data without anything")
			}
		})
	}
}

// sameMembers checks that the full sample has each member of the schema, and
// no other.
func sameMembers(t *testing.T, typ string, sample any) {
	t.Helper()
	text, err := fs.ReadFile(spec.Schemas, typ+".json")
	if err != nil {
		t.Fatal(err)
	}
	var s struct{ Properties map[string]any }
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(sample)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(encoded, &members); err != nil {
		t.Fatal(err)
	}
	keys := func(m map[string]any) map[string]bool {
		set := map[string]bool{}
		for k := range m {
			set[k] = true
		}
		return set
	}
	if d := cmp.Diff(keys(s.Properties), keys(members)); d != "" {
		t.Errorf("members of the schema (-) and of the struct (+):\n%s", d)
	}
}

// Each schema has a sample, and so a struct.
func TestNoSchemaIsAlone(t *testing.T) {
	names, err := fs.Glob(spec.Schemas, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	all := samples()
	for _, name := range names {
		if _, ok := all[strings.TrimSuffix(name, ".json")]; !ok && name != "envelope.json" {
			t.Errorf("%s belongs to no type", name)
		}
	}
}

func TestNewAndParse(t *testing.T) {
	e, err := event.New(event.SourceAuth, event.TypeUserDeleted, person, event.UserDeleted{UserID: person}, now)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := uuid.Parse(e.ID); err != nil || id.Version() != 7 {
		t.Errorf("id %q", e.ID)
	}
	if e.Time.Location() != time.UTC || !e.Time.Equal(now) {
		t.Errorf("time %v", e.Time)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := event.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(e, got); d != "" {
		t.Error(d)
	}
	var data event.UserDeleted
	if err := got.Decode(&data); err != nil || data.UserID != person {
		t.Errorf("data %+v, %v", data, err)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = `{"specversion":"1.0","id":"` + person + `","source":"gatehouse/user","type":"t","subject":"s","time":"2026-01-02T03:04:05Z","data":{}}`
	if _, err := event.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"no JSON":        {`{`, ``},
		"another spec":   {`"1.0"`, `"0.3"`},
		"no source":      {`gatehouse/user`, ``},
		"no type":        {`"type":"t"`, `"type":""`},
		"no subject":     {`"subject":"s"`, `"subject":""`},
		"id is no UUID":  {person, `1`},
		"time is a word": {`2026-01-02T03:04:05Z`, `now`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := event.Parse([]byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"` + person + `","source":"s","type":"t","subject":"s","data":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := event.Parse(text)
		if err != nil {
			return
		}
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
