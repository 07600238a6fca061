package app_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse.example/internal/problem"
)

func TestWhatIsNoRequest(t *testing.T) {
	f := setUp(t)
	good := post(`{ me { id } }`)
	for _, test := range []struct {
		name    string
		method  string
		header  http.Header
		body    string
		status  int
		code    string
		pointer string
	}{
		{name: "GET", method: http.MethodGet, status: 405, code: "method_not_allowed"},
		{name: "PUT", method: http.MethodPut, body: good, status: 405, code: "method_not_allowed"},
		{name: "DELETE", method: http.MethodDelete, status: 405, code: "method_not_allowed"},
		{name: "no content type", header: http.Header{"Content-Type": nil}, body: good, status: 415, code: "unsupported_media_type"},
		{name: "form", header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, body: "query={me{id}}", status: 415, code: "unsupported_media_type"},
		{name: "multipart", header: http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, body: "--x--", status: 415, code: "unsupported_media_type"},
		{name: "bare query", header: http.Header{"Content-Type": {"application/graphql"}}, body: "{me{id}}", status: 415, code: "unsupported_media_type"},
		{name: "malformed type", header: http.Header{"Content-Type": {"application/json; charset"}}, body: good, status: 415, code: "unsupported_media_type"},
		{name: "charset", header: http.Header{"Content-Type": {"application/json; charset=latin1"}}, body: good, status: 415, code: "unsupported_media_type"},
		{name: "compressed", header: http.Header{"Content-Encoding": {"gzip"}}, body: good, status: 415, code: "unsupported_media_type"},
		{name: "html", header: http.Header{"Accept": {"text/html"}}, body: good, status: 406, code: "not_acceptable"},
		{name: "refused", header: http.Header{"Accept": {"application/json;q=0"}}, body: good, status: 406, code: "not_acceptable"},
		{name: "empty", body: "", status: 400, code: "invalid_request"},
		{name: "truncated", body: good[:len(good)-1], status: 400, code: "invalid_request"},
		{name: "more than one", body: good + good, status: 400, code: "invalid_request"},
		{name: "batch", body: "[" + good + "]", status: 400, code: "invalid_request"},
		{name: "null", body: "null", status: 400, code: "invalid_request"},
		{name: "string", body: `"{me{id}}"`, status: 400, code: "invalid_request"},
		{name: "not UTF-8", body: "{\"query\":\"{me{id}} #\xff\"}", status: 400, code: "invalid_request"},
		{name: "nothing asked", body: `{}`, status: 400, code: "invalid_request", pointer: "/query"},
		{name: "blank", body: `{"query":" \n"}`, status: 400, code: "invalid_request", pointer: "/query"},
		{name: "null query", body: `{"query":null}`, status: 400, code: "invalid_request", pointer: "/query"},
		{name: "query is a number", body: `{"query":1}`, status: 400, code: "invalid_request", pointer: "/query"},
		{name: "variables are a list", body: `{"query":"{me{id}}","variables":[]}`, status: 400, code: "invalid_request", pointer: "/variables"},
		{name: "operationName is an object", body: `{"query":"{me{id}}","operationName":{}}`, status: 400, code: "invalid_request", pointer: "/operationName"},
		{name: "unknown member", body: `{"query":"{me{id}}","a/b~":1}`, status: 400, code: "invalid_request", pointer: "/a~1b~0"},
		{name: "case counts", body: `{"QUERY":"{me{id}}"}`, status: 400, code: "invalid_request", pointer: "/QUERY"},
		{name: "too large", body: `{"query":"{me{id}} #` + strings.Repeat("x", 64<<10) + `"}`, status: 413, code: "body_too_large"},
		{name: "10 MB", body: strings.Repeat("x", 10<<20), status: 413, code: "body_too_large"},
		{name: "deep JSON", body: `{"query":"{me{id}}","variables":` + strings.Repeat(`{"a":`, 10000) + "1" + strings.Repeat("}", 10000) + `}`, status: 400, code: "invalid_request"},
		{name: "deep lists", body: `{"query":"{me{id}}","variables":{"a":` + strings.Repeat("[", 12000) + strings.Repeat("]", 12000) + `}}`, status: 400, code: "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := f.request(test.body)
			if test.method != "" {
				r.Method = test.method
			}
			for name, values := range test.header {
				r.Header[name] = values
			}
			resp, body := f.send(r)
			var p problem.Problem
			if err := json.Unmarshal(body, &p); err != nil || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
			}
			if resp.StatusCode != test.status || p.Code != test.code {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, test.status, test.code)
			}
			if test.pointer != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != test.pointer) {
				t.Errorf("errors %v, want one at %s", p.Errors, test.pointer)
			}
			if allow := resp.Header.Get("Allow"); test.status == 405 && allow != "POST" {
				t.Errorf("Allow: %s", allow)
			}
		})
	}
	if asked := f.user.asked(); asked != nil {
		t.Errorf("the user service was asked for %v", asked)
	}
}

func TestNegotiation(t *testing.T) {
	f := setUp(t)
	for accept, want := range map[string]string{
		"":                                    "application/graphql-response+json; charset=utf-8",
		"*/*":                                 "application/graphql-response+json; charset=utf-8",
		"text/html, application/*;q=0.8":      "application/graphql-response+json; charset=utf-8",
		"application/json":                    "application/json; charset=utf-8",
		"application/json;charset=utf-8":      "application/json; charset=utf-8",
		"application/json, text/event-stream": "application/json; charset=utf-8",
		"application/json;q=0.5, application/graphql-response+json":         "application/graphql-response+json; charset=utf-8",
		"application/json;q=2, ;;, application/graphql-response+json;q=0.1": "application/graphql-response+json; charset=utf-8",
		"text/event-stream": "text/event-stream",
	} {
		r := f.request(post(`{ __typename }`))
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		resp, body := f.send(r)
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != want {
			t.Errorf("%q: %d %s, want %s", accept, resp.StatusCode, got, want)
		}
		if !bytes.Contains(body, []byte(`{"data":{"__typename":"Query"}}`)) {
			t.Errorf("%q: %s", accept, body)
		}
	}
}

func TestABodyThatBreaksOff(t *testing.T) {
	f := setUp(t)
	r := f.request("")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"query":"`), brokenReader{}))
	r.ContentLength = 100
	if resp, err := f.client.Do(r); err == nil {
		resp.Body.Close()
		t.Errorf("half a body was answered: %d", resp.StatusCode)
	}
	if asked := f.user.asked(); asked != nil {
		t.Errorf("the user service was asked for %v", asked)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
