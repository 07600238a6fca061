package rest

import (
	"net/http"
	"strconv"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/go-json-experiment/json"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/auth"
)

// ReadPatch decodes a JSON merge patch (RFC 7396), sent as
// application/merge-patch+json or application/json, and returns current as it
// is then. A member that is null becomes its zero value.
//
// The errors are those of [jsonhttp.Read]; members that T has not are refused.
func ReadPatch[T any](w http.ResponseWriter, r *http.Request, current T) (T, error) {
	patch, err := jsonhttp.ReadObject(w, r, jsonhttp.TypeMergePatch, jsonhttp.TypeJSON)
	if err != nil {
		return current, err
	}
	// By itself first, so that what is wrong has its place in the patch.
	var alone T
	if err := jsonhttp.Decode(patch, "", &alone); err != nil {
		return current, err
	}
	before, err := json.Marshal(current)
	if err != nil {
		return current, err
	}
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return current, problem.New(http.StatusBadRequest, "invalid_json", "the body is not a JSON merge patch")
	}
	var merged T
	return merged, jsonhttp.Decode(after, "", &merged)
}

// SetETag sets the validator of something that counts its versions.
func SetETag(w http.ResponseWriter, version int64) { w.Header().Set("ETag", etag(version)) }

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// CheckMatch evaluates If-Match (RFC 9110 §13.1.1) against the version.
func CheckMatch(r *http.Request, version int64) error {
	header := strings.Join(r.Header.Values("If-Match"), ",")
	if header == "" || strings.TrimSpace(header) == "*" {
		return nil
	}
	for candidate := range strings.SplitSeq(header, ",") {
		// A weak validator never matches: the comparison is strong.
		if strings.TrimSpace(candidate) == etag(version) {
			return nil
		}
	}
	return changedMeanwhile()
}

// Conditional reports whether the request has an If-Match that names a version.
func Conditional(r *http.Request) bool {
	header := strings.TrimSpace(r.Header.Get("If-Match"))
	return header != "" && header != "*"
}

func changedMeanwhile() *problem.Problem {
	return problem.New(http.StatusPreconditionFailed, "precondition_failed", auth.ErrConflict.Error()+": read it again")
}
