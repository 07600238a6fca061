package scaffold_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/internal/cli/scaffold"
)

const sdk = "../../../sdk"

// made makes a scaffold and returns its folder and files.
func made(t *testing.T, o scaffold.Options) (dir string, files map[string]string) {
	t.Helper()
	o.Parent, o.Gatehouse = t.TempDir(), "gatehouse"
	dir, err := scaffold.New(o)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, files
}

func TestTemplatesAreComplete(t *testing.T) {
	for name, want := range map[string][]string{
		scaffold.Go:             {".gitignore", "Makefile", "README.md", "cases.json", "go.mod", "go.sum", "main.go", "main_test.go"},
		scaffold.AssemblyScript: {".gitignore", "README.md", "asconfig.json", "assembly/host.ts", "assembly/index.ts", "cases.json", "package-lock.json", "package.json"},
		scaffold.TinyGo:         {".gitignore", "Makefile", "README.md", "cases.json", "go.mod", "main.go"},
	} {
		t.Run(name, func(t *testing.T) {
			_, files := made(t, scaffold.Options{Name: "my-filter", Template: name, SDK: sdk})
			var have []string
			for file, text := range files {
				have = append(have, file)
				if strings.Contains(text, "[[.") || strings.Contains(text, "]]") || strings.Contains(text, "<no value>") {
					t.Errorf("%s is not filled in:\n%s", file, text)
				}
				if strings.HasSuffix(file, ".json") && !json.Valid([]byte(text)) {
					t.Errorf("%s is not JSON", file)
				}
			}
			slices.Sort(have)
			if diff := cmp.Diff(want, have); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(files["README.md"], "my-filter.wasm") {
				t.Error("README.md does not name the module")
			}
		})
	}
}

// The lock file pins what package.json asks for, by digest, and names no
// registry.
func TestLockFile(t *testing.T) {
	_, files := made(t, scaffold.Options{Name: "x", Template: scaffold.AssemblyScript})
	var manifest struct {
		DevDependencies map[string]string `json:"devDependencies"`
	}
	type locked struct {
		Version, Resolved, Integrity string
		DevDependencies              map[string]string
	}
	var lock struct {
		Name     string            `json:"name"`
		Packages map[string]locked `json:"packages"`
	}
	for file, to := range map[string]any{"package.json": &manifest, "package-lock.json": &lock} {
		if err := json.Unmarshal([]byte(files[file]), to); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	if diff := cmp.Diff(manifest.DevDependencies, lock.Packages[""].DevDependencies); diff != "" || lock.Name != "x" {
		t.Errorf("name %q, %s", lock.Name, diff)
	}
	for name, p := range lock.Packages {
		if name != "" && (p.Resolved != "" || !strings.HasPrefix(p.Integrity, "sha512-") || p.Version == "") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestRefusals(t *testing.T) {
	parent := t.TempDir()
	if err := os.Mkdir(filepath.Join(parent, "taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		o    scaffold.Options
		want string
	}{
		{"no name", scaffold.Options{SDK: sdk}, "want lower case letters"},
		{"upper case", scaffold.Options{Name: "Hello", SDK: sdk}, "want lower case letters"},
		{"a path", scaffold.Options{Name: "../x", SDK: sdk}, "want lower case letters"},
		{"two hyphens", scaffold.Options{Name: "a--b", SDK: sdk}, "want lower case letters"},
		{"a word of Go's", scaffold.Options{Name: "internal", SDK: sdk}, "want lower case letters"},
		{"too long", scaffold.Options{Name: strings.Repeat("a", 65), SDK: sdk}, "want lower case letters"},
		{"folder is there", scaffold.Options{Name: "taken", SDK: sdk}, "is there already"},
		{"no SDK", scaffold.Options{Name: "a", SDK: parent}, "is not the module gatehouse.example/"},
		{"bad module", scaffold.Options{Name: "a", SDK: sdk, Module: "a b"}, `module "a b"`},
		{"bad template", scaffold.Options{Name: "a", SDK: sdk, Template: "rust"}, `template "rust": there are go`},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.o.Parent = parent
			if row.o.Template == "" {
				row.o.Template = scaffold.Go
			}
			_, err := scaffold.New(row.o)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d entries are left, %v", len(entries), err)
	}
}
