package exchange

import "strings"

// ForbiddenTrailer reports whether a field must not come after the body: what
// frames, routes or modifies a message, authenticates, or says how to read the
// content is needed before it (RFC 9110 §6.5.1), and who checks only the head
// must not be deceived by what follows.
func ForbiddenTrailer(name string) bool {
	if isConnectionField(name) {
		return true
	}
	switch lower := strings.ToLower(name); lower {
	case "content-length", "content-encoding", "content-type", "content-range", "host", "forwarded",
		"cache-control", "expect", "max-forwards", "pragma", "range",
		"authorization", "dpop", "x-api-key", "www-authenticate", "cookie", "set-cookie",
		"age", "expires", "date", "location", "retry-after", "vary", "warning", "x-request-id":
		return true
	default:
		return strings.HasPrefix(lower, "if-") || strings.HasPrefix(lower, "x-forwarded-")
	}
}

// ConnectionField reports whether a field concerns one connection only, or the
// framing of the message on it: such a field is the sender's alone.
func ConnectionField(name string) bool {
	return isConnectionField(name) || (len(name) == len("Content-Length") && strings.EqualFold(name, "Content-Length"))
}

// AnnouncedTrailers returns the names that h announces in Trailer (RFC 9110
// §6.6.2), without those that are forbidden, separated by commas.
func AnnouncedTrailers(h *Header) string {
	var names []string
	for i := range h.Len() {
		f := h.At(i)
		if !strings.EqualFold(f.Name, "Trailer") {
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			if name = strings.TrimSpace(name); ValidFieldName(name) && !ForbiddenTrailer(name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}

// ParseTrailers appends the trailer fields of block, as [ParseFields] reads
// them, to h and leaves out those that are forbidden.
func ParseTrailers(block string, h *Header) error {
	if err := ParseFields(block, h); err != nil {
		return err
	}
	h.DelFunc(func(f Field) bool { return ForbiddenTrailer(f.Name) })
	return nil
}

// Names returns the names of the fields, separated by commas.
func (h *Header) Names() string {
	names := make([]string, h.Len())
	for i := range names {
		names[i] = h.At(i).Name
	}
	return strings.Join(names, ", ")
}
