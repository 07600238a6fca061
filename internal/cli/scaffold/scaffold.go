package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// The templates.
const (
	Go             = "go"
	AssemblyScript = "assemblyscript"
	TinyGo         = "tinygo"
)

//go:embed all:templates
var templates embed.FS

// suffix ends the names of templates, so that the Go tool, editors and linters
// do not take them for what they make.
const suffix = ".tmpl"

// Options say what to make.
type Options struct {
	// Name is the filter's name, and that of its folder in Parent.
	Name string
	// Parent is the folder to make it in; empty is the current one.
	Parent string
	// Template is one of the constants.
	Template string
	// SDK is the folder of the SDK, for the template Go.
	SDK string
	// Module is the path of the Go module; empty is example.com/NAME.
	Module string
	// Gatehouse is the command that the Makefile runs; empty is gatehouse.
	Gatehouse string
}

var (
	validName   = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	validModule = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._~-]*(/[a-zA-Z0-9][a-zA-Z0-9._~-]*)*$`)
)

const maxName = 64

// reserved are names of Go that a module cannot have as its last part.
var reserved = []string{"test", "main", "internal", "vendor", "all", "std", "cmd"}

// New makes the folder and returns its path.
//
// # Errors
//
// A bad name, a folder that is there already, or an SDK that is none; nothing
// was written then.
func New(o Options) (string, error) {
	if len(o.Name) > maxName || !validName.MatchString(o.Name) || slices.Contains(reserved, o.Name) {
		return "", fmt.Errorf("name %q: want lower case letters, digits and single hyphens, with a letter first, and no word of Go's own", o.Name)
	}
	if o.Template != Go && o.Template != AssemblyScript && o.Template != TinyGo {
		return "", fmt.Errorf("template %q: there are %s, %s and %s", o.Template, Go, AssemblyScript, TinyGo)
	}
	if o.Module == "" {
		o.Module = "example.com/" + o.Name
	}
	if !validModule.MatchString(o.Module) {
		return "", fmt.Errorf("module %q: want a path such as example.com/%s", o.Module, o.Name)
	}
	if o.Gatehouse == "" {
		o.Gatehouse = "gatehouse"
	}
	files, err := o.files()
	if err != nil {
		return "", err
	}
	return o.write(files)
}

// values are what templates may use.
type values struct {
	Name, Module, Gatehouse, GoVersion, SDK, Spec string
}

// files renders the template.
func (o *Options) files() (map[string][]byte, error) {
	v := values{Name: o.Name, Module: o.Module, Gatehouse: o.Gatehouse}
	if o.Template == Go {
		var err error
		if v.SDK, v.Spec, v.GoVersion, err = sdk(o.SDK); err != nil {
			return nil, err
		}
	}
	root := "templates/" + o.Template
	out := map[string][]byte{}
	err := fs.WalkDir(templates, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := templates.ReadFile(path)
		if err != nil {
			return err
		}
		t, err := template.New(path).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, v); err != nil {
			return err
		}
		out[strings.TrimSuffix(strings.TrimPrefix(path, root+"/"), suffix)] = b.Bytes()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", o.Template, err)
	}
	if o.Template == Go {
		// The SDK's filter packages need no other module.
		out["go.sum"] = nil
	}
	return out, nil
}

var goLine = regexp.MustCompile(`(?m)^go (\S+)$`)

// sdk checks the SDK's folder and returns it and the specification's as
// absolute paths, and the version of Go that they want.
func sdk(dir string) (module, spec, version string, err error) {
	if module, err = filepath.Abs(dir); err != nil {
		return "", "", "", err
	}
	spec = filepath.Join(filepath.Dir(module), "pluginspec")
	for path, folder := range map[string]string{"gatehouse.example/sdk": module, "gatehouse.example/pluginspec": spec} {
		text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
		if err != nil || !bytes.Contains(text, []byte("module "+path+"\n")) {
			return "", "", "", fmt.Errorf("--sdk %s: %s is not the module %s; name the folder sdk of a checkout of Gatehouse", dir, folder, path)
		}
		if m := goLine.FindSubmatch(text); m != nil && path == "gatehouse.example/sdk" {
			version = string(m[1])
		}
	}
	if strings.ContainsAny(module, " \t\"'`\n") {
		return "", "", "", fmt.Errorf("--sdk %s: go.mod cannot name a folder with spaces or quotes in it", dir)
	}
	return module, spec, version, nil
}

// write makes the folder, or nothing.
func (o *Options) write(files map[string][]byte) (made string, err error) {
	made = filepath.Join(o.Parent, o.Name)
	if err := os.Mkdir(made, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("%s is there already: choose another name or remove it", made)
		}
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(made))
		}
	}()
	for name, content := range files {
		file := filepath.Join(made, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return "", err
		}
	}
	return made, nil
}
