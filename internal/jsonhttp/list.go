package jsonhttp

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// How many items a page has: DefaultLimit if the request does not say, and never
// more than MaxLimit.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// List is a page of items as it is answered.
type List[T any] struct {
	Items []T `json:"items"`
	// NextCursor is nil at the end.
	NextCursor *string `json:"next_cursor"`
}

// NewList returns the page of found, of which the store was asked for one more
// than limit, to see whether there is a next page. The cursor holds the key of
// the page's last item.
func NewList[F, T any](found []F, limit int, wire func(F) T, key func(F) string) List[T] {
	l := List[T]{Items: make([]T, 0, len(found))}
	for i, f := range found {
		if i == limit {
			cursor := base64.RawURLEncoding.EncodeToString([]byte(key(found[i-1])))
			l.NextCursor = &cursor
			break
		}
		l.Items = append(l.Items, wire(f))
	}
	return l
}

// ParseLimit reads the parameter limit; "" is [DefaultLimit]. It is not ok unless
// it is a number from 1 to [MaxLimit].
func ParseLimit(text string) (limit int, ok bool) {
	if text == "" {
		return DefaultLimit, true
	}
	limit, err := strconv.Atoi(text)
	return limit, err == nil && limit >= 1 && limit <= MaxLimit
}

// ParseCursor returns the key that a cursor holds, "" for "". It is not ok unless
// the key can be one: text without control characters, among which is the one
// that PostgreSQL's text cannot hold.
func ParseCursor(text string) (key string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	// Line breaks alone decode to nothing, which no list gave.
	if err != nil || !IsText(string(raw)) || len(raw) == 0 && text != "" {
		return "", false
	}
	return string(raw), true
}

// IsText reports whether s is one line of text: valid UTF-8 without control
// characters of ASCII.
func IsText(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}
