package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/problem"
)

// fixed answers a document, as the service it stands for does.
func fixed(document string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, document)
	}
}

// refuse answers a problem.
func refuse(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(status, code, "this needs the permission "+code))
	}
}

func account(id, name string) string {
	return fmt.Sprintf(`{"id":%q,"email":"%[2]s@example.com","email_verified":true,"username":%[2]q,"status":"active","roles":["user"],
		"profile":{"given_name":%[2]q,"locale":"en-GB","address":{"country":"UK"},"attributes":{"team":{"size":3}}},
		"created_at":"2026-11-23T10:00:00Z","updated_at":"2026-11-23T11:00:00Z"}`, id, name)
}

// permitted is who may read others.
func permitted(r *http.Request) bool {
	return identity.PrincipalFrom(r.Context()).HasScope("users:read")
}

func userRoutes() map[string]http.HandlerFunc {
	accounts := map[string]string{ada: account(ada, "ada"), bob: account(bob, "bob")}
	routes := map[string]http.HandlerFunc{
		"/v1/me": func(w http.ResponseWriter, r *http.Request) {
			fixed(accounts[identity.PrincipalFrom(r.Context()).Subject])(w, r)
		},
		"/v1/users": func(w http.ResponseWriter, r *http.Request) {
			if !permitted(r) {
				refuse(http.StatusForbidden, "users:read")(w, r)
				return
			}
			var found []string
			for id := range strings.SplitSeq(r.URL.Query().Get("ids"), ",") {
				if a, ok := accounts[id]; ok {
					found = append(found, a)
				}
			}
			fixed(`{"items":[`+strings.Join(found, ",")+`],"next_cursor":null}`)(w, r)
		},
	}
	for _, id := range []string{ada, bob, nobody} {
		below := "/v1/users/" + id
		guarded := func(h http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				switch {
				case identity.PrincipalFrom(r.Context()).Subject != id && !permitted(r):
					refuse(http.StatusForbidden, "users:read")(w, r)
				case accounts[id] == "":
					refuse(http.StatusNotFound, "user_not_found")(w, r)
				default:
					h(w, r)
				}
			}
		}
		routes[below] = guarded(fixed(accounts[id]))
		routes[below+"/roles"] = guarded(fixed(`{"roles":["user"],"permissions":["docs:read"]}`))
		routes[below+"/preferences"] = guarded(fixed(`{"items":[
			{"namespace":"mail","value":{"daily":true},"updated_at":"2026-11-23T11:00:00Z"},
			{"namespace":"ui","value":{"theme":"dark","columns":[1,2]},"updated_at":"2026-11-23T11:00:00Z"}],"next_cursor":null}`))
	}
	return routes
}

func authRoutes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"/v1/sessions": func(w http.ResponseWriter, r *http.Request) {
		if of := r.URL.Query().Get("user_id"); of != "" && !identity.PrincipalFrom(r.Context()).HasScope("sessions:read") {
			refuse(http.StatusForbidden, "sessions:read")(w, r)
			return
		}
		fixed(`{"items":[{"id":"s1","current":true,"device":"Firefox on Linux","user_agent":"Mozilla","address":"192.0.2.1",
			"created_at":"2026-11-23T10:00:00Z","auth_time":"2026-11-23T10:00:00Z","last_seen_at":"2026-11-23T11:00:00Z","expires_at":"2026-12-23T10:00:00Z"}],
			"next_cursor":null}`)(w, r)
	}}
}

const notification = `{"id":"n1","user_id":"u","category":"security","type":"new_device","title":"New sign-in","body":"Firefox on Linux","link":null,"data":{"device":"Firefox"},"created_at":"2026-11-23T11:00:00Z","read_at":null}`

func emailRoutes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/v1/notifications":              fixed(`{"items":[` + notification + `],"next_cursor":"next"}`),
		"/v1/notifications/unread-count": fixed(`{"unread":3}`),
	}
}
