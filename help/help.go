// Package help shows the documentation on the admin address. Pages are rendered from their Markdown when somebody asks
// for them, so what is shown is what was written when the program was built, and a gateway that nobody asks pays nothing.
// Pages have no scripts: the search is a form.
package help

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed help.css
var style []byte

//go:embed page.html
var layout string

// policy lets a page load styles and pictures from here, and send the search's form here. Nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// drawingPolicy is that of a picture in SVG, which is a document: it has its own styles, and loads and runs nothing.
const drawingPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

// pictures are the media types of what pages show: those of the machine may be anything.
var pictures = map[string]string{".png": "image/png", ".svg": "image/svg+xml"}

// index is the page that lists all others.
const index = "README.md"

// Handler serves the pages below a prefix. It may be called concurrently.
type Handler struct {
	prefix string
	files  fs.FS
	// What follows is made when somebody asks for the first time.
	layout func() *template.Template
	// contents is the list of pages, as the index has it.
	contents func() []chapter
	sections func() []section
	rendered sync.Map // by file
	// searching has room for one: who may read pages must not keep the processors busy.
	searching chan struct{}
}

// New returns a Handler for what is below prefix, which ends in a slash. Of files it takes README.md as the list of all
// pages: each heading of the second level begins a chapter, and links name its pages.
func New(prefix string, files fs.FS) *Handler {
	h := &Handler{prefix: prefix, files: files, searching: make(chan struct{}, 1)}
	h.sections = sync.OnceValue(h.divide)
	h.contents = sync.OnceValue(func() []chapter {
		source, err := fs.ReadFile(files, index)
		if err != nil {
			return nil // pages without a list
		}
		return contents(source)
	})
	h.layout = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(layout)) })
	return h
}

// ServeHTTP answers GET and HEAD with a page, a picture, or what the search found.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, h.prefix)
	switch {
	case name == "help.css":
		h.answer(w, r, "text/css; charset=utf-8", style)
	case name == "search":
		h.find(w, r)
	case strings.HasSuffix(name, ".md"): // as pages are named in the repository and in log lines
		h.redirect(w, r, name)
	case pictures[path.Ext(name)] != "":
		h.picture(w, r, name)
	default:
		h.page(w, r, source(name))
	}
}

// redirect leads from the name of a page's file to the page.
func (h *Handler) redirect(w http.ResponseWriter, r *http.Request, name string) {
	if _, err := fs.Stat(h.files, name); err != nil {
		h.missing(w, r)
		return
	}
	protect(w.Header())
	w.Header().Set("Location", root(name)+address(name))
	w.WriteHeader(http.StatusMovedPermanently)
}

// source is the file of the page with an address: "" is the index, "recipes/" is that of recipes.
func source(address string) string {
	if address == "" || strings.HasSuffix(address, "/") {
		return address + index
	}
	return address + ".md"
}

// address is where the page of a file is, below the prefix.
func address(source string) string {
	name := strings.TrimSuffix(source, ".md")
	if path.Base(source) == index {
		name = strings.TrimSuffix(source, index)
	}
	return name
}

func (h *Handler) page(w http.ResponseWriter, r *http.Request, name string) {
	if made, ok := h.rendered.Load(name); ok {
		h.show(w, r, made.(*page))
		return
	}
	text, err := fs.ReadFile(h.files, name)
	if err != nil {
		h.missing(w, r)
		return
	}
	made, err := render(name, text)
	if err != nil {
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h.rendered.Store(name, made)
	h.show(w, r, made)
}

// find shows what a search found. One search runs at a time; the others wait for as long as somebody wants them.
func (h *Handler) find(w http.ResponseWriter, r *http.Request) {
	select {
	case h.searching <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	defer func() { <-h.searching }()
	h.show(w, r, h.results(r.URL.Query().Get("q")))
}

func (h *Handler) picture(w http.ResponseWriter, r *http.Request, name string) {
	content, err := fs.ReadFile(h.files, name)
	if err != nil {
		h.missing(w, r)
		return
	}
	h.answer(w, r, pictures[path.Ext(name)], content)
}

func (h *Handler) missing(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_ = h.layout().Execute(w, h.shown(r, nothing)) // a reader that left needs no answer
}

// nothing is the page that is shown where there is none.
var nothing = &page{Title: "There is no such page", Body: "<h1>There is no such page</h1><p>The search may find it, or the list of pages.</p>"}

// view is what the layout is given.
type view struct {
	*page
	Contents []chapter
	Root     string // the way from the page to the prefix
}

func (h *Handler) shown(r *http.Request, p *page) view {
	v := view{p, make([]chapter, 0, len(h.contents())), root(strings.TrimPrefix(r.URL.Path, h.prefix))}
	here := h.place(p.name)
	for _, c := range h.contents() {
		links := slices.Clone(c.Links)
		for i := range links {
			links[i].Here = here != "" && links[i].To == here
		}
		v.Contents = append(v.Contents, chapter{c.Title, links})
	}
	return v
}

// place is which link of the list stands for a page: the one that leads to it, or else the first that leads into it.
func (h *Handler) place(name string) string {
	if name == "" {
		return ""
	}
	at, into := address(name), ""
	for _, c := range h.contents() {
		for _, l := range c.Links {
			if l.To == at {
				return at
			}
			if file, _, _ := strings.Cut(l.To, "#"); file == at && into == "" {
				into = l.To
			}
		}
	}
	return into
}

func (h *Handler) show(w http.ResponseWriter, r *http.Request, p *page) {
	var whole bytes.Buffer
	if err := h.layout().Execute(&whole, h.shown(r, p)); err != nil {
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h.answer(w, r, "text/html; charset=utf-8", whole.Bytes())
}

// answer sends what is here. A browser asks each time whether it has changed.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, media string, content []byte) {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	protect(w.Header())
	if media == pictures[".svg"] {
		w.Header().Set("Content-Security-Policy", drawingPolicy)
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Type", media)
	if strings.TrimPrefix(r.Header.Get("If-None-Match"), "W/") == tag { // a proxy that compresses makes it a weak one
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a reader that left needs no answer
	}
}

func protect(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
}

// root is the way from a page, by its file or its address, to the prefix. Links hold wherever the prefix is.
func root(name string) string {
	if up := strings.Count(name, "/"); up > 0 {
		return strings.Repeat("../", up)
	}
	return "./"
}
