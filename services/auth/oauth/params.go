package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// maxFormBytes bounds a form; the longest parameters are tokens and hints.
const maxFormBytes = 64 << 10

// Params are the parameters of a request, each at most once but resource
// (RFC 8707 §2). One without a value counts as absent (RFC 6749 §3.1).
type Params struct{ values url.Values }

// Get returns the parameter, or "".
func (p Params) Get(name string) string { return p.values.Get(name) }

// Has reports whether the parameter is there with a value.
func (p Params) Has(name string) bool { return p.values.Get(name) != "" }

// Resources returns every resource parameter.
func (p Params) Resources() []string { return p.values["resource"] }

// Encode returns the parameters as a query string, sorted by name.
func (p Params) Encode() string { return p.values.Encode() }

// Without returns a copy that lacks the named parameter.
func (p Params) Without(name string) Params {
	c := url.Values{}
	for k, v := range p.values {
		if k != name {
			c[k] = v
		}
	}
	return Params{c}
}

// With returns a copy in which the parameter has the value.
func (p Params) With(name, value string) Params {
	c := p.Without(name)
	c.values.Set(name, value)
	return c
}

// ParseQuery reads a query string. Parameters that occur twice are an
// invalid_request; what could be read is returned all the same, so that an
// authorization endpoint may still find a redirect URI that is not in doubt.
func ParseQuery(query string) (Params, error) {
	values, err := url.ParseQuery(query)
	p, strictErr := strict(values)
	if err != nil {
		return p, Errorf(InvalidRequest, "malformed query")
	}
	return p, strictErr
}

// ParseForm reads an application/x-www-form-urlencoded body (RFC 6749 §3.2).
// Parameters in the URI do not count: secrets must not be there (§2.3.1).
func ParseForm(w http.ResponseWriter, r *http.Request) (Params, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return Params{}, Errorf(InvalidRequest, "the body must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFormBytes))
	if err != nil {
		if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
			return Params{}, &Error{Code: InvalidRequest, Description: "the body is too large", Status: http.StatusRequestEntityTooLarge}
		}
		return Params{}, Errorf(InvalidRequest, "the body could not be read")
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return Params{}, Errorf(InvalidRequest, "malformed form")
	}
	return strict(values)
}

func strict(values url.Values) (Params, error) {
	var bad *Error
	kept := url.Values{}
	for name, all := range values {
		var present []string
		for _, v := range all {
			if !utf8.ValidString(v) || containsNUL(v) {
				bad = Errorf(InvalidRequest, "a parameter is not valid UTF-8 text")
				continue
			}
			if v != "" {
				present = append(present, v)
			}
		}
		switch {
		case len(present) == 0:
		case len(all) > 1 && name != "resource":
			// The parameter is in doubt, so it is left out altogether.
			bad = Errorf(InvalidRequest, "a parameter occurs more than once")
		default:
			kept[name] = present
		}
	}
	if bad != nil {
		return Params{kept}, bad
	}
	return Params{kept}, nil
}

// containsNUL finds the one character that PostgreSQL's text cannot hold.
func containsNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}
