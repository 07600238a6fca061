package rest

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"gatehouse.example/internal/api/userapi"
	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/identity"
	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/internal/rbac"
	"gatehouse.example/services/email/notification"
)

// What a client may send, in characters.
const (
	maxTitle = 200
	maxBody  = 4000
	maxLink  = 2048
)

var idempotencyKey = regexp.MustCompile(`^[!-~]{1,255}$`)

// draft is what a client sends. Pointers tell what is missing from what is
// empty.
type draft struct {
	UserID   *string `json:"user_id"`
	Category *string `json:"category"`
	Title    *string `json:"title"`
	Body     *string `json:"body"`
	Link     *string `json:"link"`
}

// suppressedWire is the answer where the person does not want the category.
type suppressedWire struct {
	Suppressed bool   `json:"suppressed"`
	UserID     string `json:"user_id"`
	Category   string `json:"category"`
}

func (a *API) create(w http.ResponseWriter, r *http.Request) error {
	p := identity.PrincipalFrom(r.Context())
	if !rbac.Allowed(p, rbac.MessagesSend) {
		return problem.Newf(http.StatusForbidden, "forbidden", "the permission %s is required", rbac.MessagesSend)
	}
	body, err := jsonhttp.ReadObject(w, r, jsonhttp.TypeJSON)
	if err != nil {
		return err
	}
	var d draft
	if err := jsonhttp.Decode(body, "", &d); err != nil {
		return err
	}
	if wrong := d.check(); len(wrong) > 0 {
		return jsonhttp.Invalid(wrong...)
	}
	c := notification.Creation{Notification: notification.Notification{
		UserID: strings.ToLower(*d.UserID), Category: *d.Category, Type: notification.TypeNotice, Title: *d.Title, Body: *d.Body, CreatedAt: a.clock(),
	}}
	if d.Link != nil {
		c.Notification.Link = *d.Link
	}
	if c.Key, err = keyOf(r, p, body); err != nil {
		return err
	}
	if err := a.exists(r.Context(), c.Notification.UserID); err != nil {
		return err
	}
	c.Record, err = audit.New(r.Context(), "email", "notification.sent_by_client", "user", c.Notification.UserID, a.clock())
	if err != nil {
		return err
	}
	c.Record = c.Record.With("category", c.Notification.Category)
	created, err := a.o.Creator.Create(r.Context(), c)
	if err != nil {
		return err
	}
	n := created.Notification
	if created.Unwanted {
		return jsonhttp.Write(w, http.StatusOK, suppressedWire{Suppressed: true, UserID: n.UserID, Category: n.Category})
	}
	if !created.Repeated {
		a.o.Notify(r.Context(), n.UserID)
	}
	return jsonhttp.Write(w, http.StatusCreated, wireOf(n, language(r)))
}

func keyOf(r *http.Request, p identity.Principal, body []byte) (*notification.IdempotencyKey, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 || !idempotencyKey.MatchString(values[0]) {
		return nil, problem.New(http.StatusBadRequest, "invalid_parameter", "the Idempotency-Key must be 1 to 255 visible ASCII characters").
			With(problem.Violation{In: "header", Name: "Idempotency-Key", Detail: "is not acceptable"})
	}
	sum := sha256.Sum256(body)
	return &notification.IdempotencyKey{Actor: string(p.Kind) + ":" + p.Subject, Key: values[0], Fingerprint: sum[:]}, nil
}

// exists asks whether the person is there: nobody else would ever read it.
func (a *API) exists(ctx context.Context, id string) error {
	account, err := a.o.Accounts.AccountByID(ctx, id)
	if problem.HasStatus(err, http.StatusNotFound) {
		return unknownUser()
	}
	if err == nil && account.Status == userapi.StatusDeleted {
		return unknownUser()
	}
	return err
}

func unknownUser() error {
	return jsonhttp.Invalid(problem.Violation{Pointer: "/user_id", Detail: "is no account's id"})
}

func (d draft) check() (wrong []problem.Violation) {
	add := func(name, detail string) {
		if detail != "" {
			wrong = append(wrong, problem.Violation{Pointer: "/" + name, Detail: detail})
		}
	}
	switch {
	case d.UserID == nil:
		add("user_id", "is missing")
	case len(*d.UserID) != 36 || uuid.Validate(*d.UserID) != nil:
		add("user_id", "must be a UUID")
	}
	switch {
	case d.Category == nil:
		add("category", "is missing")
	case !notification.ValidCategory(*d.Category):
		add("category", "must be a small letter, then up to 63 small letters, digits and . _ -")
	case notification.Locked(*d.Category):
		// Nobody can switch it off, so it is for Gatehouse itself alone.
		add("category", "is reserved")
	}
	add("title", textError(d.Title, maxTitle, false))
	add("body", textError(d.Body, maxBody, true))
	if d.Link != nil {
		add("link", linkError(*d.Link))
	}
	return wrong
}

// textError says what is wrong with a text; "" is nothing.
func textError(text *string, most int, lines bool) string {
	switch {
	case text == nil:
		return "is missing"
	case strings.TrimSpace(*text) == "":
		return "must not be blank"
	case utf8.RuneCountInString(*text) > most:
		return "must not be longer than " + strconv.Itoa(most) + " characters"
	}
	for _, c := range *text {
		if unicode.IsControl(c) && (!lines || c != '\n' && c != '\t' && c != '\r') {
			return "must not contain control characters"
		}
	}
	return ""
}

// linkError accepts what a browser opens at the origin of the application or by
// http(s), and nothing that only looks like it.
func linkError(link string) string {
	const want = "must be a path that begins with one / or an http or https URL"
	if len(link) > maxLink {
		return "must not be longer than " + strconv.Itoa(maxLink) + " bytes"
	}
	for _, c := range link {
		// A browser drops some of them and takes \ for /.
		if c <= ' ' || c == '\\' || unicode.IsControl(c) || unicode.IsSpace(c) {
			return want
		}
	}
	u, err := url.Parse(link)
	if err != nil || u.User != nil {
		return want
	}
	if strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//") {
		return ""
	}
	if (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.Opaque == "" {
		return ""
	}
	return want
}
