package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Hubs is what the portal does with hubs, besides settings. Its functions may be called concurrently; who asks has
// been admitted.
type Hubs struct {
	// Send sends a message as REST does.
	Send func(ctx context.Context, m Message) Sent
	// List answers with a page of what a hub has: connections, users or groups.
	List func(w http.ResponseWriter, r *http.Request, hub, what string)
	// Close closes connections of a hub: "connections" and an id, or "users" and a name.
	Close func(w http.ResponseWriter, r *http.Request, hub string, whose ...string)
	// Client returns the URL at which a client of the hub connects, with its token.
	Client func(hub, user string) (string, error)
}

// ServePortal has pages serve what is below a prefix, and leads browsers there.
func (a *Admin) ServePortal(prefix string, pages http.Handler) {
	a.portal.Store(&prefix)
	a.pages.Handle("GET "+prefix, pages)
}

// ServeHelp has pages serve the documentation below a prefix. Log lines name a page as docs/PAGE: these lead there too.
func (a *Admin) ServeHelp(prefix string, pages http.Handler) {
	a.help.Store(&prefix)
	a.pages.Handle("GET "+prefix, pages)
	a.pages.HandleFunc("GET /docs/{page...}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, prefix+(&url.URL{Path: r.PathValue("page")}).EscapedPath(), http.StatusFound)
	})
}

// ServeHubs serves what the portal does with hubs, below /api/. Who asks has to be a manager.
func (a *Admin) ServeHubs(h *Hubs) {
	for _, what := range []string{"connections", "users", "groups"} {
		a.pages.HandleFunc("GET /api/hubs/{hub}/"+what, a.Managed(func(_ *Management, _ string, w http.ResponseWriter, r *http.Request) {
			h.List(w, r, r.PathValue("hub"), what)
		}))
	}
	a.pages.HandleFunc("DELETE /api/hubs/{hub}/connections/{id}", a.Managed(func(_ *Management, _ string, w http.ResponseWriter, r *http.Request) {
		h.Close(w, r, r.PathValue("hub"), "connections", r.PathValue("id"))
	}))
	a.pages.HandleFunc("DELETE /api/hubs/{hub}/users/{user}/connections", a.Managed(func(_ *Management, _ string, w http.ResponseWriter, r *http.Request) {
		h.Close(w, r, r.PathValue("hub"), "users", r.PathValue("user"))
	}))
	a.pages.HandleFunc("POST /api/send", a.managed(func(c *apiCall) error {
		var m Message
		if err := c.read(&m); err != nil {
			return err
		}
		return c.answer(http.StatusOK, h.Send(c.r.Context(), m))
	}))
	a.pages.HandleFunc("POST /api/client", a.managed(func(c *apiCall) error {
		var of struct{ Hub, User string }
		if err := c.read(&of); err != nil {
			return err
		}
		url, err := h.Client(of.Hub, of.User)
		if err != nil {
			return badRequest{err}
		}
		return c.answer(http.StatusOK, map[string]string{"url": url})
	}))
}

// serveIndex leads browsers to the portal; others get a list of what is here.
func (a *Admin) serveIndex(w http.ResponseWriter, r *http.Request) {
	to, list := "/inspector", index
	if portal := a.portal.Load(); portal != nil {
		to, list = *portal, fmt.Sprintf("%s%-15s settings, clients, traces, for browsers; needs the admin token\n", index, *portal)
	}
	if help := a.help.Load(); help != nil {
		list += fmt.Sprintf("%-15s the documentation, for browsers\n", *help)
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	text(w, http.StatusOK, list)
}
