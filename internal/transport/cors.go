package transport

import (
	"net/http"
	"strings"
)

// preflightSeconds is how long a browser may remember the answer to a preflight.
const preflightSeconds = "600"

// CORS lets pages of other origins use an endpoint.
type CORS struct {
	// Origins returns the origins that browsers may come from; "*" is any. It is asked anew for
	// each request, concurrently, and must be cheap.
	Origins func() []string
	// Methods are those that a preflight offers, separated by commas.
	Methods string
}

// Allow puts the CORS headers on every answer, refusals included: without
// them a browser reports a CORS error instead of the status (C26). The origin
// is echoed, never `*`, because clients send credentials by default (C27).
func (c *CORS) Allow(header http.Header, r *http.Request) {
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !c.allows(origin) {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
}

// Refuses reports whether a request comes from a page that may not come. Browsers leave that to
// the server for WebSockets.
func (c *CORS) Refuses(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin != "" && !c.allows(origin)
}

func (c *CORS) allows(origin string) bool {
	for _, allowed := range c.Origins() {
		if allowed == "*" || strings.EqualFold(strings.TrimSuffix(allowed, "/"), origin) {
			return true
		}
	}
	return false
}

// Preflight answers OPTIONS, after Allow. Browsers send no token with it (C25).
func (c *CORS) Preflight(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if header.Get("Access-Control-Allow-Origin") != "" && r.Header.Get("Access-Control-Request-Method") != "" {
		header.Add("Vary", "Access-Control-Request-Headers")
		header.Set("Access-Control-Allow-Methods", c.Methods)
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			header.Set("Access-Control-Allow-Headers", asked)
		}
		header.Set("Access-Control-Max-Age", preflightSeconds)
	}
	w.WriteHeader(http.StatusNoContent)
}
