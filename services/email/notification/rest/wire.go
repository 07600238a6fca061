package rest

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"gatehouse.example/services/email/notification"
)

type wire struct {
	ID       string `json:"id"`
	UserID   string `json:"user_id"`
	Category string `json:"category"`
	Type     string `json:"type"`
	Title    string `json:"title"`
	Body     string `json:"body"`
	// Link is null where there is nothing to open.
	Link      *string           `json:"link"`
	Data      map[string]string `json:"data"`
	CreatedAt time.Time         `json:"created_at"`
	// ReadAt is null until the person has read it.
	ReadAt *time.Time `json:"read_at"`
}

type unreadWire struct {
	Unread int `json:"unread"`
}

func wireOf(n notification.Notification, language string) wire {
	w := wire{ID: n.ID, UserID: n.UserID, Category: n.Category, Type: n.Type, Data: n.Data, CreatedAt: n.CreatedAt}
	w.Title, w.Body = n.Text(language)
	if n.Link != "" {
		w.Link = &n.Link
	}
	if w.Data == nil {
		w.Data = map[string]string{}
	}
	if !n.ReadAt.IsZero() {
		w.ReadAt = &n.ReadAt
	}
	return w
}

// Represent returns the JSON of a notification as lists have it, in one line
// and in the language that the request asks for.
func Represent(r *http.Request, n notification.Notification) ([]byte, error) {
	return json.Marshal(wireOf(n, language(r)))
}

// language is what the reader reads: the texts are made when somebody reads.
func language(r *http.Request) string {
	return notification.Language(strings.Join(r.Header.Values("Accept-Language"), ","))
}
