package filterrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	kitv1 "gatehouse.example/pluginspec/filter/kit/v1"
)

// Cases is a file of cases: what a filter is started with, and requests with
// what should become of them. They run in order on one started filter, so that
// what one leaves (a limit, a memory) the next finds; a case with a
// configuration or grants of its own starts another.
type Cases struct {
	Config json.RawMessage `json:"config,omitempty"`
	Grants []string        `json:"grants,omitempty"`
	// Tokens and Keys are the credentials that the host knows.
	Tokens []kitv1.Credential `json:"tokens,omitempty"`
	Keys   []kitv1.Credential `json:"keys,omitempty"`
	Cases  []Case             `json:"cases"`
}

// Case is a request and what should become of it.
type Case struct {
	Name   string          `json:"name"`
	Config json.RawMessage `json:"config,omitempty"`
	Grants []string        `json:"grants,omitempty"`
	// Advance moves the clock on before the request: "1m".
	Advance string `json:"advance,omitempty"`
	// Request is what the client sends, Response what the upstream answers.
	Request  Message `json:"request"`
	Response Message `json:"response"`
	Expect   Expect  `json:"expect"`
}

// Message is a request or a response.
type Message struct {
	Method     string            `json:"method,omitempty"`
	URI        string            `json:"uri,omitempty"`
	Source     string            `json:"source,omitempty"`
	Route      string            `json:"route,omitempty"`
	Status     int               `json:"status,omitempty"`
	Header     map[string]string `json:"header,omitempty"`
	Body       string            `json:"body,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Expect is what should become of a request. What is not named is not looked
// at.
type Expect struct {
	// Answered is whether the filter answers itself.
	Answered *bool `json:"answered,omitempty"`
	// Status, Header and Body are those of the response. A header value null
	// means that the field is not there.
	Status int                `json:"status,omitempty"`
	Header map[string]*string `json:"header,omitempty"`
	Body   *string            `json:"body,omitempty"`
	// Request is the request as the upstream gets it.
	Request struct {
		Method string             `json:"method,omitempty"`
		URI    string             `json:"uri,omitempty"`
		Header map[string]*string `json:"header,omitempty"`
		Body   *string            `json:"body,omitempty"`
	} `json:"request"`
	// Attributes are what the filter leaves for others.
	Attributes map[string]*string `json:"attributes,omitempty"`
	// Refused is a part of the reason why the filter does not start.
	Refused string `json:"refused,omitempty"`
	// Trap is a part of the reason why the filter fails on the request.
	Trap string `json:"trap,omitempty"`
}

// ReadCases reads a file of cases.
//
// # Errors
//
// The file cannot be read or has an unknown field; the error names it.
func ReadCases(file string) (Cases, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Cases{}, err
	}
	var c Cases
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Cases{}, fmt.Errorf("read cases %q: %w", file, err)
	}
	if len(c.Cases) == 0 {
		return Cases{}, fmt.Errorf("read cases %q: there are none under \"cases\"", file)
	}
	return c, nil
}

// ErrFailed says that cases have failed; they were printed.
var ErrFailed = errors.New("the filter does not do what the cases expect")

// RunCases runs all cases on the module and prints a line for each.
//
// # Errors
//
// [ErrFailed], or the host does not start.
func RunCases(ctx context.Context, module string, c Cases, out io.Writer, o Options) (err error) {
	r := runner{module: module, cases: c, out: out, options: o}
	defer func() { err = errors.Join(err, r.close(context.WithoutCancel(ctx))) }()
	failed := 0
	for i := range c.Cases {
		problems, err := r.one(ctx, &c.Cases[i])
		if err != nil {
			return err
		}
		name := c.Cases[i].Name
		if name == "" {
			name = fmt.Sprintf("case %d", i+1)
		}
		if len(problems) == 0 {
			fmt.Fprintf(out, "PASS  %s  (%d fuel)\n", name, r.fuel)
			r.printLogs()
			continue
		}
		failed++
		fmt.Fprintf(out, "FAIL  %s\n", name)
		for _, p := range problems {
			fmt.Fprintf(out, "      %s\n", p)
		}
		r.printLogs()
	}
	fmt.Fprintf(out, "%d of %d cases pass\n", len(c.Cases)-failed, len(c.Cases))
	if failed > 0 {
		return ErrFailed
	}
	return nil
}

type runner struct {
	module  string
	cases   Cases
	out     io.Writer
	options Options
	shared  *Session
	// fuel and logs are of the last case.
	fuel int64
	logs []string
}

// printLogs prints what the filter has logged or printed: that is how authors
// look into it.
func (r *runner) printLogs() {
	for _, line := range r.logs {
		fmt.Fprintf(r.out, "      log: %s\n", line)
	}
}

func (r *runner) close(ctx context.Context) error {
	if r.shared == nil {
		return nil
	}
	return r.shared.Close(ctx)
}

// session returns the filter that a case wants, and what closes it.
func (r *runner) session(ctx context.Context, c *Case) (*Session, func(), error) {
	start := kitv1.Start{Config: r.cases.Config, Grants: r.cases.Grants, GrantNeeds: true, Tokens: r.cases.Tokens, Keys: r.cases.Keys}
	own := c.Config != nil || c.Grants != nil || c.Expect.Refused != ""
	if !own && r.shared != nil {
		return r.shared, func() {}, nil
	}
	if c.Config != nil {
		start.Config = c.Config
	}
	if c.Grants != nil {
		start.Grants = c.Grants
	}
	s, err := Open(ctx, r.module, start, r.options)
	if err != nil {
		return nil, nil, err
	}
	if !own {
		r.shared = s
		return s, func() {}, nil
	}
	return s, func() { _ = s.Close(context.WithoutCancel(ctx)) }, nil
}

// one runs a case and returns what differs.
func (r *runner) one(ctx context.Context, c *Case) ([]string, error) {
	r.fuel, r.logs = 0, nil
	s, done, err := r.session(ctx, c)
	var refused *RefusedError
	if errors.As(err, &refused) {
		r.logs = refused.Logs
		if c.Expect.Refused != "" && strings.Contains(refused.Error(), c.Expect.Refused) {
			return nil, nil
		}
		return []string{"the filter does not start: " + refused.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	defer done()
	if c.Expect.Refused != "" {
		return []string{fmt.Sprintf("the filter starts, but should refuse: %s", c.Expect.Refused)}, nil
	}
	if c.Advance != "" {
		d, err := time.ParseDuration(c.Advance)
		if err != nil {
			return nil, fmt.Errorf("case %q: advance: %w", c.Name, err)
		}
		s.Advance(d)
	}
	result, err := s.Do(ctx, kitv1.Request{
		Method: c.Request.Method, URI: c.Request.URI, Source: c.Request.Source, Route: c.Request.Route,
		Header: fields(c.Request.Header), Body: []byte(c.Request.Body), Attributes: c.Request.Attributes,
		Response: &kitv1.Response{Status: c.Response.Status, Header: fields(c.Response.Header), Body: []byte(c.Response.Body)},
	})
	if err != nil {
		return nil, fmt.Errorf("case %q: %w", c.Name, err)
	}
	r.fuel, r.logs = result.Fuel, result.Logs
	return c.Expect.compare(&result), nil
}

func fields(h map[string]string) map[string][]string {
	out := http.Header{}
	for name, value := range h {
		out.Add(name, value)
	}
	return out
}
