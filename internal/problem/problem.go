package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Problem is an error as a client sees it: problem details for HTTP APIs
// (RFC 9457 §3). It must not be changed once it was returned to somebody.
type Problem struct {
	// Type is a URI that names the kind of problem; "" is written as
	// "about:blank", which says that Title is the status text (RFC 9457 §4.2.1).
	Type string `json:"type"`
	// Title is a short summary that is the same for every problem of Type.
	Title string `json:"title"`
	// Status is the HTTP status code, 400 to 599.
	Status int `json:"status"`
	// Detail says what happened this time, in words meant for the client's
	// developer. It must hold no secret.
	Detail string `json:"detail,omitempty"`
	// Instance is a URI of this occurrence, if there is one.
	Instance string `json:"instance,omitempty"`
	// Code is a word that programs compare, such as "email_taken" (an
	// extension member, RFC 9457 §3.2).
	Code string `json:"code,omitempty"`
	// Errors lists the places of the request that are wrong.
	Errors []Violation `json:"errors,omitempty"`
}

// Violation is one thing that is wrong with a request: at Pointer in its body
// or, where In is set, with a parameter.
type Violation struct {
	// Pointer is a JSON pointer (RFC 6901) into the request's body, such as
	// "/email"; "" means the whole body.
	Pointer string `json:"pointer" required:"false"`
	// In is "query", "path", "header" or "cookie", where the parameter called
	// Name is what is wrong; "" for the body.
	In   string `json:"in,omitempty"`
	Name string `json:"name,omitempty"`
	// Detail says what is wrong there.
	Detail string `json:"detail"`
}

// MarshalJSON leaves the pointer out where a parameter is wrong: no pointer
// leads there.
func (v Violation) MarshalJSON() ([]byte, error) {
	if v.In != "" {
		return json.Marshal(struct {
			In     string `json:"in"`
			Name   string `json:"name"`
			Detail string `json:"detail"`
		}{v.In, v.Name, v.Detail})
	}
	return json.Marshal(struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	}{v.Pointer, v.Detail})
}

// Place names what is wrong for a person: the pointer, or the parameter as in
// "query limit".
func (v Violation) Place() string {
	if v.In != "" {
		return v.In + " " + v.Name
	}
	return v.Pointer
}

var _ error = (*Problem)(nil)

// New returns a problem whose title is the status' text.
func New(status int, code, detail string) *Problem {
	return &Problem{Type: aboutBlank, Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Newf is [New] with a formatted detail.
func Newf(status int, code, format string, args ...any) *Problem {
	return New(status, code, fmt.Sprintf(format, args...))
}

// HasStatus reports whether err is a problem with the status, such as the 404
// of another service.
func HasStatus(err error, status int) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Status == status
}

// Error describes the problem for a log.
func (p *Problem) Error() string {
	text := fmt.Sprintf("%d %s", p.Status, p.Title)
	if p.Code != "" {
		text += " (" + p.Code + ")"
	}
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	for _, v := range p.Errors {
		text += fmt.Sprintf("; %s: %s", v.Place(), v.Detail)
	}
	return text
}

// With returns a copy of the problem that lists further violations.
func (p *Problem) With(v ...Violation) *Problem {
	c := *p
	c.Errors = append(append([]Violation(nil), p.Errors...), v...)
	return &c
}

const aboutBlank = "about:blank"

// JSON returns the problem as application/problem+json.
func JSON(p *Problem) []byte {
	c := *p
	if c.Type == "" {
		c.Type = aboutBlank
	}
	if c.Title == "" {
		c.Title = http.StatusText(c.Status)
	}
	// A struct of strings and numbers always encodes.
	data, _ := json.Marshal(&c)
	return append(data, '\n')
}
