package app

import (
	"net/http"

	notifications "gatehouse.example/services/email/notification/app"
	"gatehouse.example/services/email/notification/rest"
)

func newNotifications(o Options) (*notifications.App, error) {
	// Not as a nil pointer in an interface.
	n := notifications.Options{
		DB: o.DB, Bus: o.Bus, Retention: o.Config.NotificationRetention,
		Logger: o.Logger, Registry: o.Registry, Now: o.Now,
	}
	if o.Users != nil {
		n.Users = o.Users
	}
	return notifications.New(n)
}

// LongLived reports whether the answer to r goes on as long as somebody
// listens.
func (a *App) LongLived(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path == rest.StreamPath
}

// Drain ends the answers that go on and begins no more of them, so that a server
// that shuts down need not wait for them.
func (a *App) Drain() { a.notifications.Drain() }
