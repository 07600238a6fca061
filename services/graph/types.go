package graph

import "time"

// Preference is what one application keeps for a person.
type Preference struct {
	Namespace string     `json:"namespace"`
	Value     JSON       `json:"value"`
	UpdatedAt *time.Time `json:"updated_at"`
}

// Session is a sign-in that has not ended.
type Session struct {
	ID         string     `json:"id"`
	Current    bool       `json:"current"`
	Device     *string    `json:"device"`
	UserAgent  *string    `json:"user_agent"`
	Address    *string    `json:"address"`
	CreatedAt  *time.Time `json:"created_at"`
	LastSeenAt *time.Time `json:"last_seen_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

// NotificationPage is a page of the caller's inbox.
type NotificationPage struct {
	Items      []Notification `json:"items"`
	NextCursor *string        `json:"next_cursor"`
}

// Notification is something that a person was told.
type Notification struct {
	ID        string     `json:"id"`
	Category  string     `json:"category"`
	Type      string     `json:"type"`
	Title     string     `json:"title"`
	Body      string     `json:"body"`
	Link      *string    `json:"link"`
	Data      JSON       `json:"data"`
	CreatedAt *time.Time `json:"created_at"`
	// ReadAt is nil while it is unread.
	ReadAt *time.Time `json:"read_at"`
}

// MaxLimit is the most items that a list can be asked for.
const MaxLimit = 200
