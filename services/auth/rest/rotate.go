package rest

import (
	"net/http"
	"time"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
)

// maxOverlapSeconds is a week: long enough to bring a new secret everywhere,
// too short to forget that the old one still counts.
const maxOverlapSeconds = 7 * 24 * 60 * 60

// ReadOverlap reads the body of POST /v1/.../{id}/rotate, which may be missing:
// for how long the secret from before still counts, as the member
// overlap_seconds.
//
// The errors are those of [jsonhttp.Read], and 422 for more than a week.
func ReadOverlap(w http.ResponseWriter, r *http.Request) (time.Duration, error) {
	var body struct {
		OverlapSeconds int `json:"overlap_seconds"`
	}
	if r.ContentLength != 0 {
		if err := jsonhttp.Read(w, r, &body); err != nil {
			return 0, err
		}
	}
	if body.OverlapSeconds < 0 || body.OverlapSeconds > maxOverlapSeconds {
		return 0, jsonhttp.Invalid(problem.Violation{Pointer: "/overlap_seconds", Detail: "must be a number from 0 to 604800"})
	}
	return time.Duration(body.OverlapSeconds) * time.Second, nil
}
