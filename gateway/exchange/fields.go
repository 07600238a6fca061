package exchange

import (
	"errors"
	"strconv"
	"strings"
)

// ErrField is the cause of every error of [ParseFields].
var ErrField = errors.New("malformed header")

// ErrTooManyFields is what [ParseFields] returns past [MaxFields].
var ErrTooManyFields error = fieldError("more than " + strconv.Itoa(MaxFields) + " fields")

type fieldError string

func (e fieldError) Error() string { return string(e) }
func (fieldError) Unwrap() error   { return ErrField }

// ParseFields appends the field lines of block, which ends with the block or
// at an empty line, to h. Names and values are parts of block, so that a whole
// head costs one string.
//
// It is strict where leniency would let two parsers disagree (RFC 9112 §5.1,
// §5.2, §2.2): no line folding, no space before the colon, no control bytes,
// no bare line feed.
func ParseFields(block string, h *Header) error {
	for block != "" {
		end := strings.IndexByte(block, '\n')
		if end < 1 || block[end-1] != '\r' {
			return fieldError("line does not end with CR LF")
		}
		line := block[:end-1]
		block = block[end+1:]
		if line == "" {
			return nil
		}
		colon := strings.IndexByte(line, ':')
		if colon < 0 {
			return fieldError("line without a colon")
		}
		name, value := line[:colon], trimBlank(line[colon+1:])
		if !ValidFieldName(name) {
			return fieldError("field name is not a token")
		}
		if !ValidFieldValue(value) {
			return fieldError("field value holds a control byte")
		}
		if h.Len() == MaxFields {
			return ErrTooManyFields
		}
		h.Add(name, value)
	}
	return nil
}

// ValidFieldName reports whether name is a token (RFC 9110 §5.6.2).
func ValidFieldName(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		if !isTokenByte(name[i]) {
			return false
		}
	}
	return true
}

// ValidFieldValue reports whether value holds no byte that could end it or
// that RFC 9110 §5.5 forbids.
func ValidFieldValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}

func trimBlank(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

func isTokenByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
