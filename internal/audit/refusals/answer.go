package refusals

import (
	"encoding/json"
	"net/http"
	"strings"

	"gatehouse.example/internal/problem"
)

// maxKeptBytes is how much of a refusal's body is kept, to find its code.
const maxKeptBytes = 16 << 10

// answer remembers the status of an answer, and the body where it may be a
// refusal.
type answer struct {
	http.ResponseWriter
	status int
	body   []byte
}

var _ http.ResponseWriter = (*answer)(nil)

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	// 1xx is followed by the answer itself.
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(data []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.refuses() {
		a.body = append(a.body, data[:min(len(data), maxKeptBytes-len(a.body))]...)
	}
	return a.ResponseWriter.Write(data)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) refuses() bool {
	return a.status == http.StatusForbidden || a.status == http.StatusConflict
}

// code returns that of the problem, "" where there is none.
func (a *answer) code() string {
	if !strings.HasPrefix(a.Header().Get("Content-Type"), problem.ContentType) {
		return ""
	}
	var p struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(a.body, &p) != nil {
		return ""
	}
	return p.Code
}
