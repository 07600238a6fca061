package render

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"path"
	"strings"
	texttemplate "text/template"
)

// DefaultLocale is used where there is no text in the locale that was asked
// for. Every template must exist in it.
const DefaultLocale = "en"

// Data is what a template may refer to.
type Data struct {
	// Link is what the reader is to open.
	Link string
	// Email is the recipient's address.
	Email string
	// Issuer is the address of this Gatehouse.
	Issuer string
	// ExpiresAt is the end of the link's validity, as text in UTC.
	ExpiresAt string
}

// Templates are the texts of all mails. It is safe for concurrent use.
type Templates struct{ sets map[string]set }

// set is one template in one locale.
type set struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// Texts are the parts of one mail.
type Texts struct{ Subject, Text, HTML string }

// Load reads LOCALE/NAME/{subject.txt,body.txt,body.html} below files. A
// missing file, a malformed template, one that refers to what [Data] does not
// have, and a name that [DefaultLocale] lacks are errors that name the file.
func Load(files fs.FS) (*Templates, error) {
	bodies, err := fs.Glob(files, "*/*/subject.txt")
	if err != nil {
		return nil, err
	}
	t := &Templates{sets: map[string]set{}}
	var problems []error
	for _, subject := range bodies {
		dir := path.Dir(subject)
		s, err := loadSet(files, dir)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		t.sets[strings.ToLower(path.Dir(dir))+"/"+path.Base(dir)] = s
	}
	for key := range t.sets {
		if name := path.Base(key); !t.has(DefaultLocale, name) {
			problems = append(problems, fmt.Errorf("template %s: there is no %s/%s to fall back to", key, DefaultLocale, name))
		}
	}
	if len(bodies) == 0 {
		problems = append(problems, errors.New("there is no LOCALE/NAME/subject.txt"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("load mail templates: %w", err)
	}
	return t, nil
}

func loadSet(files fs.FS, dir string) (set, error) {
	var s set
	var err error
	if s.subject, err = text(files, dir+"/subject.txt"); err != nil {
		return set{}, err
	}
	if s.text, err = text(files, dir+"/body.txt"); err != nil {
		return set{}, err
	}
	source, err := fs.ReadFile(files, dir+"/body.html")
	if err != nil {
		return set{}, err
	}
	if s.html, err = htmltemplate.New(dir + "/body.html").Option("missingkey=error").Parse(string(source)); err != nil {
		return set{}, err
	}
	// A reference to a field that does not exist shows only when executed.
	if _, err := s.execute(Data{Link: "https://example.com"}); err != nil {
		return set{}, err
	}
	return s, nil
}

func text(files fs.FS, name string) (*texttemplate.Template, error) {
	source, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	return texttemplate.New(name).Option("missingkey=error").Parse(string(source))
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
	// A header field is one line, whatever was filled in.
	texts.Subject = strings.Join(strings.Fields(texts.Subject), " ")
	if texts.Text, err = run(s.text); err != nil {
		return Texts{}, err
	}
	texts.HTML, err = run(s.html)
	return texts, err
}
