package event

import "time"

// The sources of events.
const (
	SourceAuth  = "gatehouse/auth"
	SourceUser  = "gatehouse/user"
	SourceEmail = "gatehouse/email"
)

// The types of events, each with the struct of its data.
const (
	TypeUserRegistered        = "gatehouse.user.registered.v1"             // UserRegistered
	TypeUserVerified          = "gatehouse.user.verified.v1"               // UserVerified
	TypeUserUpdated           = "gatehouse.user.updated.v1"                // UserUpdated
	TypeUserSuspended         = "gatehouse.user.suspended.v1"              // UserSuspended
	TypeUserDeleted           = "gatehouse.user.deleted.v1"                // UserDeleted
	TypeVerificationRequested = "gatehouse.auth.verification_requested.v1" // VerificationRequested
	TypeUserRestored          = "gatehouse.user.restored.v1"               // UserRestored
	TypeUserErased            = "gatehouse.user.erased.v1"                 // UserErased
	TypeUserEmailChanged      = "gatehouse.user.email_changed.v1"          // UserEmailChanged
	TypeUserRolesChanged      = "gatehouse.user.roles_changed.v1"          // UserRolesChanged
	TypeRoleChanged           = "gatehouse.role.changed.v1"                // RoleChanged
	TypePasswordChanged       = "gatehouse.auth.password_changed.v1"       // PasswordChanged
	TypeEmailChangeRequested  = "gatehouse.auth.email_change_requested.v1" // EmailChangeRequested
	TypeNewDevice             = "gatehouse.auth.new_device.v1"             // NewDevice
	TypeSessionRevoked        = "gatehouse.auth.session_revoked.v1"        // SessionRevoked
	TypeKeyRevoked            = "gatehouse.auth.key_revoked.v1"            // KeyRevoked
	TypeIdentityLinked        = "gatehouse.auth.identity_linked.v1"        // IdentityLinked
	TypeIdentityUnlinked      = "gatehouse.auth.identity_unlinked.v1"      // IdentityUnlinked
	TypeAuditRecorded         = "gatehouse.audit.recorded.v1"              // AuditRecorded
)

// UserRegistered says that an account exists now. Subject: the user id.
type UserRegistered struct {
	// UserID is the UUIDv7 of the person, the same in all services.
	UserID string `json:"user_id"`
	// Email is the address as it was given, not verified yet.
	Email string `json:"email"`
}

// UserVerified says that the person proved to own the address. Subject: the
// user id.
type UserVerified struct {
	// UserID is the UUIDv7 of the person.
	UserID string `json:"user_id"`
	// Email is the proven address.
	Email string `json:"email"`
}

// UserUpdated says that something about the person changed that others may
// hold a copy of. Subject: the user id.
type UserUpdated struct {
	// UserID is the UUIDv7 of the person.
	UserID string `json:"user_id"`
	// Changed names what changed ("email", "roles", "profile", "status"),
	// sorted; the new values are asked for at the user service.
	Changed []string `json:"changed"`
}

// UserSuspended says that the person may not act until further notice: its
// sessions and keys end. Subject: the user id.
type UserSuspended struct {
	// UserID is the UUIDv7 of the person.
	UserID string `json:"user_id"`
	// Reason is what the administrator noted; may be empty.
	Reason string `json:"reason,omitempty"`
}

// UserDeleted says that the account is shut: its sessions and keys end. It may
// be restored until it is erased; until then others keep their copies and show
// them to nobody. Subject: the user id.
type UserDeleted struct {
	// UserID is the UUIDv7 of the person.
	UserID string `json:"user_id"`
}

// The purposes of a [VerificationRequested].
const (
	PurposeVerifyEmail     = "verify_email"
	PurposeExistingAccount = "existing_account"
	PurposeResetPassword   = "reset_password"
	PurposeChangeEmail     = "change_email"
)

// VerificationRequested asks for a mail with the link of a challenge. It holds
// no link and no code: the email service asks auth for the link when it sends.
// Subject: the user id.
type VerificationRequested struct {
	// ChallengeID is what the link is asked by.
	ChallengeID string `json:"challenge_id"`
	// UserID is the UUIDv7 of the person.
	UserID string `json:"user_id"`
	// Email is the address that the mail goes to.
	Email string `json:"email"`
	// Locale is a BCP 47 tag, or empty.
	Locale string `json:"locale,omitempty"`
	// Purpose is one of the Purpose constants.
	Purpose string `json:"purpose"`
	// ProviderName is what people know the provider by that signs the person in
	// once the link was followed; empty where there is none.
	ProviderName string `json:"provider_name,omitempty"`
	// ExpiresAt is when the challenge ends; a later mail is pointless.
	ExpiresAt time.Time `json:"expires_at"`
}
