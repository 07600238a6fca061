package auth

import (
	"errors"
	"time"
)

// Identity is an account at a provider that signs a person in here.
type Identity struct {
	ID     string
	UserID string
	// Provider is the name in the configuration, Issuer whom the provider
	// spoke for. Together with Subject they tell the person.
	Provider, Issuer, Subject string
	// Email is the address that the provider told last; "" for none.
	Email      string
	CreatedAt  time.Time
	LastUsedAt time.Time
}

// SocialFlowKind is what a [SocialFlow] is for.
type SocialFlowKind string

// The kinds of flow.
const (
	// SocialSignIn signs in whomever the provider names.
	SocialSignIn SocialFlowKind = "sign_in"
	// SocialLink links whomever the provider names to the session's account.
	SocialLink SocialFlowKind = "link"
	// SocialProve waits for a sign-in to the account that an identity, named
	// already, is to be linked to.
	SocialProve SocialFlowKind = "prove"
)

// SocialFlow is a social sign-in under way in one browser.
type SocialFlow struct {
	// StateHash and BrowserHash are the SHA-256 of the state and of the
	// browser's cookie: one without the other is worth nothing.
	StateHash, BrowserHash []byte
	Kind                   SocialFlowKind
	Provider               string
	// UserID is the account to link to; SessionID the session that asked.
	UserID, SessionID string
	// ReturnTo is the local path at which the person goes on.
	ReturnTo string
	// Issuer, Subject and Email are the identity of a [SocialProve] flow.
	Issuer, Subject, Email string
	CreatedAt, ExpiresAt   time.Time
}

// PendingIdentity is linked when its challenge is met, and by nothing else.
type PendingIdentity struct {
	ChallengeID               string
	UserID                    string
	Provider, Issuer, Subject string
	Email                     string
	CreatedAt, ExpiresAt      time.Time
}

// ErrLastSignInMethod says that the person could not sign in any more.
var ErrLastSignInMethod = errors.New("the last way to sign in")
