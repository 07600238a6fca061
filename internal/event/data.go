package event

import "time"

// UserRestored says that a deleted account is back, as it was. Subject: the
// user id.
type UserRestored struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
}

// UserErased says that the retention of a deleted account is over: whatever
// others still store about the person has to go for good. Subject: the user id.
type UserErased struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
}

// UserEmailChanged says that the person has another address, whoever changed it.
// Subject: the user id.
type UserEmailChanged struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
	// OldEmail: The address until now.
	OldEmail string `json:"old_email"`
	// Email: The new address.
	Email string `json:"email"`
}

// UserRolesChanged says that the person may do something else from now on.
// Subject: the user id.
type UserRolesChanged struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
	// Added: Names of the roles that the person got, sorted.
	Added []string `json:"added"`
	// Removed: Names of the roles that the person lost, sorted.
	Removed []string `json:"removed"`
	// Roles: Names of all roles that the person has now, sorted.
	Roles []string `json:"roles"`
}

// RoleChanged says that a role was made, permits something else, or is gone.
// Subject: the role's name.
type RoleChanged struct {
	// Role: The role's name.
	Role string `json:"role"`
	// Deleted: Whether the role is gone.
	Deleted bool `json:"deleted,omitempty"`
}

// PasswordChanged says that the person has another password. Subject: the user
// id.
type PasswordChanged struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
	// Reason: change: by somebody who knew the old one; reset: by a mailed link.
	Reason string `json:"reason"`
	// Address: IP address of the browser.
	Address string `json:"address,omitempty"`
}

// EmailChangeRequested says that somebody who is signed in wants another address
// for the account; it is not proven yet. Subject: the user id.
type EmailChangeRequested struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
	// OldEmail: The address of the account.
	OldEmail string `json:"old_email"`
	// Email: The address that it shall get.
	Email string `json:"email"`
	// Address: IP address of the browser.
	Address string `json:"address,omitempty"`
}

// NewDevice says that the person signed in on a device that it had not used
// before. Subject: the user id.
type NewDevice struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
	// SessionID: The session that began.
	SessionID string `json:"session_id"`
	// UserAgent: What the browser says that it is.
	UserAgent string `json:"user_agent,omitempty"`
	// Address: IP address of the browser.
	Address string `json:"address,omitempty"`
}

// SessionRevoked says that a sign-in session ended before its time, with
// everything that came of it. Subject: the user id.
type SessionRevoked struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
	// SessionID: The session.
	SessionID string `json:"session_id"`
	// Reason: sign_out, revoked (by the person), suspended, deleted, password.
	Reason string `json:"reason"`
}

// KeyRevoked says that an API key ended before its time. Subject: the owner's
// id.
type KeyRevoked struct {
	// KeyID: The key.
	KeyID string `json:"key_id"`
	// OwnerKind: user or client.
	OwnerKind string `json:"owner_kind"`
	// OwnerID: Whose key it was.
	OwnerID string `json:"owner_id"`
	// Reason: revoked, rotated, owner (suspended, deleted or gone).
	Reason string `json:"reason"`
}

// IdentityLinked says that the person can sign in through a provider from now
// on. Subject: the user id.
type IdentityLinked struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
	// Provider: Name of the provider in the configuration.
	Provider string `json:"provider"`
}

// IdentityUnlinked says that a provider no longer signs the person in.
// Subject: the user id.
type IdentityUnlinked struct {
	// UserID: Id of the person (UUIDv7), the same in all services.
	UserID string `json:"user_id"`
	// Provider: Name of the provider in the configuration.
	Provider string `json:"provider"`
}

// AuditRecorded carries one record of the audit log to the service that keeps
// the log of all. Subject: the record's subject, or its actor. The members are
// those of internal/audit's Record.
type AuditRecorded struct {
	// ID is the record's UUIDv7.
	ID string `json:"id"`
	// Time is when it happened, in UTC.
	Time time.Time `json:"time"`
	// Service is who recorded it: "auth", "user", "email".
	Service string `json:"service"`
	// ActorKind is user, client, service, or "" for nobody; ActorID is whom
	// that kind means; ClientID is the client that it acted through.
	ActorKind string `json:"actor_kind,omitempty"`
	// ActorID is the id of that kind.
	ActorID string `json:"actor_id,omitempty"`
	// ClientID is the OAuth client that the actor used, if any.
	ClientID string `json:"client_id,omitempty"`
	// Action is what was done, such as "user.suspended".
	Action string `json:"action"`
	// SubjectKind is what it was done to: user, client, key, role, session, ...
	SubjectKind string `json:"subject_kind,omitempty"`
	// SubjectID is the id of that kind.
	SubjectID string `json:"subject_id,omitempty"`
	// Outcome is success, failure or denied.
	Outcome string `json:"outcome"`
	// Address is the client's IP address.
	Address string `json:"address,omitempty"`
	// RequestID and TraceID lead to the logs.
	RequestID string `json:"request_id,omitempty"`
	// TraceID is the W3C trace id.
	TraceID string `json:"trace_id,omitempty"`
	// Details says more, without a secret.
	Details map[string]string `json:"details,omitempty"`
}

// The subjects of notices: short messages on core NATS that nobody keeps, for
// whoever holds a copy of something right now.

// NoticePrincipal returns the subject of the notice that what a user or a
// client (kind "user" or "client") may do has changed.
func NoticePrincipal(kind, id string) string { return "gatehouse.notice.principal." + kind + "." + id }

const (
	// NoticePrincipals is the subject of all notices of [NoticePrincipal]. The
	// notice's data is its kind, a space, and its id.
	NoticePrincipals = "gatehouse.notice.principal.>"
	// NoticeRoles is the subject of the notice that what some role permits has
	// changed.
	NoticeRoles = "gatehouse.notice.roles"
)

// NoticeNotification returns the subject of the notice that something happened
// in a user's notifications.
func NoticeNotification(userID string) string { return "gatehouse.notice.notification." + userID }
