package rest

import (
	"net/http"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/services/email"
)

type templateWire struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Category    string `json:"category"`
	// API says that POST /v1/messages takes it.
	API       bool           `json:"api"`
	Locales   []string       `json:"locales"`
	Variables []variableWire `json:"variables"`
}

type variableWire struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	// Format is "text", "multiline" or "link".
	Format    string `json:"format"`
	MaxLength int    `json:"max_length"`
}

func templateOf(t email.Template) templateWire {
	wire := templateWire{
		Name: t.Name, Description: t.Description, Category: t.Category, API: t.API, Locales: t.Locales,
		Variables: []variableWire{},
	}
	for _, v := range t.Variables {
		format := "text"
		switch {
		case v.Link:
			format = "link"
		case v.Multiline:
			format = "multiline"
		}
		wire.Variables = append(wire.Variables, variableWire{Name: v.Name, Required: v.Required, Format: format, MaxLength: v.MaxLength})
	}
	return wire
}

// listTemplates answers with all templates on one page: there are few.
func (a *api) listTemplates(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := readPage(r.URL.Query()); err != nil {
		return err
	}
	page := jsonhttp.List[templateWire]{Items: []templateWire{}}
	for _, t := range a.Catalog.Templates() {
		page.Items = append(page.Items, templateOf(t))
	}
	return jsonhttp.Write(w, http.StatusOK, page)
}

func (a *api) getTemplate(w http.ResponseWriter, r *http.Request) error {
	t, ok := a.Catalog.Template(r.PathValue("name"))
	if !ok {
		return email.ErrNotFound
	}
	return jsonhttp.Write(w, http.StatusOK, templateOf(t))
}
