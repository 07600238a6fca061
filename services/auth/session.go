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

// NewSession is a session to store, with what is stored along with it.
type NewSession struct {
	Session
	// Replaces is the hash of the cookie that the browser had until now; nil if
	// it had none.
	Replaces []byte
	// DeviceHash tells the device from the person's others.
	DeviceHash []byte
	// Method is how the person proved who it is: "password", or the name of a
	// provider.
	Method string
	// PasswordHash is what the password was checked against; "" if there was
	// none. The session is refused if it is not the person's any more.
	PasswordHash string
}

// Live reports whether the session may be used at now.
func (s Session) Live(now time.Time) bool {
	return s.EndedAt == nil && now.Before(s.ExpiresAt) && now.Before(s.IdleExpiresAt)
}
