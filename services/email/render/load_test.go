package render_test

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"gatehouse.example/configs/templates"
	"gatehouse.example/services/email"
	"gatehouse.example/services/email/render"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// hello is a folder with one good template.
func hello() fstest.MapFS {
	return fstest.MapFS{
		"en/hello/meta.yaml":   file("category: product\napi: true\nvariables: [{name: who, required: true}, {name: link, link: true}]\n"),
		"en/hello/subject.txt": file("Hello {{.Data.who}}"),
		"en/hello/body.txt":    file("{{.Link}} {{.Data.who}}"),
		"en/hello/body.html":   file("<a href='{{.Link}}'>{{.Data.who}}</a>"),
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := render.Load(hello()); err != nil {
		t.Fatal(err)
	}
	set := func(name, text string) func(fstest.MapFS) {
		return func(f fstest.MapFS) { f[name] = file(text) }
	}
	tests := []struct {
		name   string
		change func(fstest.MapFS)
		want   string
	}{
		{"missing body", func(f fstest.MapFS) { delete(f, "en/hello/body.html") }, "en/hello/body.html"},
		{"missing subject", func(f fstest.MapFS) { delete(f, "en/hello/subject.txt") }, "en/hello/subject.txt"},
		{"missing in another language", set("de/hello/subject.txt", "Hallo"), "de/hello/body.txt"},
		{"missing meta", func(f fstest.MapFS) { delete(f, "en/hello/meta.yaml") }, "en/hello/meta.yaml"},
		{"misnamed file", set("en/hello/body.htm", "x"), "en/hello/body.htm"},
		{"misnamed locale", set("english!/hello/body.txt", "x"), "english!"},
		{"syntax", set("en/hello/body.txt", "a\n{{.Link"), "en/hello/body.txt:2"},
		{"unknown field", set("en/hello/subject.txt", "{{.Lnik}}"), "Lnik"},
		{"undeclared variable", set("en/hello/body.html", "{{.Data.hwo}}"), "hwo"},
		{"undeclared variable where it is seldom seen", set("en/hello/body.txt", "{{if not .Data.link}}{{.Data.hwo}}{{end}}"), "hwo"},
		{"unclosed markup", set("en/hello/body.html", "<a href='{{if .Link}}x{{else}}'{{end}}"), "en/hello/body.html"},
		{"no default locale", func(f fstest.MapFS) {
			for _, name := range []string{"subject.txt", "body.txt", "body.html"} {
				f["de/only/"+name] = f["en/hello/"+name]
			}
		}, "en/only"},
		{"empty", func(f fstest.MapFS) { clear(f) }, "LOCALE/NAME"},
		{"meta: unknown member", set("en/hello/meta.yaml", "category: product\nvars: []"), "vars"},
		{"meta: malformed", set("en/hello/meta.yaml", "category: ["), "en/hello/meta.yaml"},
		{"meta: no category", set("en/hello/meta.yaml", "api: true"), "category"},
		{"meta: security for clients", set("en/hello/meta.yaml", "category: security\napi: true"), "security"},
		{"meta: variable's name", set("en/hello/meta.yaml", "category: product\nvariables: [{name: Who}]"), "Who"},
		{"meta: variable twice", set("en/hello/meta.yaml", "category: product\nvariables: [{name: who}, {name: who}]"), "twice"},
		{"meta: length", set("en/hello/meta.yaml", "category: product\nvariables: [{name: who, max_length: 100000}]"), "max_length"},
		{"meta: link of many lines", set("en/hello/meta.yaml", "category: product\nvariables: [{name: who, link: true, multiline: true}]"), "one line"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := hello()
			test.change(files)
			if _, err := render.Load(files); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Load: %v, want it to say %q", err, test.want)
			}
		})
	}
}

func TestOwnTemplate(t *testing.T) {
	files := hello()
	files["en/hello/body.txt~"] = file("an editor's")
	files["README"] = file("not a template")
	texts, err := render.Load(templates.FS(), files)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := texts.Template("hello")
	want := email.Template{Name: "hello", Category: "product", API: true, Locales: []string{"en"}, Variables: []email.Variable{
		{Name: "who", Required: true, MaxLength: 1000}, {Name: "link", Link: true, MaxLength: 1000},
	}}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("template (-want +got):\n%s", diff)
	}
	mail, err := texts.Execute("fr", "hello", render.Data{Link: "https://x", Data: map[string]string{"who": "Ada", "unasked": "x"}})
	if err != nil || mail.Subject != "Hello Ada" || mail.Text != "https://x Ada" {
		t.Errorf("mail %+v, %v", mail, err)
	}
}

func TestOverride(t *testing.T) {
	own := fstest.MapFS{
		"en/verify_email/subject.txt": file("Welcome to Acme"),
		"en/verify_email/body.txt":    file("{{.Link}}"),
		"en/verify_email/body.html":   file("{{.Link}}"),
	}
	texts, err := render.Load(templates.FS(), own)
	if err != nil {
		t.Fatal(err)
	}
	for locale, want := range map[string]string{"en": "Welcome to Acme", "fr": "Welcome to Acme", "de": "Bestätigen Sie Ihre E-Mail-Adresse"} {
		if got, err := texts.Execute(locale, "verify_email", render.Data{}); err != nil || got.Subject != want {
			t.Errorf("%s: %q, %v", locale, got.Subject, err)
		}
	}
	if got, err := texts.Execute("en", "reset_password", render.Data{}); err != nil || got.Subject != "Choose a new password" {
		t.Errorf("a built-in one that is not replaced: %q, %v", got.Subject, err)
	}
	info, _ := texts.Template("verify_email")
	if info.Category != email.CategorySecurity || info.API {
		t.Errorf("what it is for: %+v", info)
	}
	// A copy of the whole folder is no change.
	if _, err := render.Load(templates.FS(), templates.FS()); err != nil {
		t.Errorf("a copy: %v", err)
	}
	for name, meta := range map[string]string{
		"category": "category: product", "for clients": "category: product\napi: true", "variable": "category: security\nvariables: [{name: x}]",
	} {
		files := maps.Clone(own)
		files["en/verify_email/meta.yaml"] = file(meta)
		if _, err := render.Load(templates.FS(), files); err == nil || !strings.Contains(err.Error(), "en/verify_email/meta.yaml") {
			t.Errorf("%s of a built-in template changed: %v", name, err)
		}
	}
}
