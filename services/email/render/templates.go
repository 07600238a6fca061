package render

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"
	"unicode"

	"gatehouse.example/services/email"
)

// DefaultLocale is used where there is no text in the locale that was asked
// for. Every template must exist in it.
const DefaultLocale = "en"

// The files of a template in one locale.
const (
	subjectFile = "subject.txt"
	textFile    = "body.txt"
	htmlFile    = "body.html"
)

var localeName = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// Data is what a template may refer to.
type Data struct {
	// Link is what the reader is to open: that of the challenge, or the page
	// of its account.
	Link string
	// Email is the recipient's address.
	Email string
	// Issuer is the address of this Gatehouse, for links to it.
	Issuer string
	// Site is its host, for sentences: programs that read mail make a link of
	// every address that they see.
	Site string
	// ExpiresAt is the end of the link's validity, as text in UTC.
	ExpiresAt string
	// Data is the template's own variables, all that its meta.yaml declares;
	// one that has no value is empty.
	Data map[string]string
}

// Templates are the texts of all mails. It is safe for concurrent use.
type Templates struct {
	sets map[string]set // by locale/name
	info map[string]email.Template
}

var _ email.Catalog = (*Templates)(nil)

// set is one template in one locale.
type set struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// Texts are the parts of one mail.
type Texts struct{ Subject, Text, HTML string }

