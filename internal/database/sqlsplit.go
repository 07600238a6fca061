package database

import (
	"slices"
	"strings"
)

// statement is a piece of a migration between two semicolons.
type statement struct {
	line int // of its first word, from 1
	text string
}

// keyword is the first word of the statement in upper case.
func (s statement) keyword() string {
	end := strings.IndexFunc(s.text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if end < 0 {
		end = len(s.text)
	}
	return strings.ToUpper(s.text[:end])
}

func (s statement) controlsTransaction() bool {
	return slices.Contains([]string{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"}, s.keyword())
}

// splitSQL finds the statements by the lexical rules of PostgreSQL
// (documentation §4.1): strings, escape strings, quoted identifiers, dollar
// quotes, and nested comments. Statements without any word are left out. It
// does not know SQL-standard function bodies (BEGIN ATOMIC), which contain
// semicolons.
func splitSQL(sql string) []statement {
	var all []statement
	start := -1 // of the current statement's first word
	flush := func(end int) {
		if start >= 0 {
			all = append(all, statement{
				line: 1 + strings.Count(sql[:start], "\n"),
				text: strings.TrimSpace(sql[start:end]),
			})
		}
		start = -1
	}
	for i := 0; i < len(sql); {
		rest := sql[i:]
		switch {
		case strings.HasPrefix(rest, "--"):
			i += span(rest, "\n", 2)
			continue
		case strings.HasPrefix(rest, "/*"):
			i += comment(rest)
			continue
		case rest[0] == ';':
			flush(i)
			i++
			continue
		case strings.ContainsRune(" \t\r\n\f\v", rune(rest[0])):
			i++
			continue
		}
		if start < 0 {
			start = i
		}
		i += token(rest, i > 0 && isWord(sql[i-1]))
	}
	flush(len(sql))
	return all
}

// token returns the length of the token that rest starts with. inWord says
// that the byte before belongs to a word, in which $ is a letter like others.
func token(rest string, inWord bool) int {
	switch {
	case rest[0] == '\'':
		return span(rest, "'", 1)
	case rest[0] == '"':
		return span(rest, `"`, 1)
	case (rest[0] == 'e' || rest[0] == 'E') && !inWord && len(rest) > 1 && rest[1] == '\'':
		return escapeString(rest)
	case rest[0] == '$' && !inWord:
		if tag := dollarTag(rest); tag != "" {
			return span(rest, tag, len(tag))
		}
	}
	return 1
}

// span returns the length up to and with the first end after the first from
// bytes, or all of s if there is none. A doubled quote ends one string and
// starts the next, which comes to the same.
func span(s, end string, from int) int {
	if i := strings.Index(s[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(s)
}

func escapeString(s string) int {
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\'':
			return i + 1
		}
	}
	return len(s)
}

func comment(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// dollarTag returns "$$" or "$tag$" if s starts with one.
func dollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '$':
			return s[:i+1]
		case !isWord(s[i]) || i == 1 && s[i] >= '0' && s[i] <= '9':
			return ""
		}
	}
	return ""
}

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
