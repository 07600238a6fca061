package rest

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"gatehouse.example/internal/database"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email/notification"
)

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	limit := query.Limit
	query.Limit++ // one more tells whether there is a next page
	found, err := a.o.Inbox.List(r.Context(), query)
	if err != nil {
		return err
	}
	spoken := language(r)
	told := func(n notification.Notification) wire { return wireOf(n, spoken) }
	page := jsonhttp.NewList(found, limit, told, func(n notification.Notification) string { return n.ID })
	w.Header().Add("Vary", "Accept-Language")
	return jsonhttp.Write(w, http.StatusOK, page)
}

func parseQuery(r *http.Request) (notification.Query, error) {
	q := notification.Query{UserID: subject(r)}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, problem.New(http.StatusBadRequest, "invalid_parameter", "the query is not well-formed")
	}
	wrong := func(name, detail string) error {
		return problem.Newf(http.StatusBadRequest, "invalid_parameter", "%s: %s", name, detail).
			With(problem.Violation{In: "query", Name: name, Detail: detail})
	}
	var ok bool
	if q.Limit, ok = jsonhttp.ParseLimit(values.Get("limit")); !ok {
		return q, wrong("limit", "want a number from 1 to "+strconv.Itoa(jsonhttp.MaxLimit))
	}
	switch values.Get("unread") {
	case "true":
		q.Unread = true
	case "", "false":
	default:
		return q, wrong("unread", "want true or false")
	}
	if q.Category = values.Get("category"); q.Category != "" && !notification.ValidCategory(q.Category) {
		return q, wrong("category", "is not a category's name")
	}
	if q.Before, ok = jsonhttp.ParseCursor(values.Get("cursor")); !ok || q.Before != "" && (len(q.Before) != 36 || uuid.Validate(q.Before) != nil) {
		return q, wrong("cursor", "want the next_cursor of a page")
	}
	return q, nil
}

func (a *API) unread(w http.ResponseWriter, r *http.Request) error {
	n, err := a.o.Inbox.Unread(r.Context(), subject(r))
	if err != nil {
		return err
	}
	return jsonhttp.Write(w, http.StatusOK, unreadWire{Unread: n})
}

func (a *API) read(w http.ResponseWriter, r *http.Request) error {
	if err := jsonhttp.ReadOptional(w, r, &struct{}{}); err != nil {
		return err
	}
	n, err := a.o.Inbox.MarkRead(r.Context(), subject(r), r.PathValue("id"), a.clock())
	if err != nil {
		return err
	}
	a.o.Notify(r.Context(), n.UserID)
	w.Header().Add("Vary", "Accept-Language")
	return jsonhttp.Write(w, http.StatusOK, wireOf(n, language(r)))
}

// maxMarked is how many notifications can be named to be marked as read.
const maxMarked = 200

// readAll marks all as read, or those that the body names.
func (a *API) readAll(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		IDs jsontext.Value `json:"ids"`
	}
	if err := jsonhttp.ReadOptional(w, r, &body); err != nil {
		return err
	}
	var ids []string
	if body.IDs != nil {
		ids = []string{}
		// A null that meant nothing would mark all.
		if body.IDs.Kind() != '[' {
			return jsonhttp.Invalid(problem.Violation{Pointer: "/ids", Detail: "must be an array"})
		}
		if err := jsonhttp.Decode(body.IDs, "/ids", &ids); err != nil {
			return err
		}
		if len(ids) > maxMarked {
			return jsonhttp.Invalid(problem.Violation{Pointer: "/ids", Detail: "must not have more than " + strconv.Itoa(maxMarked) + " entries"})
		}
	}
	for i, id := range ids {
		if !database.IsUUID(id) {
			return jsonhttp.Invalid(problem.Violation{Pointer: "/ids/" + strconv.Itoa(i), Detail: "must be the id of a notification"})
		}
	}
	n, err := a.o.Inbox.MarkAllRead(r.Context(), subject(r), ids, a.clock())
	if err != nil {
		return err
	}
	if n > 0 {
		a.o.Notify(r.Context(), subject(r))
	}
	return jsonhttp.Write(w, http.StatusOK, map[string]int{"read": n})
}

func (a *API) delete(w http.ResponseWriter, r *http.Request) error {
	if err := a.o.Inbox.Delete(r.Context(), subject(r), r.PathValue("id")); err != nil {
		return err
	}
	a.o.Notify(r.Context(), subject(r))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
