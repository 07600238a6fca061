package cli

import (
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// printTable prints rows below their heads, in columns as wide as need be. What
// would break a line or a terminal is left out of the cells.
func printTable(w io.Writer, heads []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{heads}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		if _, err := io.WriteString(t, strings.TrimRight(strings.Join(cells, "\t"), "\t")+"\n"); err != nil {
			return err
		}
	}
	return t.Flush()
}

// printable replaces what is not meant to be seen: names and errors may come
// from strangers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
