package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Where is the place: "FILE:LINE:COLUMN", "environment NAME" or "flag --NAME".
	Where string
	// Message says what is wrong there, without the value of a secret.
	Message string
}

// Error returns place and message in one line.
func (p Problem) Error() string { return p.Where + ": " + p.Message }

// join returns all problems as one error with a line for each, or nil.
func join(problems []Problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// suggest ends an error about a word that is not one of known: it names the
// most similar one, or all if there are few.
func suggest(word string, known []string) string {
	best, distance := "", 1+max(1, len(word)/3)
	for _, candidate := range known {
		if d := editDistance(strings.ToLower(word), candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) == 0 || len(known) > 16 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(known))
	return "; it may be " + strings.Join(sorted, ", ")
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// sortByPlace orders problems by line and column; those of one place keep their
// order. What an alias repeats is reported once.
func sortByPlace(problems []positioned) []Problem {
	slices.SortStableFunc(problems, func(a, b positioned) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	problems = slices.Compact(problems)
	out := make([]Problem, len(problems))
	for i, p := range problems {
		out[i] = p.Problem
	}
	return out
}

type positioned struct {
	Problem
	line, column int
}
