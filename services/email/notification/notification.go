package notification

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// The built-in categories. API clients may use any other well-formed name; see
// [ValidCategory].
const (
	// CategorySecurity can't be switched off.
	CategorySecurity = "security"
	CategoryAccount  = "account"
	CategoryProduct  = "product"
)

// The channels that a person is told by.
const (
	ChannelEmail = "email"
	ChannelInApp = "in_app"
)

// Channels returns all channels, sorted.
func Channels() []string { return []string{ChannelEmail, ChannelInApp} }

// Categories returns the built-in categories, sorted.
func Categories() []string { return []string{CategoryAccount, CategoryProduct, CategorySecurity} }

var category = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,63}$`)

// ValidCategory reports whether the name is one that a category may have: a
// small letter, then up to 63 small letters, digits and . _ -
func ValidCategory(name string) bool { return category.MatchString(name) }

// Locked reports whether a person may not switch the category off.
func Locked(category string) bool { return category == CategorySecurity }

// The built-in types. What API clients create has TypeNotice.
const (
	TypeNewDevice        = "new_device"
	TypePasswordChanged  = "password_changed"
	TypeEmailChanged     = "email_changed"
	TypeRolesChanged     = "roles_changed"
	TypeIdentityLinked   = "identity_linked"
	TypeIdentityUnlinked = "identity_unlinked"
	TypeKeyRevoked       = "key_revoked"
	TypeNotice           = "notice"
)

// Notification is one thing that one person is told.
type Notification struct {
	// ID is a UUIDv7 that the store gives. Within one person's inbox a later
	// notification has a higher id, whatever the clocks of the processes say.
	ID string
	// UserID is whom it is for.
	UserID string
	// Category is what a person switches on and off; see [ValidCategory].
	Category string
	// Type names what happened; one of the Type constants.
	Type string
	// Title and Body are set for [TypeNotice] alone; see [Notification.Text].
	Title, Body string
	// Link is a local path or an http(s) URL to open; may be empty.
	Link string
	// Data is what the text of a built-in type is made of. No secret.
	Data map[string]string
	// Cause identifies what caused it: there is one notification a cause.
	// Empty for what API clients create.
	Cause     string
	CreatedAt time.Time
	// ReadAt is zero until the person has read it.
	ReadAt time.Time
}

// Settings is what a person chose: category → channel → enabled. What is not in
// it is on.
type Settings map[string]map[string]bool

// Allows reports whether the person wants to be told of the category by the
// channel. A locked category is always told.
func (s Settings) Allows(category, channel string) bool {
	if Locked(category) {
		return true
	}
	enabled, chosen := s[category][channel]
	return enabled || !chosen
}

// Categories returns the built-in categories, those chosen about and others,
// sorted and without duplicates.
func (s Settings) Categories(others ...string) []string {
	all := slices.AppendSeq(slices.Concat(Categories(), others), maps.Keys(s))
	slices.Sort(all)
	return slices.Compact(all)
}

var (
	// ErrNotFound says that the person has no such notification.
	ErrNotFound = errors.New("notification not found")
	// ErrErased says that the person is gone for good.
	ErrErased = errors.New("the person was erased")
	// ErrKeyReused says that the idempotency key came with another request.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
	// ErrMalformed says that an event can't become a notification, now or later.
	ErrMalformed = errors.New("malformed event")
)

// NextID returns candidate, or an id right after last where candidate is not
// higher: ids made at the same time, or by a clock that runs behind, still
// grow. Both are UUIDv7; last may be the nil UUID.
func NextID(candidate, last uuid.UUID) uuid.UUID {
	if slices.Compare(candidate[:], last[:]) > 0 {
		return candidate
	}
	next := last
	// The version is in the upper half of byte 6, the variant in the upper two
	// bits of byte 8 (RFC 9562 §4.1): they stay as they are.
	for i := len(next) - 1; i >= 0; i-- {
		fixed := map[int]byte{6: 0xf0, 8: 0xc0}[i]
		counted := (next[i] + 1) &^ fixed
		next[i] = next[i]&fixed | counted
		if counted != 0 {
			break
		}
	}
	return next
}
