package database

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitSQL(t *testing.T) {
	type want struct {
		Line    int
		Keyword string
	}
	for _, tt := range []struct {
		name, sql string
		want      []want
	}{
		{"empty", " ;; -- nothing\n/* at; all */;", nil},
		{"two", "select 1;\ncreate table a();", []want{{1, "SELECT"}, {2, "CREATE"}}},
		{"without the last semicolon", "select 1;\n\nselect 2", []want{{1, "SELECT"}, {3, "SELECT"}}},
		{"strings", "select 'a;b', 'it''s;', \"c;d\";\nupdate x", []want{{1, "SELECT"}, {2, "UPDATE"}}},
		{"escape string", `select E'\';', e'\\';` + "\ndelete from x", []want{{1, "SELECT"}, {2, "DELETE"}}},
		{"no escape string", `select name'\'; commit`, []want{{1, "SELECT"}, {1, "COMMIT"}}},
		{"dollar quotes", "create function f() as $$ begin; end; $$;\ndo $body$ x; $$ y; $body$;\nselect $1;", []want{{1, "CREATE"}, {2, "DO"}, {3, "SELECT"}}},
		{"dollar in a word", "select a$b$;\nselect 2;", []want{{1, "SELECT"}, {2, "SELECT"}}},
		{"nested comment", "/* a /* b; */ c; */ begin;\n-- ; x\n  end;", []want{{1, "BEGIN"}, {3, "END"}}},
		{"unfinished", "select 'abc;\n def", []want{{1, "SELECT"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []want
			for _, s := range splitSQL(tt.sql) {
				got = append(got, want{s.line, s.keyword()})
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Whatever the text: it ends, and nothing is invented.
func FuzzSplitSQL(f *testing.F) {
	f.Add("select 'a;'; /* x */ do $$ y; $$;")
	f.Add("E'\\")
	f.Add("$a$ /* '")
	f.Fuzz(func(t *testing.T, sql string) {
		last := 0
		for _, s := range splitSQL(sql) {
			if s.line < last || !strings.Contains(sql, s.text) || s.text == "" {
				t.Fatalf("statement %+v", s)
			}
			last = s.line
		}
	})
}
