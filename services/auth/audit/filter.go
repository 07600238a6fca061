package audit

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse.example/internal/audit"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
	"gatehouse.example/services/auth/rest"
)

const maxParameterCharacters = 200

// parameters read the query of a list into a filter. They return what is wrong
// with the value, or "".
var parameters = map[string]func(f *auth.AuditFilter, value string) string{
	"actor_id":   func(f *auth.AuditFilter, v string) string { f.ActorID = v; return "" },
	"subject_id": func(f *auth.AuditFilter, v string) string { f.SubjectID = v; return "" },
	"service":    func(f *auth.AuditFilter, v string) string { f.Service = v; return "" },
	"action":     readAction,
	"outcome":    readOutcome,
	"since":      func(f *auth.AuditFilter, v string) string { return readTime(&f.Since, v) },
	"until":      func(f *auth.AuditFilter, v string) string { return readTime(&f.Until, v) },
	// rest.ReadPage reads these.
	"limit":  func(*auth.AuditFilter, string) string { return "" },
	"cursor": func(*auth.AuditFilter, string) string { return "" },
}

// readFilter reads the query. A parameter that is not known is refused: a
// misspelt filter would show other records than the reader thinks.
func readFilter(rawQuery string) (auth.AuditFilter, error) {
	var f auth.AuditFilter
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return f, problem.New(http.StatusBadRequest, rest.CodeParameter, "the query is not well-formed")
	}
	var wrong []problem.Violation
	for name, values := range query {
		read, known := parameters[name]
		detail := ""
		switch {
		case !known:
			name, detail = strings.ToValidUTF8(name, "?"), "is not known here"
		case len(values) > 1:
			detail = "is there more than once"
		case !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0) || utf8.RuneCountInString(values[0]) > maxParameterCharacters:
			detail = fmt.Sprintf("must be a text of up to %d characters", maxParameterCharacters)
		case values[0] != "":
			detail = read(&f, values[0])
		}
		if detail != "" {
			wrong = append(wrong, problem.Violation{In: "query", Name: name, Detail: detail})
		}
	}
	if len(wrong) == 0 && !f.Since.IsZero() && !f.Until.IsZero() && f.Until.Before(f.Since) {
		wrong = append(wrong, problem.Violation{In: "query", Name: "until", Detail: "must not be before since"})
	}
	if len(wrong) > 0 {
		slices.SortFunc(wrong, func(a, b problem.Violation) int { return strings.Compare(a.Name, b.Name) })
		return f, problem.New(http.StatusBadRequest, rest.CodeParameter, "the query does not fit").With(wrong...)
	}
	return f, nil
}

var actionPattern = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?$`)

func readAction(f *auth.AuditFilter, v string) string {
	if !actionPattern.MatchString(v) {
		return `must be an action such as "user.suspended", or "user.*"`
	}
	f.Action = v
	return ""
}

func readOutcome(f *auth.AuditFilter, v string) string {
	if !validOutcome(audit.Outcome(v)) {
		return "must be success, failure or denied"
	}
	f.Outcome = audit.Outcome(v)
	return ""
}

func validOutcome(o audit.Outcome) bool {
	return o == audit.Success || o == audit.Failure || o == audit.Denied
}

func readTime(to *time.Time, v string) string {
	at, err := time.Parse(time.RFC3339, v)
	// PostgreSQL's timestamps begin and end somewhere.
	if err != nil || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		return "must be a time such as 2026-01-02T03:04:05Z (RFC 3339)"
	}
	*to = at
	return ""
}
