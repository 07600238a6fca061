package jsonhttp_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
)

type body struct {
	Name string `json:"name"`
	Tags []struct {
		Count int `json:"count"`
	} `json:"tags"`
}

func read(contentType, text string) (b body, p *problem.Problem) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	r.Header.Set("Content-Type", contentType)
	if err := jsonhttp.Read(httptest.NewRecorder(), r, &b); err != nil {
		p, _ = errors.AsType[*problem.Problem](err)
	}
	return b, p
}

func TestRead(t *testing.T) {
	if b, p := read("application/json; charset=utf-8", `{"name":"é","tags":[{"count":1}]}`); p != nil || b.Name != "é" || b.Tags[0].Count != 1 {
		t.Errorf("%+v %v", b, p)
	}
	for name, test := range map[string]struct {
		contentType, body string
		status            int
		code, pointer     string
	}{
		"no type":        {"", `{}`, 415, "unsupported_media_type", ""},
		"form":           {"application/x-www-form-urlencoded", `name=a`, 415, "unsupported_media_type", ""},
		"merge patch":    {jsonhttp.TypeMergePatch, `{}`, 415, "unsupported_media_type", ""},
		"too large":      {jsonhttp.TypeJSON, `{"name":"` + strings.Repeat("a", jsonhttp.MaxBodyBytes) + `"}`, 413, "body_too_large", ""},
		"nothing":        {jsonhttp.TypeJSON, ``, 400, "invalid_json", ""},
		"half":           {jsonhttp.TypeJSON, `{"name":`, 400, "invalid_json", "/name"},
		"two values":     {jsonhttp.TypeJSON, `{}{}`, 400, "invalid_json", ""},
		"name twice":     {jsonhttp.TypeJSON, `{"name":"a","name":"b"}`, 400, "invalid_json", "/name"},
		"not UTF-8":      {jsonhttp.TypeJSON, "{\"name\":\"\xff\"}", 400, "invalid_json", "/name"},
		"list":           {jsonhttp.TypeJSON, `[{}]`, 422, "invalid_request", ""},
		"unknown member": {jsonhttp.TypeJSON, `{"tags":[{"count":1},{"c~/":2}]}`, 422, "invalid_request", "/tags/1/c~0~1"},
		"other case":     {jsonhttp.TypeJSON, `{"Name":"a"}`, 422, "invalid_request", "/Name"},
		"wrong type":     {jsonhttp.TypeJSON, `{"tags":[{"count":"1"}]}`, 422, "invalid_request", "/tags/0/count"},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := read(test.contentType, test.body)
			if p == nil || p.Status != test.status || p.Code != test.code {
				t.Fatalf("%v, want %d %s", p, test.status, test.code)
			}
			if len(p.Errors) > 0 && p.Errors[0].Pointer != test.pointer || len(p.Errors) == 0 && test.pointer != "" {
				t.Errorf("%+v, want %q", p.Errors, test.pointer)
			}
		})
	}
}

func TestReadObject(t *testing.T) {
	for text, ok := range map[string]bool{`{"any":[1]}`: true, ` {} `: true, `null`: false, `[{}]`: false, `"{}"`: false, `{"a":1,"a":1}`: false} {
		r := httptest.NewRequest(http.MethodPatch, "/", strings.NewReader(text))
		r.Header.Set("Content-Type", jsonhttp.TypeMergePatch)
		if v, err := jsonhttp.ReadObject(httptest.NewRecorder(), r, jsonhttp.TypeMergePatch, jsonhttp.TypeJSON); (err == nil) != ok {
			t.Errorf("%s: %s %v", text, v, err)
		}
	}
	if b, p := read(jsonhttp.TypeJSON, `null`); p != nil || b.Name != "" {
		t.Errorf("null: %+v %v", b, p)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"name":"a"}`, `{"tags":[{"count":1}]}`, `{"name":"a","name":"b"}`, `null`, `[`, "\xff", `{"a":{}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, p := read(jsonhttp.TypeJSON, text); p == nil && !json.Valid([]byte(text)) {
			t.Errorf("%q was read", text)
		}
	})
}

