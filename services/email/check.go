package email

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Violation is one thing that is wrong with a [Submission].
type Violation struct {
	// Pointer is a JSON pointer (RFC 6901) to its member.
	Pointer string
	// Detail says what is wrong there.
	Detail string
}

// InvalidError lists what is wrong with a [Submission].
type InvalidError struct{ Violations []Violation }

// Error implements error.
func (e *InvalidError) Error() string {
	texts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		texts[i] = v.Pointer + " " + v.Detail
	}
	return "invalid message: " + strings.Join(texts, "; ")
}

func (e *InvalidError) add(pointer, format string, args ...any) {
	e.Violations = append(e.Violations, Violation{pointer, fmt.Sprintf(format, args...)})
}

// lookupTimeout is how long a client waits for a hint that there is no such
// user; the sender asks again in any case.
const lookupTimeout = 2 * time.Second

// localeTag is what we take of BCP 47 (RFC 5646 §2.1): its alphabet.
var localeTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,7}$`)

// check returns an [*InvalidError], or another error where it can't tell.
func (d *Desk) check(ctx context.Context, s Submission) error {
	found := &InvalidError{}
	template, ok := d.o.Catalog.Template(s.Template)
	if ok && template.API {
		found.data(template, s.Data)
	} else {
		found.add("/template", "is none of the templates that clients may send: %s", strings.Join(d.sendable(), ", "))
	}
	if s.Locale != "" && !localeTag.MatchString(s.Locale) {
		found.add("/locale", "is no language tag such as de or de-AT")
	}
	if err := d.recipient(ctx, s, found); err != nil {
		return err
	}
	if len(found.Violations) > 0 {
		return found
	}
	return nil
}

func (d *Desk) sendable() (names []string) {
	for _, t := range d.o.Catalog.Templates() {
		if t.API {
			names = append(names, t.Name)
		}
	}
	return names
}

func (d *Desk) recipient(ctx context.Context, s Submission, found *InvalidError) error {
	switch {
	case (s.UserID == "") == (s.To == ""):
		found.add("", "needs either user_id or to")
	case s.To != "":
		if !IsAddress(s.To) {
			found.add("/to", "is not a bare mail address")
		}
	case uuid.Validate(s.UserID) != nil || len(s.UserID) != 36:
		found.add("/user_id", "is not a UUID")
	default:
		lookup, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		_, err := d.o.Accounts.Account(lookup, s.UserID)
		if errors.Is(err, ErrNoAccount) {
			found.add("/user_id", "there is no such user")
		}
		return ctx.Err()
	}
	return nil
}

// data checks values against what the template declares.
func (e *InvalidError) data(t Template, data map[string]string) {
	for _, v := range t.Variables {
		value, ok := data[v.Name]
		if v.Required && strings.TrimSpace(value) == "" {
			e.add(pointerTo(v.Name), "is required")
			continue
		}
		if ok && value != "" {
			if detail := v.wrong(value); detail != "" {
				e.add(pointerTo(v.Name), "%s", detail)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if !slices.ContainsFunc(t.Variables, func(v Variable) bool { return v.Name == name }) {
			e.add(pointerTo(name), "is no variable of the template %s", t.Name)
		}
	}
}

func pointerTo(name string) string {
	return "/data/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// wrong says what is wrong with a value, "" if nothing is.
func (v Variable) wrong(value string) string {
	switch {
	case !utf8.ValidString(value):
		return "is not valid UTF-8"
	case utf8.RuneCountInString(value) > v.MaxLength:
		return fmt.Sprintf("is longer than %d characters", v.MaxLength)
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && !(v.Multiline && (r == '\n' || r == '\t')) }):
		return "holds a control character"
	case v.Link && !isWebURL(value):
		return "is not an absolute http or https URL"
	}
	return ""
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && !strings.ContainsAny(text, " \"<>\\")
}
