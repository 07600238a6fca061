package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "gatehouse.example"

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath, Dir, Doc, Name         string
	Imports, TestImports, XTestImports []string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

// rel is the package's folder below the repository's root.
func (p goPackage) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// root is the repository's root.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// list returns the packages of all three modules.
func list(t *testing.T) []goPackage {
	t.Helper()
	var all []goPackage
	for _, m := range []string{".", "sdk", "pluginspec"} {
		cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Doc,Name,Imports,TestImports,XTestImports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
		cmd.Dir = filepath.Join(root(t), m)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list in %s: %v\n%s", m, err, stderr.String())
		}
		dec := json.NewDecoder(bytes.NewReader(out))
		for {
			var p goPackage
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d packages found: the list is wrong", len(all))
	}
	return all
}

// rule forbids imports, with the reason.
type rule struct {
	name string
	// from says which packages it binds; to, which imports it forbids them.
	from, to func(path string) bool
	because  string
	// production binds only code that is not a test.
	production bool
}

func ours(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}

func isOurs(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// below reports whether a path of ours is one of dirs or below one.
func below(path string, dirs ...string) bool {
	if !isOurs(path) {
		return false
	}
	p := ours(path)
	return slices.ContainsFunc(dirs, func(d string) bool { return p == d || strings.HasPrefix(p, d+"/") })
}

func in(dirs ...string) func(string) bool {
	return func(path string) bool { return below(path, dirs...) }
}

func notIn(dirs ...string) func(string) bool {
	return func(path string) bool { return isOurs(path) && !below(path, dirs...) }
}

func third(prefixes ...string) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
	}
}

func mayUseBun(path string) bool {
	return strings.HasSuffix(path, "/postgres") || below(path, "internal/database", "internal/outbox", "internal/audit")
}

var composition = []string{"internal/cli", "internal/e2e", "internal/bench"}

var rules = []rule{
	{name: "gateway and services", from: in("gateway"), to: in("services"), because: "they are processes of their own: use internal/api"},
	{name: "services and gateway", from: in("services"), to: in("gateway"), because: "they are processes of their own"},
	{name: "internal is below", from: func(p string) bool { return below(p, "internal") && !below(p, composition...) },
		to: in("gateway", "services", "plugins"), because: "only cli, e2e and bench see the whole"},
	{name: "sdk stands alone", from: in("sdk"), to: notIn("sdk", "pluginspec"), because: "plugin authors get nothing of ours but the SDK and the specification"},
	{name: "specification stands alone", from: in("pluginspec"), to: notIn("pluginspec"), because: "it is what others build on"},
	{name: "plugins use the public SDK", from: func(p string) bool { return below(p, "plugins") }, to: notIn("plugins", "sdk"), because: "ours are written as anyone's would be", production: true},
	{name: "filter SDK without third parties", from: in("sdk/filter"), to: func(p string) bool { return strings.Contains(strings.SplitN(p, "/", 2)[0], ".") && !isOurs(p) },
		because: "guests stay small", production: true},
	{name: "fasthttp", from: notIn("gateway", "internal/bench"), to: third("github.com/valyala/fasthttp"), because: "services speak net/http"},
	{name: "wazero", from: notIn("gateway/wasm"), to: third("github.com/tetratelabs/wazero"), because: "one place hosts guests"},
	{name: "bun", from: func(p string) bool { return isOurs(p) && !mayUseBun(p) }, to: third("github.com/uptrace/bun"), because: "SQL stays in postgres packages", production: true},
	{name: "nats", from: notIn("internal/bus"), to: third("github.com/nats-io"), because: "the broker is an implementation of internal/bus"},
	{name: "go-plugin", from: notIn("internal/pluginhost", "sdk"), to: third("github.com/hashicorp/go-plugin"), because: "one place runs plugin processes"},
	{name: "golang-jwt", from: notIn("internal/jose"), to: third("github.com/golang-jwt/jwt"), because: "signatures are checked in one place"},
	{name: "test packages", from: isOurs, to: func(p string) bool {
		return isOurs(p) && (strings.HasSuffix(p, "databasetest") || strings.HasSuffix(p, "test") && !strings.HasSuffix(p, "latest"))
	}, because: "production code does not depend on test code", production: true},
}

// isTestPackage reports whether a package exists for tests only.
func isTestPackage(path string) bool {
	return isOurs(path) && (strings.HasSuffix(path, "test") || below(path, "internal/e2e", "internal/bench", "internal/archtest"))
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		for _, r := range rules {
			if !r.from(p.ImportPath) || r.production && isTestPackage(p.ImportPath) {
				continue
			}
			imports := p.Imports
			if !r.production {
				imports = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
			}
			for _, i := range imports {
				if i != p.ImportPath && i+"_test" != p.ImportPath && r.to(i) {
					t.Errorf("%s imports %s: %s (%s)", p.rel(), i, r.because, r.name)
				}
			}
		}
	}
}

func TestServicesDoNotSeeOneAnother(t *testing.T) {
	service := func(path string) string {
		parts := strings.Split(ours(path), "/")
		if len(parts) > 1 && parts[0] == "services" {
			return parts[1]
		}
		return ""
	}
	for _, p := range list(t) {
		own := service(p.ImportPath)
		if own == "" {
			continue
		}
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if isOurs(i) && service(i) != "" && service(i) != own {
				t.Errorf("%s imports %s: services talk through internal/api and events", p.rel(), i)
			}
		}
	}
}
