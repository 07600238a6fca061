package auth

import "time"

// Session is a person's sign-in in one browser.
type Session struct {
	ID     string
	UserID string
	// CookieHash is the SHA-256 of the cookie's value.
	CookieHash []byte
	CreatedAt  time.Time
	// AuthTime is when the person last proved who it is (auth_time).
	AuthTime   time.Time
	LastSeenAt time.Time
	// ExpiresAt is the absolute end, IdleExpiresAt the end if it is not used.
	ExpiresAt, IdleExpiresAt time.Time
	EndedAt                  *time.Time
	UserAgent                string
	Address                  string
}

// Live reports whether the session may be used at now.
func (s Session) Live(now time.Time) bool {
	return s.EndedAt == nil && now.Before(s.ExpiresAt) && now.Before(s.IdleExpiresAt)
}
