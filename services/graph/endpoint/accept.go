package endpoint

import (
	"mime"
	"strconv"
	"strings"
)

// The media types of answers.
const (
	mediaGraphQL = "application/graphql-response+json"
	mediaJSON    = "application/json"
	mediaEvents  = "text/event-stream"
)

// negotiate returns the media type that the client likes most, the first of
// equals; "" if it takes none of ours. Where it does not care, it gets the one
// of GraphQL over HTTP (§6.1).
func negotiate(accept []string) string {
	if len(accept) == 0 {
		return mediaGraphQL
	}
	best, quality := "", 0.0
	for name, q := range ranges(accept) {
		switch name {
		case mediaGraphQL, mediaJSON, mediaEvents:
		case "*/*", "application/*":
			name = mediaGraphQL
		default:
			continue
		}
		if q > quality {
			best, quality = name, q
		}
	}
	return best
}

// wants reports whether the client names the media type.
func wants(accept []string, media string) bool {
	for name, q := range ranges(accept) {
		if name == media && q > 0 {
			return true
		}
	}
	return false
}

// ranges calls with the media ranges and their quality (RFC 9110 §12.5.1). One
// that is malformed is passed over.
func ranges(accept []string) func(yield func(name string, q float64) bool) {
	return func(yield func(string, float64) bool) {
		for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
			name, parameters, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			q := 1.0
			if text, given := parameters["q"]; given {
				if q, err = strconv.ParseFloat(text, 64); err != nil || q < 0 || q > 1 {
					continue
				}
			}
			if !yield(name, q) {
				return
			}
		}
	}
}
