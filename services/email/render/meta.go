package render

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"

	"gatehouse.example/services/email"
)

// metaFile lies beside the texts of a template in [DefaultLocale].
const metaFile = "meta.yaml"

// The bounds of a variable, in characters.
const (
	defaultMaxLength = 1000
	maxMaxLength     = 10000
)

var (
	templateName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	categoryName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	variableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// meta is the form of meta.yaml.
type meta struct {
	// Category is what preferences go by.
	Category string `yaml:"category"`
	// Description is a sentence for people.
	Description string `yaml:"description"`
	// API lets clients send the template.
	API bool `yaml:"api"`
	// Variables may be used as {{.Data.NAME}}.
	Variables []variable `yaml:"variables"`
}

type variable struct {
	Name      string `yaml:"name"`
	Required  bool   `yaml:"required"`
	Link      bool   `yaml:"link"`
	Multiline bool   `yaml:"multiline"`
	// MaxLength is 1000 where it is 0.
	MaxLength int `yaml:"max_length"`
}

// loadMeta reads what the template called name is for.
func loadMeta(files fs.FS, name string) (email.Template, error) {
	path := DefaultLocale + "/" + name + "/" + metaFile
	source, err := fs.ReadFile(files, path)
	if err != nil {
		return email.Template{}, err
	}
	var m meta
	if err := yaml.UnmarshalWithOptions(source, &m, yaml.Strict()); err != nil {
		return email.Template{}, fmt.Errorf("%s: %s", path, strings.ReplaceAll(yaml.FormatError(err, false, false), "\n", " "))
	}
	t := email.Template{Name: name, Description: m.Description, Category: m.Category, API: m.API}
	switch {
	case !templateName.MatchString(name):
		return t, fmt.Errorf("%s: a template's name matches %s", path, templateName)
	case !categoryName.MatchString(m.Category):
		return t, fmt.Errorf("%s: category %q: want a name such as security or product", path, m.Category)
	case m.API && m.Category == email.CategorySecurity:
		return t, fmt.Errorf("%s: clients can't send mails of the category security", path)
	}
	seen := map[string]bool{}
	for _, v := range m.Variables {
		if v.MaxLength == 0 {
			v.MaxLength = defaultMaxLength
		}
		if err := v.check(seen[v.Name]); err != nil {
			return t, fmt.Errorf("%s: variable %q: %w", path, v.Name, err)
		}
		seen[v.Name] = true
		t.Variables = append(t.Variables, email.Variable(v))
	}
	return t, nil
}

func (v variable) check(seen bool) error {
	switch {
	case !variableName.MatchString(v.Name):
		return fmt.Errorf("want a name that matches %s", variableName)
	case seen:
		return errors.New("it is there twice")
	case v.MaxLength < 1 || v.MaxLength > maxMaxLength:
		return fmt.Errorf("max_length %d: want 1 to %d", v.MaxLength, maxMaxLength)
	case v.Link && v.Multiline:
		return errors.New("a link has one line")
	}
	return nil
}
