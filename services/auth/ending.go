package auth

// Why a session ended before its time, as events and the audit log say it.
const (
	// EndedSignOut: the person signed out.
	EndedSignOut = "sign_out"
	// EndedRevoked: the person or an administrator ended it.
	EndedRevoked = "revoked"
	// EndedSuspended and EndedDeleted: the account may not act any more.
	EndedSuspended = "suspended"
	EndedDeleted   = "deleted"
	// EndedPassword: the account has another password.
	EndedPassword = "password"
)

// Why an API key, or one secret of it, ended before its time.
const (
	// KeyEndedRevoked: its owner or an administrator revoked it.
	KeyEndedRevoked = "revoked"
	// KeyEndedRotated: another secret has replaced it.
	KeyEndedRotated = "rotated"
	// KeyEndedOwner: its owner is suspended or gone, or has recovered the
	// account with another password.
	KeyEndedOwner = "owner"
)
