package admin

import (
	"embed"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"strings"
)

//go:embed page
var pageFiles embed.FS

const (
	// pageHeader has to be on what the page asks for. A form of another site cannot set it.
	pageHeader = "X-Hubgate-Inspector"
	// maxSendBytes bounds what the form of the page sends.
	maxSendBytes = 1 << 20
)

// servePage serves the page and its parts, which hold nothing of the gateway.
func servePage(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/inspector"), "/")
	if name == "" {
		name = "index.html"
	}
	content, err := fs.ReadFile(pageFiles, "page/"+name)
	if err != nil {
		text(w, http.StatusNotFound, "There is nothing here.\n")
		return
	}
	protect(w.Header())
	w.Header().Set("Content-Type", pageTypes[name[strings.LastIndexByte(name, '.')+1:]])
	_, _ = w.Write(content) // a reader that left needs no answer
}

// pageTypes are the media types of the page's files: those of the machine may be anything.
var pageTypes = map[string]string{
	"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
	"js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
}

// serveSend carries out a send of the page's form.
func serveSend(v *View, w http.ResponseWriter, r *http.Request) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Header.Get(pageHeader) == "" || media != "application/json" {
		text(w, http.StatusForbidden, "This is for the page at /inspector; applications send by the REST API.\n")
		return
	}
	var m Message
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSendBytes)).Decode(&m); err != nil {
		text(w, http.StatusBadRequest, "The request is no message.\n")
		return
	}
	answer, err := json.Marshal(v.Send(r.Context(), m))
	if err != nil {
		text(w, http.StatusInternalServerError, "The answer cannot be written.\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // a reader that left needs no answer
}
