package filtertest_test

import (
	"strings"
	"testing"

	"gatehouse.example/sdk/filter"
	"gatehouse.example/sdk/filter/filtertest"
)

// asked is a filter whose phases a test writes.
type asked struct {
	request  func(r *filter.Request) filter.Action
	response func(r *filter.Request, w *filter.Response)
}

func (a asked) HandleRequest(r *filter.Request) filter.Action {
	if a.request == nil {
		return filter.Next
	}
	return a.request(r)
}

func (a asked) HandleResponse(r *filter.Request, w *filter.Response) {
	if a.response != nil {
		a.response(r, w)
	}
}

// TestRules: what the gateway or the kit refuses fails the request in a native
// test, too.
func TestRules(t *testing.T) {
	const late, unbuffered = "in HandleResponse: the request has gone on", "needs Setup.BufferResponse"
	type request = func(r *filter.Request) filter.Action
	type response = func(r *filter.Request, w *filter.Response)
	for _, row := range []struct {
		name     string
		request  request
		buffered bool
		response response
		want     string // in the reason; "" is none
	}{
		{"stop without an answer", func(*filter.Request) filter.Action { return filter.Stop }, false, nil, "returned Stop without a Reply"},
		{"an answer", func(r *filter.Request) filter.Action { return r.Reply(204, "", nil) }, false, nil, ""},
		{"an unknown action", func(*filter.Request) filter.Action { return 7 }, false, nil, "neither Next nor Stop"},
		{"a status that is none", func(r *filter.Request) filter.Action { return r.Reply(42, "", nil) }, false, nil, "a reply's status is 200 to 599"},
		{"an absolute URI", func(r *filter.Request) filter.Action { r.SetURI("http://x/y"); return filter.Next }, false, nil, "does not start with a slash"},
		{"request header", nil, true, func(r *filter.Request, _ *filter.Response) { r.SetHeader("X-A", "b") }, "Request.SetHeader " + late},
		{"response header by the request", nil, true, func(r *filter.Request, _ *filter.Response) { r.SetResponseHeader("X-A", "b") }, "Request.SetResponseHeader " + late},
		{"response header in a buffer", nil, true, func(r *filter.Request, _ *filter.Response) { r.AddResponseHeaderBytes("X-A", nil) }, "Request.AddResponseHeader " + late},
		{"a late answer", nil, true, func(r *filter.Request, _ *filter.Response) { r.Problem(500, "", "", "") }, late},
		{"request body", nil, true, func(r *filter.Request, _ *filter.Response) { r.WriteBody(nil) }, "can't change the request's body"},
		{"request body read", nil, true, func(r *filter.Request, _ *filter.Response) { r.ReadBody(make([]byte, 1)) }, "buffer_request"},
		{"status, not buffered", nil, false, func(_ *filter.Request, w *filter.Response) { w.SetStatus(201) }, "Response.SetStatus " + unbuffered},
		{"header, not buffered", nil, false, func(_ *filter.Request, w *filter.Response) { w.RemoveHeader("X") }, "Response.RemoveHeader " + unbuffered},
		{"body, not buffered", nil, false, func(_ *filter.Request, w *filter.Response) { w.WriteBody(nil) }, "Response.WriteBody " + unbuffered},
		{"reading, not buffered", nil, false, func(_ *filter.Request, w *filter.Response) { _, _ = w.Header("X"), w.Status() }, ""},
		{"a status that is none, later", nil, true, func(_ *filter.Request, w *filter.Response) { w.SetStatus(42) }, "42 is no status"},
		{"a name that is none", nil, true, func(_ *filter.Request, w *filter.Response) { w.SetHeader("X A", "") }, "not a token"},
		{"a hidden field", nil, true, func(_ *filter.Request, w *filter.Response) { w.SetHeader("Cookie", "a") }, "needs the grant headers.cookie"},
		{"a cookie", nil, true, func(_ *filter.Request, w *filter.Response) { w.SetHeader("Set-Cookie", "a=b") }, ""},
		{"an empty buffer", nil, true, func(_ *filter.Request, w *filter.Response) { w.ReadBody(nil) }, "empty buffer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := filtertest.New(t, func(s *filter.Setup, _ struct{}) (asked, error) {
				if row.buffered {
					s.BufferResponse()
				}
				return asked{row.request, row.response}, nil
			}, "", filtertest.Grant("body"))
			_, err := f.Try(filtertest.Request{})
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
}

// TestHandleResponseSeesDeferredChanges as it does in the gateway.
func TestHandleResponseSeesDeferredChanges(t *testing.T) {
	f := filtertest.New(t, func(s *filter.Setup, _ struct{}) (asked, error) {
		s.BufferResponse()
		return asked{
			func(r *filter.Request) filter.Action { r.SetResponseHeader("X-A", "early"); return filter.Next },
			func(_ *filter.Request, w *filter.Response) { w.SetHeader("X-A", w.Header("X-A")+" and late") },
		}, nil
	}, "")
	if got := f.Do(filtertest.Request{}).Header.Get("X-A"); got != "early and late" {
		t.Errorf("X-A: %s", got)
	}
}

// TestNothingIsGrantedUnasked: credentials are no exception.
func TestNothingIsGrantedUnasked(t *testing.T) {
	tokens := func(s *filter.Setup, _ struct{}) (asked, error) {
		_, err := s.Tokens(filter.TokenPolicy{Issuers: []filter.Issuer{{Issuer: "self", Audience: []string{"a"}}}})
		return asked{}, err
	}
	keys := func(s *filter.Setup, _ struct{}) (asked, error) {
		_, err := s.Keys(filter.KeyPolicy{Header: "X-API-Key"})
		return asked{}, err
	}
	for grant, newFilter := range map[string]func(*filter.Setup, struct{}) (asked, error){"jwt": tokens, "key": keys} {
		want := `not granted: ` + grant + `: add filter.Needs("` + grant + `") to the filter and grants: [` + grant + `] to its entry`
		if _, err := filtertest.Start(t, filter.Define("f", newFilter), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", grant, err, want)
		}
		if _, err := filtertest.Start(t, filter.Define("f", newFilter, filter.Needs(grant)), ""); err != nil {
			t.Errorf("%s: %v", grant, err)
		}
	}
}

func panics(f func()) (reason any) {
	defer func() { reason = recover() }()
	f()
	return nil
}

// TestDefinePanics where the filter's author is wrong.
func TestDefinePanics(t *testing.T) {
	type bad struct {
		Retries int `json:"retries" default:"abc"`
	}
	for want, f := range map[string]func(){
		`the configuration of f: bad.Retries: default "abc"`: func() {
			filter.Define("f", func(*filter.Setup, bad) (asked, error) { return asked{}, nil })
		},
		`Needs("kvv"): there is no such grant; there are jwt, key`: func() { filter.Needs("kvv") },
	} {
		if reason, _ := panics(f).(string); !strings.Contains(reason, want) {
			t.Errorf("%q, want %q", reason, want)
		}
	}
}
