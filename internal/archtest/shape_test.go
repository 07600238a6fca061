package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	maxFileLines     = 500
	maxFunctionLines = 80
)

// topLevel is what the repository's root may hold besides dot files and what
// is built.
var topLevel = []string{
	"gateway", "services", "plugins", "sdk", "pluginspec", "configs", "migrations", "internal",
	"main.go", "go.mod", "go.sum", "Makefile", "LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md",
	"bin", "var",
}

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s: the top-level folders are fixed", e.Name())
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range list(t) {
		if len(p.GoFiles) > 0 && strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s: has no package comment", p.rel())
		}
		for _, name := range []string{"util", "utils", "helper", "helpers", "common", "x", "misc"} {
			if filepath.Base(p.ImportPath) == name {
				t.Errorf("%s: a package's name says what it owns", p.rel())
			}
		}
	}
}

// files calls check with each parsed Go file that is not generated.
func files(t *testing.T, check func(rel string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	seen := 0
	for _, p := range list(t) {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			path := filepath.Join(p.Dir, name)
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			if err != nil {
				t.Error(err)
				continue
			}
			if ast.IsGenerated(f) {
				continue
			}
			seen++
			rel, err := filepath.Rel(root(t), path)
			if err != nil {
				t.Fatal(err)
			}
			check(rel, fset, f)
		}
	}
	if seen < 50 {
		t.Fatalf("only %d files found: the walk is wrong", seen)
	}
}

func TestSizes(t *testing.T) {
	files(t, func(rel string, fset *token.FileSet, f *ast.File) {
		if n := fset.Position(f.FileEnd).Line; n > maxFileLines {
			t.Errorf("%s: %d lines; split it by noun at %d", rel, n, maxFileLines)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || strings.HasSuffix(rel, "_test.go") {
				continue
			}
			if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines; %d is the most", rel, fn.Name.Name, n, maxFunctionLines)
			}
		}
	})
}

func TestNoInitFunctions(t *testing.T) {
	files(t, func(rel string, _ *token.FileSet, f *ast.File) {
		if strings.HasPrefix(rel, "plugins/filters/") || strings.Contains(rel, "/testdata/") {
			return // a guest registers itself: c-shared modules never run main
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init runs without being asked; wire it explicitly", rel)
			}
		}
	})
}

func TestExportedNamesAreDocumented(t *testing.T) {
	files(t, func(rel string, _ *token.FileSet, f *ast.File) {
		if strings.HasSuffix(rel, "_test.go") || f.Name.Name == "main" {
			return
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil {
					t.Errorf("%s: %s has no comment", rel, d.Name.Name)
				}
			case *ast.GenDecl:
				undocumented(t, rel, d)
			}
		}
	})
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if ix, ok := typ.(*ast.IndexExpr); ok {
		typ = ix.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func undocumented(t *testing.T, rel string, d *ast.GenDecl) {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
				t.Errorf("%s: %s has no comment", rel, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
					t.Errorf("%s: %s has no comment", rel, n.Name)
				}
			}
		}
	}
}
