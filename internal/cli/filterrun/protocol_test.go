package filterrun_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse.example/internal/cli/filterrun"
)

// TestProtocolRefuses feeds what the kit never sends. What it does send is
// tested with a whole filter, by the scaffold's own tests.
func TestProtocolRefuses(t *testing.T) {
	module := filepath.Join(t.TempDir(), "none.wasm")
	if err := os.WriteFile(module, []byte("no module"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, in, event string
		fails           bool
	}{
		{"nothing", "", "", false},
		{"no JSON", "hello\n", `{"error":"read command: `, true},
		{"another version", `{"protocol":99,"start":{}}` + "\n", `{"error":"protocol 99: this gatehouse speaks 1`, true},
		{"a request before the start", `{"request":{}}` + "\n", `{"error":"the filter is not started"}`, true},
		{"no module", `{"protocol":1,"start":{}}` + "\n", `{"refused":"`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			err := filterrun.Serve(context.Background(), module, strings.NewReader(row.in), &out, filterrun.Options{})
			if (err != nil) != row.fails || !strings.HasPrefix(out.String(), row.event) || strings.Count(out.String(), "\n") > 1 {
				t.Errorf("error %v, printed %q", err, out.String())
			}
		})
	}
}

func TestReadCasesIsStrict(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cases.json")
	for text, want := range map[string]string{
		`{"cases":[]}`:                      `there are none under "cases"`,
		`{"cases":[{"expects":{}}]}`:        `unknown field "expects"`,
		`{"cases":[{"request":{"uri":1}}]}`: "cannot unmarshal number",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := filterrun.ReadCases(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}
