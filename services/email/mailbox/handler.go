package mailbox

import (
	"encoding/json"
	"errors"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"gatehouse.example/internal/problem"
)

// The list and the frame around a mail may load nothing and run nothing; the
// mail itself in addition has no origin and can't be framed by strangers.
const (
	pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	mailPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

// New returns the handler of /dev/mailbox and everything below it for the
// mails in directory. It relies on the gateway for X-Forwarded-For and
// X-Forwarded-Host, so nobody else may reach it.
func New(directory string) http.Handler {
	h := &handler{folder: folder{path: directory}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /dev/mailbox", h.list)
	mux.HandleFunc("GET /dev/mailbox/{$}", h.list)
	mux.HandleFunc("GET /dev/mailbox/{id}", h.show)
	mux.HandleFunc("GET /dev/mailbox/{id}/html", h.body)
	return local(mux)
}

// local lets only clients on this machine in, under a name of this machine: a
// page on the internet whose name leads to 127.0.0.1 stays outside.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, err := netip.ParseAddr(strings.TrimSpace(r.Header.Get("X-Forwarded-For")))
		if err != nil || !client.Unmap().IsLoopback() || !localName(r.Header.Get("X-Forwarded-Host")) {
			problem.Write(w, r, problem.New(http.StatusForbidden, "local_only", "the mailbox can be read on this machine only, at localhost"))
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		// JSON must not become readable for a page of another origin.
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch strings.ToLower(strings.Trim(host, "[]")) {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}

type handler struct{ folder folder }

func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Query().Get("to")
	items, err := h.folder.list(to)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	if wantsHTML(r) {
		page(w, r, listPage, map[string]any{"Items": items, "To": to})
		return
	}
	writeJSON(w, map[string]any{"items": items, "next_cursor": nil})
}

func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	item, ok := h.item(w, r)
	if !ok {
		return
	}
	if wantsHTML(r) {
		page(w, r, mailPage, item)
		return
	}
	writeJSON(w, item)
}

// writeJSON leaves <, > and & as they are, so that links can be read with grep.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

// body is the HTML part alone, as the frame loads it.
func (h *handler) body(w http.ResponseWriter, r *http.Request) {
	item, ok := h.item(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// Links open in a tab of their own: the frame may not lead its page away.
	_, _ = w.Write([]byte(strings.Replace(item.HTML, "<head>", `<head><base target="_blank">`, 1)))
}

func (h *handler) item(w http.ResponseWriter, r *http.Request) (Item, bool) {
	item, err := h.folder.read(r.PathValue("id"))
	if errors.Is(err, fs.ErrNotExist) {
		err = problem.New(http.StatusNotFound, "not_found", "there is no such mail")
	}
	if err != nil {
		problem.Write(w, r, err)
		return Item{}, false
	}
	return item, true
}

// wantsHTML reports whether a browser asks; anything else gets JSON.
func wantsHTML(r *http.Request) bool {
	w, j := strings.Index(r.Header.Get("Accept"), "text/html"), strings.Index(r.Header.Get("Accept"), "application/json")
	return w >= 0 && (j < 0 || w < j)
}

func page(w http.ResponseWriter, r *http.Request, t *template.Template, data any) {
	var out strings.Builder
	if err := t.Execute(&out, data); err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(out.String()))
}
