package exchange

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// ErrTarget is the cause of every error of [Request.SetURI] and
// [Request.SetHost]: the request is one that an upstream could read in another
// way than the gateway does, and is answered by 400.
var ErrTarget = errors.New("ambiguous request target")

type targetError string

func (e targetError) Error() string { return string(e) }
func (targetError) Unwrap() error   { return ErrTarget }

// SetURI sets RawPath, Path and Query from a request target in origin form
// (RFC 9112 §3.2.1). On an error the request is as it was.
//
// Targets that gateway and upstream might read differently are refused rather
// than repaired, since the upstream is sent RawPath: dot segments, empty
// segments, encoded or back slashes, control bytes, broken escapes, text that
// is not UTF-8.
func (r *Request) SetURI(uri string) error {
	rawPath, query, _ := strings.Cut(uri, "?")
	path, err := CleanPath(rawPath)
	if err != nil {
		return err
	}
	if i := indexBadQueryByte(query); i >= 0 {
		return targetError("query holds a space, a control byte or a fragment")
	}
	r.RawPath, r.Path, r.Query = rawPath, path, query
	return nil
}

// SetHost sets Host in lower case. On an error, which an empty host also is,
// the request is as it was.
func (r *Request) SetHost(host string) error {
	if host == "" || len(host) > 255 {
		return targetError("host is empty or too long")
	}
	upper := false
	for i := range len(host) {
		c := host[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		case c >= 'A' && c <= 'Z':
			upper = true
		default:
			return targetError("host holds a byte that no host name or address has")
		}
	}
	if upper {
		host = strings.ToLower(host)
	}
	r.Host = host
	return nil
}

// HostName returns Host without its port and without the brackets of an IPv6
// address.
func (r *Request) HostName() string {
	h := r.Host
	if strings.HasPrefix(h, "[") {
		if end := strings.IndexByte(h, ']'); end > 0 {
			return h[1:end]
		}
		return h
	}
	if i := strings.IndexByte(h, ':'); i >= 0 {
		return h[:i]
	}
	return h
}

// CleanPath decodes the path of a request target and refuses one that is
// ambiguous; see [Request.SetURI]. It does not allocate where nothing is
// encoded.
func CleanPath(raw string) (string, error) {
	if raw == "" || raw[0] != '/' {
		return "", targetError("path does not start with a slash")
	}
	path := raw
	if strings.IndexByte(raw, '%') >= 0 {
		var err error
		if path, err = unescape(raw); err != nil {
			return "", err
		}
	}
	ascii := true
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ' || c == 0x7f || c == '\\' || c == '#' || c == '"' || c == '<' || c == '>':
			return "", targetError("path holds a byte that must be encoded")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if (!ascii || len(path) != len(raw)) && !utf8.ValidString(path) {
		return "", targetError("path is not UTF-8")
	}
	return path, checkSegments(path)
}

// checkSegments refuses empty segments (but the last) and dot segments. A
// segment's parameters (";x") do not hide a dot segment: some servers cut them.
func checkSegments(path string) error {
	for rest := path[1:]; ; {
		segment, after, more := strings.Cut(rest, "/")
		if segment == "" && more {
			return targetError("path holds an empty segment")
		}
		if segment != "" && segment[0] == '.' {
			name, _, _ := strings.Cut(segment, ";")
			if name == "." || name == ".." {
				return targetError("path holds a dot segment")
			}
		}
		if !more {
			return nil
		}
		rest = after
	}
}

func unescape(raw string) (string, error) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '%' {
			out = append(out, c)
			continue
		}
		if i+2 >= len(raw) || unhex(raw[i+1]) < 0 || unhex(raw[i+2]) < 0 {
			return "", targetError("path holds a broken escape")
		}
		c = byte(unhex(raw[i+1])<<4 | unhex(raw[i+2]))
		if c == '/' || c == '\\' || c < ' ' || c == 0x7f {
			return "", targetError("path holds an encoded slash or control byte")
		}
		out = append(out, c)
		i += 2
	}
	return string(out), nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func indexBadQueryByte(query string) int {
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c == 0x7f || c == '#' {
			return i
		}
	}
	return -1
}
