package clientws

import (
	"net/http"
	"strings"
)

// preflightSeconds is how long a browser may remember the answer to a preflight.
const preflightSeconds = "600"

// allowOrigin puts the CORS headers on every answer, refusals included: without
// them a browser reports a CORS error instead of the status (C26). The origin
// is echoed, never `*`, because clients send credentials by default (C27).
func (h *Handler) allowOrigin(header http.Header, r *http.Request) {
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !h.originAllowed(origin) {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
}

func (h *Handler) originAllowed(origin string) bool {
	for _, allowed := range h.options.Origins() {
		if allowed == "*" || strings.EqualFold(strings.TrimSuffix(allowed, "/"), origin) {
			return true
		}
	}
	return false
}

// preflight answers OPTIONS. Browsers send no token with it (C25).
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if header.Get("Access-Control-Allow-Origin") != "" && r.Header.Get("Access-Control-Request-Method") != "" {
		header.Add("Vary", "Access-Control-Request-Headers")
		header.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			header.Set("Access-Control-Allow-Headers", asked)
		}
		header.Set("Access-Control-Max-Age", preflightSeconds)
	}
	w.WriteHeader(http.StatusNoContent)
}
