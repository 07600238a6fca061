package wasm_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse.example/gateway/wasm"
)

// A guest sees the environment and the folders that its configuration lists,
// and nothing else, however it asks.
func TestEnvironmentAndFolders(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	for file, content := range map[string]string{filepath.Join(dir, "a.txt"): "content", outside: "secret"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOT_LISTED", "secret")
	s := spec("mean", "")
	s.Environment = map[string]string{"LISTED": "value"}
	s.Directories = map[string]string{"/data": dir}
	b := newBench(t)
	f, err := b.host.Build(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close(context.Background()) }()
	if wasm.Restorable(f) {
		t.Error("a guest with files has more state than memory")
	}
	for path, want := range map[string]string{
		"/env?LISTED": "value", "/env?NOT_LISTED": "", "/env?PATH": "",
		"/file?/data/a.txt": "content", "/file?/data/link": "!", "/file?" + outside: "!",
		"/file?/data/../../etc/passwd": "!", "/write?/data/new": "!", "/dial?127.0.0.1:1": "!",
	} {
		ex := newExchange("GET", path)
		run(t, f, ex).Response.Release()
		got := ex.Response.Header.Get("X-Status")
		if got != want && (want != "!" || !strings.HasPrefix(got, "error")) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("the folder was written to: %v", entries)
	}
}

func TestFolderThatIsNotThere(t *testing.T) {
	s := spec("mean", "")
	s.Directories = map[string]string{"/data": filepath.Join(t.TempDir(), "none")}
	if _, err := newBench(t).host.Build(context.Background(), s); err == nil || !strings.Contains(err.Error(), "directories:") {
		t.Errorf("error %v", err)
	}
}

func TestDescribe(t *testing.T) {
	b := newBench(t)
	for name, want := range map[string]wasm.Description{
		"jwt":   {Name: "jwt", Described: true, Kind: wasm.Reactor, Grants: []string{"jwt"}},
		"plain": {Kind: wasm.Reactor, ResponsePhase: true},
	} {
		binary, err := guestModule(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.host.Describe(context.Background(), binary)
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != want.Name || got.Described != want.Described || got.Kind != want.Kind || got.ResponsePhase != want.ResponsePhase ||
			!slices.Equal(got.Grants, want.Grants) || (len(got.ConfigSchema) > 0) != want.Described {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := wasm.Modules(b.host); n != 0 {
		t.Errorf("%d modules are left", n)
	}
}

func TestConfigIsCheckedAgainstTheSchema(t *testing.T) {
	const schema = `{"type":"object","additionalProperties":false,"required":["rate"],"properties":{
		"rate":{"type":"integer","minimum":1,"maximum":9},
		"mode":{"enum":["on","off"]},
		"key":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"},"minItems":1}]},
		"list":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"a/b":{"type":"string","pattern":"^x"}}}}}}`
	for _, c := range []struct {
		name, config string
		want         []string
	}{
		{"good", `{"rate":1,"key":["a"]}`, nil},
		{"nothing", ``, []string{"config/rate: is required"}},
		{"several", `{"rate":0,"mode":"up","more":1}`, []string{
			"config/mode: want one of on, off", "config/more: unknown field; known: key, list, mode, rate", "config/rate: want at least 1"}},
		{"types", `{"rate":"1"}`, []string{"config/rate: want a whole number, have a string"}},
		{"too much", `{"rate":10}`, []string{"config/rate: want at most 9"}},
		{"one of two forms", `{"rate":1,"key":5}`, []string{"config/key: want a string, have a number, or want a list, have a number"}},
		{"deep", `{"rate":1,"list":[{},{"a/b":"y","c":1}]}`, []string{
			`config/list/1/a/b: "y" does not match ^x`, "config/list/1/c: unknown field; known: a/b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wasm.CheckConfig(c.config, schema); !slices.Equal(got, c.want) {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
	// A stranger's schema reads no files.
	if got := wasm.CheckConfig(`{}`, `{"$ref":"file:///etc/passwd"}`); len(got) != 1 || !strings.Contains(got[0], "config_schema") {
		t.Errorf("%q", got)
	}
}
