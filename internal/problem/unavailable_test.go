package problem_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"gatehouse.example/internal/problem"
)

type sqlError string

func (e sqlError) Error() string    { return "SQL " + string(e) }
func (e sqlError) SQLState() string { return string(e) }

func TestUnavailable(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		want bool
	}{
		"server shuts down":    {sqlError("57P01"), true},
		"too many connections": {fmt.Errorf("load user: %w", sqlError("53300")), true},
		"unique violation":     {sqlError("23505"), false},
		"query canceled":       {sqlError("57014"), false},
		"refused":              {&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		"deadline":             {context.DeadlineExceeded, true},
		"canceled":             {context.Canceled, false},
		"a bug":                {errors.New("index out of range"), false},
		"problem 503":          {problem.New(503, "", ""), true},
		"problem 404":          {problem.New(404, "", ""), false},
	} {
		if got := problem.Unavailable(row.err); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequest(http.MethodGet, "/", nil), sqlError("57P03"))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
