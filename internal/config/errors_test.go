package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestLoadErrors reads each testdata/load/*.yaml with the variables and flags
// that its comments "# env NAME=VALUE" and "# flag KEY=VALUE" set, and compares
// the error with the .txt file beside it.
func TestLoadErrors(t *testing.T) {
	for _, file := range glob(t, "testdata/load/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src := Source{File: file, Flags: map[string]any{}}
			for line := range strings.Lines(read(t, file)) {
				if variable, ok := strings.CutPrefix(line, "# env "); ok {
					src.Env = append(src.Env, strings.TrimSpace(variable))
				}
				if set, ok := strings.CutPrefix(line, "# flag "); ok {
					key, value, _ := strings.Cut(strings.TrimSpace(set), "=")
					src.Flags[key] = value
				}
			}
			_, err := Load(src)
			golden(t, file, err)
		})
	}
}

// document has one field of each kind that a file of ours uses.
type document struct {
	Listeners []listener          `yaml:"listeners"`
	Upstreams map[string]upstream `yaml:"upstreams"`
	Limits    *limits             `yaml:"limits"`
	Anything  map[string]any      `yaml:"anything"`
	Level     level               `yaml:"level"`
	Untagged  string
}

type listener struct {
	Address string `yaml:"address"`
	Plain   bool   `yaml:"plain"`
}

type upstream struct {
	Targets  []string      `yaml:"targets"`
	Interval time.Duration `yaml:"interval"`
	Weight   float64       `yaml:"weight"`
}

type limits struct {
	Memory Bytes  `yaml:"memory"`
	Fuel   uint32 `yaml:"fuel"`
}

// level reads itself.
type level int

func (l *level) UnmarshalText(text []byte) error {
	_, err := time.ParseDuration(string(text))
	*l = level(len(text))
	return err
}

func TestDecodeStrictErrors(t *testing.T) {
	for _, file := range glob(t, "testdata/strict/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var d document
			golden(t, file, DecodeStrict(file, []byte(read(t, file)), &d))
		})
	}
}

func TestDecodeStrict(t *testing.T) {
	got := document{Untagged: "kept", Limits: &limits{Fuel: 7}}
	err := DecodeStrict("x.yaml", []byte(`
listeners: [{address: "127.0.0.1:8080", plain: true}, {address: ":1"}]
upstreams:
  user: &base {targets: ["service:user"], interval: 2s, weight: 1}
  auth:
    <<: *base
    interval: 1m
  before:
    interval: 1m
    <<: *base
  same: *base
limits: {memory: 16MiB, fuel: 20000000}
anything: {list: [1, two, {three: 3.5}], again: *base}
level: 5m
`), &got)
	if err != nil {
		t.Fatal(err)
	}
	user := upstream{Targets: []string{"service:user"}, Interval: 2 * time.Second, Weight: 1}
	auth := user
	auth.Interval = time.Minute
	want := document{
		Listeners: []listener{{Address: "127.0.0.1:8080", Plain: true}, {Address: ":1"}},
		Upstreams: map[string]upstream{"user": user, "auth": auth, "before": auth, "same": user},
		Limits:    &limits{Memory: 16 << 20, Fuel: 20000000},
		Anything: map[string]any{
			"list":  []any{uint64(1), "two", map[string]any{"three": 3.5}},
			"again": map[string]any{"targets": []any{"service:user"}, "interval": "2s", "weight": uint64(1)},
		},
		Level:    2,
		Untagged: "kept",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, empty := range []string{"", "# nothing\n", "---\n", "null\n"} {
		if err := DecodeStrict("x.yaml", []byte(empty), &got); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func FuzzDecodeStrict(f *testing.F) {
	for _, file := range glob(f, "testdata/*/*.yaml") {
		f.Add([]byte(read(f, file)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d document
		if err := DecodeStrict("x.yaml", data, &d); err != nil && !strings.HasPrefix(err.Error(), "x.yaml") {
			t.Errorf("no place in %q", err)
		}
	})
}

func golden(t *testing.T, file string, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	got, want := err.Error()+"\n", strings.TrimSuffix(file, ".yaml")+".txt"
	if *update {
		if err := os.WriteFile(want, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, want), got); diff != "" {
		t.Errorf("%s differs (-golden +got):\n%s", want, diff)
	}
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return files
}

func read(t testing.TB, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