// Load reads the templates LOCALE/NAME/{subject.txt,body.txt,body.html} below
// each of the folders. What a later folder has replaces what an earlier one
// has, a LOCALE/NAME at a time. en/NAME/meta.yaml says what a template is for;
// what the first folder says about one can't be changed by a later folder,
// which may leave the file out.
//
// # Errors
//
// A missing, misnamed or malformed file, a reference to what neither [Data] nor
// the template's variables have, a template that [DefaultLocale] lacks: all of
// them, each with the file's name.
func Load(folders ...fs.FS) (*Templates, error) {
	t := &Templates{sets: map[string]set{}, info: map[string]email.Template{}}
	var problems []error
	for _, files := range folders {
		problems = append(problems, t.load(files)...)
	}
	for _, key := range slices.Sorted(maps.Keys(t.sets)) {
		locale, name, _ := strings.Cut(key, "/")
		if _, ok := t.sets[DefaultLocale+"/"+name]; !ok {
			problems = append(problems, fmt.Errorf("template %s: there is no %s/%s to fall back to", key, DefaultLocale, name))
			continue
		}
		info := t.info[name]
		info.Locales = append(info.Locales, locale)
		t.info[name] = info
	}
	if len(t.sets) == 0 && len(problems) == 0 {
		problems = append(problems, errors.New("there is no LOCALE/NAME/subject.txt"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("load mail templates: %w", err)
	}
	return t, nil
}

// load reads one folder: first what each template is for, then its texts.
func (t *Templates) load(files fs.FS) (problems []error) {
	dirs, err := templateDirs(files)
	if err != nil {
		return []error{err}
	}
	for _, dir := range dirs {
		locale, name, _ := strings.Cut(dir, "/")
		if locale == DefaultLocale {
			problems = append(problems, t.describe(files, name))
		}
	}
	for _, dir := range dirs {
		locale, name, _ := strings.Cut(dir, "/")
		if info, ok := t.info[name]; ok {
			s, err := loadSet(files, dir, info)
			problems = append(problems, err)
			t.sets[strings.ToLower(locale)+"/"+name] = s
		} else if locale != DefaultLocale {
			problems = append(problems, fmt.Errorf("template %s: there is no %s/%s to fall back to", dir, DefaultLocale, name))
		}
	}
	return slices.DeleteFunc(problems, func(err error) bool { return err == nil })
}

// templateDirs returns the LOCALE/NAME folders, sorted.
func templateDirs(files fs.FS) ([]string, error) {
	all, err := fs.Glob(files, "*/*")
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, dir := range all {
		entry, err := fs.Stat(files, dir)
		if err != nil {
			return nil, err
		}
		locale, name, _ := strings.Cut(dir, "/")
		if !entry.IsDir() || isHidden(locale) || isHidden(name) {
			continue
		}
		if !localeName.MatchString(locale) {
			return nil, fmt.Errorf("%s: the folder of a locale is called as en or de-AT are", dir)
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// isHidden reports whether a file is none of ours: an editor's or a system's.
func isHidden(name string) bool { return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") }

// describe records what the template called name is for.
func (t *Templates) describe(files fs.FS, name string) error {
	info, err := loadMeta(files, name)
	known, builtIn := t.info[name]
	if builtIn && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if builtIn && (info.Category != known.Category || info.API != known.API || !reflect.DeepEqual(info.Variables, known.Variables)) {
		return fmt.Errorf("%s/%s/%s: category, api and variables of a built-in template can't be changed; remove the file",
			DefaultLocale, name, metaFile)
	}
	t.info[name] = info
	return nil
}

func loadSet(files fs.FS, dir string, info email.Template) (set, error) {
	if err := checkNames(files, dir); err != nil {
		return set{}, err
	}
	var s set
	var err error
	if s.subject, err = text(files, dir+"/"+subjectFile); err != nil {
		return set{}, err
	}
	if s.text, err = text(files, dir+"/"+textFile); err != nil {
		return set{}, err
	}
	source, err := fs.ReadFile(files, dir+"/"+htmlFile)
	if err != nil {
		return set{}, err
	}
	if s.html, err = htmltemplate.New(dir + "/" + htmlFile).Option("missingkey=error").Parse(string(source)); err != nil {
		return set{}, err
	}
	// A reference to what does not exist shows only when executed, and within
	// a condition only in one of its branches.
	full, sparse := Data{Link: "https://example.com", Email: "a", Issuer: "b", Site: "b", ExpiresAt: "c", Data: map[string]string{}}, Data{Data: map[string]string{}}
	for _, v := range info.Variables {
		full.Data[v.Name], sparse.Data[v.Name] = "https://example.com", ""
	}
	for _, sample := range []Data{full, sparse} {
		if _, err := s.execute(sample); err != nil {
			return set{}, err
		}
	}
	return s, nil
}

// checkNames finds files that are misnamed, and would be left out in silence.
func checkNames(files fs.FS, dir string) error {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		switch name := entry.Name(); {
		case name == subjectFile, name == textFile, name == htmlFile, isHidden(name):
		case name == metaFile && strings.HasPrefix(dir, DefaultLocale+"/"):
		default:
			return fmt.Errorf("%s/%s: no file of a template is called so", dir, name)
		}
	}
	return nil
}

func text(files fs.FS, name string) (*texttemplate.Template, error) {
	source, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	return texttemplate.New(name).Option("missingkey=error").Parse(string(source))
}

// Template implements [email.Catalog].
func (t *Templates) Template(name string) (email.Template, bool) {
	info, ok := t.info[name]
	return info, ok
}

// Templates implements [email.Catalog].
func (t *Templates) Templates() []email.Template {
	all := make([]email.Template, 0, len(t.info))
	for _, name := range slices.Sorted(maps.Keys(t.info)) {
		all = append(all, t.info[name])
	}
	return all
}

func (t *Templates) has(locale, name string) bool {
	_, ok := t.sets[locale+"/"+name]
	return ok
}

// Execute fills the template called name in the best locale there is: de-AT
// falls back to de, and everything to [DefaultLocale].
func (t *Templates) Execute(locale, name string, data Data) (Texts, error) {
	locale = strings.ToLower(strings.ReplaceAll(locale, "_", "-"))
	for locale != "" && !t.has(locale, name) {
		parent := strings.LastIndexByte(locale, '-')
		locale = locale[:max(parent, 0)]
	}
	if locale == "" {
		locale = DefaultLocale
	}
	s, ok := t.sets[locale+"/"+name]
	if !ok {
		return Texts{}, fmt.Errorf("there is no mail template %q", name)
	}
	given := data.Data
	data.Data = make(map[string]string, len(t.info[name].Variables))
	for _, v := range t.info[name].Variables {
		data.Data[v.Name] = given[v.Name]
	}
	return s.execute(data)
}

func (s set) execute(data Data) (Texts, error) {
	run := func(t interface{ Execute(io.Writer, any) error }) (string, error) {
		var out bytes.Buffer
		err := t.Execute(&out, data)
		return out.String(), err
	}
	var texts Texts
	var err error
	if texts.Subject, err = run(s.subject); err != nil {
		return Texts{}, err
	}
	texts.Subject = oneLine(texts.Subject)
	if texts.Text, err = run(s.text); err != nil {
		return Texts{}, err
	}
	texts.HTML, err = run(s.html)
	return texts, err
}

// oneLine makes text fit for a header field, whatever was filled in: one line
// of printable characters.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r): // controls, and what turns the reading direction
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}
