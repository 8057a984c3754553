// Package portal is the web page on the admin address with which people see and change a running gateway. The page
// is built from portal/web (go generate does not: see portal/web/README.md) and is embedded as it was built.
// It holds nothing of the gateway: all it shows it asks for by the API of the admin address, which decides who may.
package portal

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed dist
var files embed.FS

// types are the media types of the page's files: those of the machine may be anything.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// file is one file of the page.
type file struct {
	content []byte
	tag     string // ETag
}

// Handler serves the page below a prefix, which ends in a slash. It may be called concurrently.
type Handler struct {
	prefix  string
	files   map[string]file
	clients func() string
}

// New returns a Handler. Clients returns the origin at which the page may connect a client of its own, as ws or
// wss, "" for none; it is asked for each request.
func New(prefix string, clients func() string) *Handler {
	h := &Handler{prefix: prefix, files: make(map[string]file), clients: clients}
	// What is embedded can be read.
	_ = fs.WalkDir(files, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		sum := sha256.Sum256(content)
		h.files[strings.TrimPrefix(name, "dist/")] = file{content, `"` + hex.EncodeToString(sum[:8]) + `"`}
		return err
	})
	return h
}

// ServeHTTP serves a file of the page. A browser asks each time whether it has changed.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, h.prefix)
	if name == "" {
		name = "index.html"
	}
	f, ok := h.files[name]
	if !ok {
		http.Error(w, "There is nothing here.", http.StatusNotFound)
		return
	}
	header := w.Header()
	header.Set("Content-Security-Policy", policy(h.clients()))
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", f.tag)
	header.Set("Content-Type", types[path.Ext(name)])
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.content) // a reader that left needs no answer
	}
}

// policy lets the page load and ask nothing but what is here, and connect to the gateway.
func policy(clients string) string {
	connect := "'self'"
	if clients != "" {
		connect += " " + clients
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src " + connect +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
