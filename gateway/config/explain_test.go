package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestFilterErrorsNamePlaces: each line of errors.txt is an error of a filter,
// after the filter's name; errors.golden says where they stand in explain.yaml.
func TestFilterErrorsNamePlaces(t *testing.T) {
	g, err := Load(filepath.Join("testdata", "explain.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	given, err := os.ReadFile(filepath.Join("testdata", "errors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var have strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(string(given)), "\n") {
		name, text, _ := strings.Cut(line, " ")
		have.WriteString(g.FilterError(name, errors.New(text)).Error() + "\n")
	}
	golden := filepath.Join("testdata", "errors.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(have.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have.String()); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
}

func TestFilterErrorOfManyLines(t *testing.T) {
	g, err := Load(filepath.Join("testdata", "explain.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("config/key: unknown")
	err = g.FilterError("block", errors.Join(cause, errors.New("config/limits/1/rate: want at least 1")))
	want := filepath.Join("testdata", "explain.yaml") + `:7:7: filter "block": config/key: unknown
` + filepath.Join("testdata", "explain.yaml") + `:10:11: filter "block": config/limits/1/rate: want at least 1`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	if one := g.FilterError("block", cause); !errors.Is(one, cause) {
		t.Error("a single error is not wrapped")
	}
}

// TestAliasesThatGrow: places of aliases within aliases are bounded.
func TestAliasesThatGrow(t *testing.T) {
	var text strings.Builder
	text.WriteString("a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n")
	for i := range 12 {
		n := string(rune('a'+i+1)) + "0"
		before := string(rune('a'+i)) + "0"
		text.WriteString(n + ": &" + n + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 9), ", ") + "]\n")
	}
	text.WriteString("self: &self {x: *self}\n")
	p := findPlaces("x", []byte(text.String()))
	if len(p.at) < maxPlaces || len(p.at) > maxPlaces+100 {
		t.Errorf("%d places", len(p.at))
	}
}
