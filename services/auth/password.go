package auth

import "time"

// PasswordChange is a new password by somebody who knew the old one.
type PasswordChange struct {
	UserID string
	// OldHash is the hash that the old password was checked against.
	OldHash, NewHash string
	// KeepSessionID is the session that goes on.
	KeepSessionID string
	// Address is the IP address of the browser.
	Address string
	Now     time.Time
}

// PasswordReset is a new password by somebody who read the account's mail.
type PasswordReset struct {
	ChallengeID string
	NewHash     string
	// Address is the IP address of the browser.
	Address string
	Now     time.Time
}
