package admin

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"

	"github.com/hubgate/hubgate/internal/watch"
)

// View is what the live view needs of the gateway. Its functions may be called concurrently.
type View struct {
	Stream *watch.Stream
	// Present are the connections of clients and hub servers at this moment, as events.
	Present func() iter.Seq[*watch.Event]
	// Follow has a watcher hear what happens on other nodes, until stop is called; nil if there are none.
	Follow func(w *watch.Watcher) (stop func())
	// Send carries out what the form of the page asks for, as the REST API would.
	Send func(ctx context.Context, m Message) Sent
	// Prove refuses requests without a good token, wherever they come from; nil refuses all. The error is
	// for the caller.
	Prove func(r *http.Request) error
	// Authorize refuses requests without a good token for the live view; nil lets everybody look and send. Whoever
	// manages the gateway is let in too. The error is for the caller.
	Authorize func(r *http.Request) error
}

// Message is a send that the form of the page asks for.
type Message struct {
	Hub string `json:"hub"`
	// To is all, user, group or connection; Name says which one.
	To   string `json:"to"`
	Name string `json:"name"`
	// Method is the target of the invocation, Arguments a JSON array.
	Method    string          `json:"method"`
	Arguments json.RawMessage `json:"arguments"`
}

// Sent is what came of a Message.
type Sent struct {
	// Status is that of the REST API, Error what it said if that is no success.
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
	// Matched is how many connections the message was for, Trace the id under which it is shown.
	Matched int    `json:"matched"`
	Trace   string `json:"trace,omitempty"`
}

// WatchLive makes v the live view. Until then it is not there.
func (a *Admin) WatchLive(v *View) { a.view.Store(v) }

// LiveResource is what tokens for the live view name, where one is needed.
const LiveResource = "/inspector"

// live lets a request through that may use the live view.
func (a *Admin) live(handle func(v *View, w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return a.viewing(handle, func(w http.ResponseWriter, err, _ error) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		text(w, http.StatusUnauthorized, err.Error()+"\n")
	})
}

// viewing is live with a choice of how to refuse: by what the view says, or by what the guard says, which is nil if
// nothing can be managed yet.
func (a *Admin) viewing(handle func(v *View, w http.ResponseWriter, r *http.Request), refuse func(w http.ResponseWriter, view, guard error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		v := a.view.Load()
		switch {
		case v == nil:
			text(w, http.StatusServiceUnavailable, "The gateway is starting.\n")
			return
		case fromOtherSite(r):
			text(w, http.StatusForbidden, "A page of another site must not use the live view.\n")
			return
		}
		if v.Authorize != nil {
			if view, guard, ok := a.mayLook(v, r); !ok {
				refuse(w, view, guard)
				return
			}
		}
		handle(v, w, r)
	}
}

// mayLook asks the view, and then the guard. The guard is asked once: it counts wrong tokens.
func (a *Admin) mayLook(v *View, r *http.Request) (view, guard error, ok bool) {
	if view = v.Authorize(r); view == nil {
		return nil, nil, true
	}
	if m := a.management.Load(); m != nil {
		_, guard = m.Guard.Admits(r)
		return view, guard, guard == nil
	}
	return view, nil, false
}

// fromOtherSite says whether a browser sends the request for a page of another site. Such pages
// cannot read the answer, but would take up the place of a watcher, or send.
func fromOtherSite(r *http.Request) bool {
	if http.NewCrossOriginProtection().Check(r) != nil { // of requests that change something
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return true
}

// protect sets the headers of everything that a browser may show.
func protect(header http.Header) {
	header.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
}
