package filtertest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/filtertest"
)

type config struct {
	Header string          `json:"header" doc:"name of the header"`
	Every  filter.Duration `json:"every"`
	Mode   string          `json:"mode" enum:"a,b"`
}

type sample struct {
	config config
	limit  *filter.Limit
	tokens *filter.Tokens
}

func newSample(s *filter.Setup, c config) (*sample, error) {
	if c.Header == "" {
		return nil, fmt.Errorf("config/header: is missing")
	}
	s.BufferResponse()
	l, err := s.Limit(1, time.Minute, 2)
	if err != nil {
		return nil, err
	}
	t, err := s.Tokens(filter.TokenPolicy{Issuers: []filter.Issuer{{Issuer: "self", Audience: []string{"a"}}}})
	return &sample{c, l, t}, err
}

func (f *sample) HandleRequest(r *filter.Request) filter.Action {
	switch r.Path() {
	case "/limit":
		if f.limit.Take([]byte("k"), 1) != filter.StatusOK {
			return r.Problem(429, "Too Many Requests", "rate_limited", "slow down")
		}
	case "/token":
		if s := r.VerifyToken(f.tokens); s != filter.StatusOK {
			return r.Reply(401, "", nil)
		}
		sub, _ := r.Principal("sub")
		r.SetHeader("X-Sub", sub)
	case "/body":
		var buf [3]byte
		for {
			n, eof := r.ReadBody(buf[:])
			r.AddHeader("X-Part", string(buf[:n]))
			if eof {
				break
			}
		}
	}
	r.SetHeader(f.config.Header, r.Method()+" "+r.URI()+" "+r.SourceAddress()+" "+r.Header("Authorization"))
	r.SetAttribute("seen", r.Query())
	r.MergeResponseHeader("Vary", "Origin")
	return filter.Next
}

func (f *sample) HandleResponse(r *filter.Request, w *filter.Response) {
	w.SetHeader("X-Was", w.Header("X-Up")+r.Path())
	w.SetStatus(w.Status() + 1)
}

func TestFilterRunsNatively(t *testing.T) {
	f := filtertest.New(t, newSample, config{Header: "X-Seen"}, filtertest.Grant("jwt"))
	got := f.Do(filtertest.Request{Method: "PUT", URI: "/a?b=c", Header: http.Header{"Authorization": {"Bearer secret"}},
		Response: filtertest.Response{Status: 200, Header: http.Header{"X-Up": {"up"}, "Vary": {"Accept"}}}})
	if got.Answered || got.Status != 201 {
		t.Errorf("answered %v, status %d", got.Answered, got.Status)
	}
	if h := got.Request.Header.Get("X-Seen"); h != "PUT /a?b=c 192.0.2.1 " {
		t.Errorf("X-Seen %q: a credential without a grant must not be seen", h)
	}
	if got.Header.Get("Vary") != "Accept, Origin" || got.Header.Get("X-Was") != "up/a" || got.Request.Attributes["seen"] != "b=c" {
		t.Errorf("result %+v", got)
	}
}

func TestLimitAndProblem(t *testing.T) {
	f := filtertest.New(t, newSample, `{"header":"X-Seen"}`, filtertest.Grant("jwt"))
	for range 2 {
		if got := f.Do(filtertest.Request{URI: "/limit"}); got.Answered {
			t.Fatalf("limited too early: %+v", got)
		}
	}
	got := f.Do(filtertest.Request{URI: "/limit"})
	var problem map[string]any
	if err := json.Unmarshal([]byte(got.Body), &problem); err != nil || got.Status != 429 || problem["code"] != "rate_limited" {
		t.Errorf("%d %q: %v", got.Status, got.Body, err)
	}
	f.Advance(time.Minute)
	if f.Do(filtertest.Request{URI: "/limit"}).Answered {
		t.Error("still limited a minute later")
	}
}

func TestTokenAndBody(t *testing.T) {
	f := filtertest.New(t, newSample, config{Header: "X-Seen"}, filtertest.Grant("body.request", "jwt"),
		filtertest.Token("good", filter.StatusOK, filtertest.Principal{Kind: "user", Subject: "u1"}),
		filtertest.Token("old", filter.StatusExpired, filtertest.Principal{}))
	with := func(token string) filtertest.Result {
		return f.Do(filtertest.Request{URI: "/token", Header: http.Header{"Authorization": {"Bearer " + token}}})
	}
	if got := with("good"); got.Answered || got.Request.Header.Get("X-Sub") != "u1" {
		t.Errorf("%+v", got)
	}
	if with("old").Status != 401 || with("never").Status != 401 {
		t.Error("a bad token passes")
	}
	got := f.Do(filtertest.Request{URI: "/body", Body: "abcdefg"})
	if parts := strings.Join(got.Request.Header["X-Part"], "|"); parts != "abc|def|g" {
		t.Errorf("parts %s", parts)
	}
}

func TestConfigIsStrict(t *testing.T) {
	r := filter.Define("sample", newSample)
	for config, want := range map[string]string{
		`{}`:                            "config/header: is missing",
		`{"headers":"x"}`:               "config/headers: unknown field; known: header, every, mode",
		`{"header":1}`:                  "config/header: want a string, have a number",
		`{"header":"a","header":"b"}`:   "config/header: given twice",
		`{"header":"a","every":"soon"}`: "config/every: want a duration",
		`{"header":"a",}`:               "config: not valid JSON at byte 14",
		`[]`:                            "config: want an object, have a list",
	} {
		if _, err := filtertest.Start(t, r, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
	}
}

func TestDescription(t *testing.T) {
	var about struct {
		Name          string          `json:"name"`
		ResponsePhase bool            `json:"response_phase"`
		Grants        []string        `json:"grants"`
		ConfigSchema  json.RawMessage `json:"config_schema"`
	}
	if err := json.Unmarshal(filter.Define("sample", newSample, filter.Needs("jwt")).Describe(), &about); err != nil {
		t.Fatal(err)
	}
	const schema = `{"type":"object","additionalProperties":false,"properties":{"header":{"description":"name of the header","type":"string"},"every":{"type":"string"},"mode":{"type":"string","enum":["a","b"]}}}`
	if about.Name != "sample" || !about.ResponsePhase || len(about.Grants) != 1 || string(about.ConfigSchema) != schema {
		t.Errorf("description %+v\n%s", about, about.ConfigSchema)
	}
}

func TestMalformedChangeFailsTheRequest(t *testing.T) {
	f := filtertest.New(t, func(*filter.Setup, struct{}) (crlf, error) { return crlf{}, nil }, "")
	got, err := f.Try(filtertest.Request{})
	var trap *filtertest.TrapError
	if !errors.As(err, &trap) || got.Status != 503 || !strings.Contains(trap.Reason, "changes refused") {
		t.Errorf("a line break in a header: status %d, error %v", got.Status, err)
	}
}

type crlf struct{}

func (crlf) HandleRequest(r *filter.Request) filter.Action {
	r.SetHeader("X-A", "a\r\nX-B: b")
	return filter.Next
}
