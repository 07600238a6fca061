package problem_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/problem"
)

func TestHasStatus(t *testing.T) {
	gone := fmt.Errorf("look up account: %w", problem.New(http.StatusNotFound, "", ""))
	if !problem.HasStatus(gone, http.StatusNotFound) || problem.HasStatus(gone, http.StatusConflict) || problem.HasStatus(nil, 0) || problem.HasStatus(errors.New("404"), http.StatusNotFound) {
		t.Error("tells problems apart by something else than their status")
	}
}

func TestWrite(t *testing.T) {
	taken := problem.New(http.StatusConflict, "email_taken", "The address is in use.").
		With(problem.Violation{Pointer: "/email", Detail: "is in use"})
	for name, test := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"problem":   {taken, 409, `{"type":"about:blank","title":"Conflict","status":409,"detail":"The address is in use.","code":"email_taken","errors":[{"pointer":"/email","detail":"is in use"}]}`},
		"wrapped":   {fmt.Errorf("create user: %w", taken), 409, `{"type":"about:blank","title":"Conflict","status":409,"detail":"The address is in use.","code":"email_taken","errors":[{"pointer":"/email","detail":"is in use"}]}`},
		"parameter": {problem.New(422, "invalid", "").With(problem.Violation{In: "query", Name: "limit", Detail: "must be a number"}, problem.Violation{Detail: "must be an object"}), 422, `{"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"invalid","errors":[{"in":"query","name":"limit","detail":"must be a number"},{"pointer":"","detail":"must be an object"}]}`},
		"literal":   {&problem.Problem{Status: 410}, 410, `{"type":"about:blank","title":"Gone","status":410}`},
		"typed":     {&problem.Problem{Type: "https://e.example/x", Title: "X", Status: 400, Instance: "urn:x"}, 400, `{"type":"https://e.example/x","title":"X","status":400,"instance":"urn:x"}`},
		"no status": {&problem.Problem{Title: "X"}, 500, `{"type":"about:blank","title":"X","status":500}`},
		"success":   {problem.New(200, "", ""), 500, `{"type":"about:blank","title":"OK","status":500}`},
		"other":     {errors.New("pq: password of hush is wrong"), 500, `{"type":"about:blank","title":"Internal Server Error","status":500}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("ETag", `"1"`)
			problem.Write(w, httptest.NewRequest(http.MethodGet, "/x", nil), test.err)
			if w.Code != test.status {
				t.Errorf("status %d, want %d", w.Code, test.status)
			}
			if diff := cmp.Diff(test.body+"\n", w.Body.String()); diff != "" {
				t.Error(diff)
			}
			for name, want := range map[string]string{
				"Content-Type": "application/problem+json", "Cache-Control": "no-store", "ETag": "",
				"Content-Length": fmt.Sprint(len(test.body) + 1),
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Error("not JSON")
			}
		})
	}
}

// Not parallel: Write logs to the process' logger.
func TestWriteLogsWhatItHides(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)

	r := httptest.NewRequest(http.MethodPost, "/v1/users", nil)
	problem.Write(httptest.NewRecorder(), r, errors.New("disk is full"))
	if !strings.Contains(log.String(), "disk is full") || !strings.Contains(log.String(), "/v1/users") {
		t.Errorf("log: %s", &log)
	}
	log.Reset()
	problem.Write(httptest.NewRecorder(), r, problem.New(404, "", ""))
	if log.Len() > 0 {
		t.Errorf("an expected answer is logged: %s", &log)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequest(http.MethodHead, "/", nil), problem.New(404, "", ""))
	if w.Body.Len() > 0 || w.Code != 404 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	base := problem.Newf(422, "invalid", "%d fields are wrong", 2).With(problem.Violation{Pointer: "/a", Detail: "is missing"})
	one := base.With(problem.Violation{Pointer: "/b", Detail: "is too long"})
	two := base.With(problem.Violation{Pointer: "/c", Detail: "is unknown"})
	if len(base.Errors) != 1 || one.Errors[1].Pointer != "/b" || two.Errors[1].Pointer != "/c" {
		t.Errorf("%v, %v, %v", base.Errors, one.Errors, two.Errors)
	}
	const want = "422 Unprocessable Entity (invalid): 2 fields are wrong; /a: is missing; /b: is too long"
	if one.Error() != want {
		t.Errorf("%q", one.Error())
	}
}
