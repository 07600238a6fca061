package notification_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gatehouse.example/services/email/notification"
)

func TestNextIDGrows(t *testing.T) {
	candidate := uuid.Must(uuid.NewV7())
	if got := notification.NextID(candidate, uuid.Nil); got != candidate {
		t.Errorf("in an empty inbox: %s", got)
	}
	for name, last := range map[string]string{
		"later":             "ffffffff-0000-7000-8000-000000000000",
		"carry":             "ffffffff-0000-7000-8000-0000000000ff",
		"carry over rand_b": "ffffffff-0000-7000-bfff-ffffffffffff",
		"carry over rand_a": "ffffffff-0000-7fff-bfff-ffffffffffff",
		"the same":          candidate.String(),
	} {
		t.Run(name, func(t *testing.T) {
			last := uuid.MustParse(last)
			got := notification.NextID(candidate, last)
			if bytes.Compare(got[:], last[:]) <= 0 || got.String() <= last.String() {
				t.Errorf("%s does not follow %s", got, last)
			}
			if got.Version() != 7 || got.Variant() != uuid.RFC4122 {
				t.Errorf("%s is no UUIDv7", got)
			}
			if again := notification.NextID(candidate, got); bytes.Compare(again[:], got[:]) <= 0 {
				t.Errorf("%s does not follow %s", again, got)
			}
		})
	}
}

func TestLanguage(t *testing.T) {
	for accept, want := range map[string]string{
		"": "en", "de": "de", "de-AT,en;q=0.5": "de", "en-GB,de;q=0.9": "en", "fr, de;q=0.2": "de",
		"fr": "en", "*": "en", ";;;\xff\x00": "en", strings.Repeat("de,", 5000): "de",
	} {
		if got := notification.Language(accept); got != want {
			t.Errorf("Language(%.40q) = %s, want %s", accept, got, want)
		}
	}
}

// Each type is told in each language, with nothing left open.
func TestEveryTypeHasWords(t *testing.T) {
	data := map[string]string{
		"user_agent": "curl/8", "address": "192.0.2.1", "email": "a@example.com", "old_email": "b@example.com",
		"added": "a", "removed": "b", "provider": "corp", "key_id": "k",
	}
	for _, typ := range []string{
		notification.TypeNewDevice, notification.TypePasswordChanged, notification.TypeEmailChanged, notification.TypeRolesChanged,
		notification.TypeIdentityLinked, notification.TypeIdentityUnlinked, notification.TypeKeyRevoked,
	} {
		told := map[string]bool{}
		for _, reason := range []string{"", "reset", "rotated"} {
			for _, language := range notification.Languages() {
				n := notification.Notification{Type: typ, Data: maps.Clone(data)}
				n.Data["reason"] = reason
				title, body := n.Text(language)
				told[title] = true
				if title == typ || body == "" || strings.ContainsAny(title+body, "{}") || strings.Contains(body, "  ") {
					t.Errorf("%s, %s in %s: %q, %q", typ, reason, language, title, body)
				}
				n.Data = nil
				if _, body := n.Text(language); strings.ContainsAny(body, "{}") || strings.Contains(body, ": .") {
					t.Errorf("%s without data in %s: %q", typ, language, body)
				}
			}
		}
		if len(told) < 2 {
			t.Errorf("%s is told in one language", typ)
		}
	}
	if title, _ := (notification.Notification{Type: "of_the_future"}).Text("de"); title != "of_the_future" {
		t.Errorf("an unknown type: %q", title)
	}
}

func TestApplyLeavesWhatItWasGiven(t *testing.T) {
	no := false
	s := notification.Settings{"product": {notification.ChannelEmail: false}}
	after, err := s.Apply(notification.Patch{Categories: map[string]map[string]*bool{
		"product": {notification.ChannelEmail: nil, notification.ChannelInApp: &no},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Allows("product", notification.ChannelEmail) || !s.Allows("product", notification.ChannelInApp) {
		t.Errorf("changed: %v", s)
	}
	if !after.Allows("product", notification.ChannelEmail) || after.Allows("product", notification.ChannelInApp) {
		t.Errorf("after: %v", after)
	}
	if got := after.Categories("zebra", "product"); !slices.Equal(got, []string{"account", "product", "security", "zebra"}) {
		t.Errorf("categories %v", got)
	}
	// Whatever a table may say, security is on.
	if !(notification.Settings{"security": {notification.ChannelEmail: false}}).Allows("security", notification.ChannelEmail) {
		t.Error("security is off")
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string][2]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  {"Firefox on Linux", "Firefox auf Linux"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0":                   {"Edge on Windows", "Edge auf Windows"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": {"Safari on iPhone", "Safari auf iPhone"},
		"curl/8.5": {"curl", "curl"},
		"<b>":      {"an unknown device", "ein unbekanntes Gerät"},
		"":         {"an unknown device", "ein unbekanntes Gerät"},
	} {
		if en, de := notification.Device(agent, "en"), notification.Device(agent, "de"); en != want[0] || de != want[1] {
			t.Errorf("%q: %q, %q", agent, en, de)
		}
	}
}