func TestDecodeSaysWhereInTheBody(t *testing.T) {
	var flags map[string]bool
	p, _ := errors.AsType[*problem.Problem](jsonhttp.Decode([]byte(`{"x/y":1}`), jsonhttp.Pointer("a", "~"), &flags))
	want := []problem.Violation{{Pointer: "/a/~0/x~1y", Detail: "must be true or false"}}
	if diff := cmp.Diff(want, p.Errors); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeSaysEverything(t *testing.T) {
	var body struct {
		Name    string     `json:"name"`
		Scopes  []string   `json:"scopes"`
		Expires *time.Time `json:"expires_at"`
		Limit   int        `json:"limit"`
		Data    map[string]string
	}
	p, _ := errors.AsType[*problem.Problem](jsonhttp.Decode([]byte(`{"name":5,"scopes":["a",1],"expires_at":"x","limit":1.5,"zz":1,"Data":[]}`), "", &body))
	want := []problem.Violation{
		{Pointer: "/name", Detail: "must be a string"}, {Pointer: "/scopes/1", Detail: "must be a string"},
		{Pointer: "/expires_at", Detail: "must be a time such as 2026-01-02T15:04:05Z"}, {Pointer: "/limit", Detail: "must be a whole number"},
		{Pointer: "/zz", Detail: "is not known here"}, {Pointer: "/Data", Detail: "must be an object"},
	}
	if diff := cmp.Diff(want, p.Errors); diff != "" {
		t.Error(diff)
	}
	many := "{"
	for i := range 100 {
		many += fmt.Sprintf(`"m%d":1,`, i)
	}
	if p, _ := errors.AsType[*problem.Problem](jsonhttp.Decode([]byte(many+`"z":1}`), "", &body)); len(p.Errors) != 32 {
		t.Errorf("%d violations", len(p.Errors))
	}
}

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	if err := jsonhttp.Write(w, http.StatusCreated, map[string]int{"a": 1}); err != nil || w.Code != http.StatusCreated || w.Body.String() != "{\"a\":1}\n" {
		t.Errorf("%v %d %q", err, w.Code, w.Body)
	}
	if h := w.Header(); h.Get("Content-Type") != jsonhttp.TypeJSON || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", h)
	}
	w = httptest.NewRecorder()
	if err := jsonhttp.Write(w, http.StatusCreated, func() {}); err == nil || w.Body.Len() != 0 {
		t.Errorf("answered what has no JSON: %v %q", err, w.Body)
	}
}

// TestPages goes through a list page by page.
func TestPages(t *testing.T) {
	all := []string{"a", "b", "ü/\"", "d", "e"}
	for limit := 1; limit <= len(all)+1; limit++ {
		var got []string
		for after, more := "", true; more; {
			var found []string
			for i, s := range all {
				if after == "" || i > slices.Index(all, after) {
					found = append(found, s)
				}
			}
			found = found[:min(len(found), limit+1)]
			l := jsonhttp.NewList(found, limit, strings.ToUpper, func(s string) string { return s })
			got = append(got, l.Items...)
			if more = l.NextCursor != nil; more {
				var ok bool
				if after, ok = jsonhttp.ParseCursor(*l.NextCursor); !ok {
					t.Fatalf("a cursor of ours is refused: %q", *l.NextCursor)
				}
			}
		}
		if want := strings.ToUpper(strings.Join(all, " ")); strings.Join(got, " ") != want {
			t.Errorf("limit %d: %q", limit, got)
		}
	}
	empty, err := json.Marshal(jsonhttp.NewList(nil, 1, strings.ToUpper, strings.ToUpper))
	if err != nil || string(empty) != `{"items":[],"next_cursor":null}` {
		t.Errorf("%s %v", empty, err)
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]int{"": 50, "1": 1, "200": 200} {
		if n, ok := jsonhttp.ParseLimit(text); !ok || n != want {
			t.Errorf("%q: %d %v", text, n, ok)
		}
	}
	for _, text := range []string{"0", "-1", "201", "1.5", "x", " 1", strconv.Itoa(1 << 40)} {
		if n, ok := jsonhttp.ParseLimit(text); ok {
			t.Errorf("%q is %d", text, n)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"", "YQ", "YQ==", "\n", "AA", "_w", "Cg", "?", "YR"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, ok := jsonhttp.ParseCursor(text)
		if (text == "") != (ok && key == "") {
			t.Errorf("%q: %q %v", text, key, ok)
		}
		if again, ok2 := jsonhttp.ParseCursor(base64.RawURLEncoding.EncodeToString([]byte(key))); ok && (!ok2 || again != key || !jsonhttp.IsText(key)) {
			t.Errorf("%q: %q comes back as %q", text, key, again)
		}
	})
}
