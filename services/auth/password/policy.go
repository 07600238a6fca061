package password

import (
	_ "embed"
	"strings"
	"unicode/utf8"
)

// The length of a new password in characters (NIST SP 800-63B §3.1.1.2). There
// are no rules of composition: they make passwords worse.
const (
	MinLength = 8
	MaxLength = 128
)

//go:embed common.txt
var common string

// Complaint says why password may not be chosen, in a sentence for the person;
// "" means that it may. own are texts that an attacker would try first:
// address, username.
func Complaint(password string, own ...string) string {
	if !utf8.ValidString(password) {
		return "The password contains characters that cannot be read."
	}
	switch n := utf8.RuneCountInString(password); {
	case n < MinLength:
		return "Use at least 8 characters."
	case n > MaxLength:
		return "Use at most 128 characters."
	}
	lower := strings.ToLower(password)
	if isCommon(lower) || isRepeated(lower) {
		return "This password is among the first that attackers try. Choose another."
	}
	for _, text := range own {
		text = strings.ToLower(text)
		local, _, _ := strings.Cut(text, "@")
		if text != "" && (lower == text || lower == local) {
			return "Do not use your own name or address as the password."
		}
	}
	return ""
}

func isCommon(lower string) bool {
	for line := range strings.Lines(common) {
		if strings.TrimSpace(line) == lower {
			return true
		}
	}
	return false
}

// isRepeated reports whether the password is one short text again and again.
func isRepeated(s string) bool {
	for size := 1; size <= 3 && size < len(s); size++ {
		if strings.Repeat(s[:size], len(s)/size+1)[:len(s)] == s {
			return true
		}
	}
	return false
}
