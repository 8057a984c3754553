package main

import (
	"io"
	"net/http"
	"strings"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/livetrace"
	"github.com/hubgate/hubgate/presence"
	"github.com/hubgate/hubgate/restapi"
)

const (
	frontPage = `This is hubgate, a self-hosted gateway compatible with Azure SignalR Service.

Clients connect at /client, hub servers at /server, applications send through /api.
Those of ASP.NET SignalR connect at /aspnetclient and /aspnetserver.
Documentation: ` + documentation + "\n"

	documentation = "https://github.com/hubgate/hubgate/tree/main/docs"
)

// routes hands each request to the part that serves its first path segment. It
// looks at the path and leaves it as it came in: the REST API needs its escapes.
type routes struct {
	clients, rest, servers, presence http.Handler
	// aspNetClients and aspNetServers are those of ASP.NET SignalR.
	aspNetClients, aspNetServers http.Handler
	// refuses answers requests that settings keep out, and says whether it did; nil keeps out none.
	refuses func(w http.ResponseWriter, r *http.Request) bool
	// trace is live trace.
	trace http.Handler
	// limits returns the largest URI and the largest sum of headers, in bytes.
	limits func() (uri, headers int64)
}

func (s *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.refuses != nil && s.refuses(w, r) {
		return
	}
	maxURI, maxHeaders := s.limits()
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	first = "/" + first
	switch { // their refusals have CORS headers
	case strings.EqualFold(first, auth.ClientPath):
		s.clients.ServeHTTP(w, r)
		return
	case strings.EqualFold(first, auth.AspNetClientPath):
		s.aspNetClients.ServeHTTP(w, r)
		return
	}
	isREST := restapi.Handles(r.URL.Path)
	if int64(len(r.RequestURI)) > maxURI && !isREST { // REST has an error of its own for it
		plain(w, http.StatusRequestURITooLong, "The URL is too long.\n")
		return
	}
	if transport.HeaderBytes(r) > maxHeaders {
		plain(w, http.StatusRequestHeaderFieldsTooLarge, "The headers are too large.\n")
		return
	}
	switch {
	case isREST:
		s.rest.ServeHTTP(w, r)
	case presence.Handles(r.URL.Path):
		s.presence.ServeHTTP(w, r)
	case strings.EqualFold(first, auth.ServerPath):
		s.servers.ServeHTTP(w, r)
	case strings.EqualFold(first, auth.AspNetServerPath):
		s.aspNetServers.ServeHTTP(w, r)
	case strings.EqualFold(first, livetrace.Path):
		s.trace.ServeHTTP(w, r)
	case r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		plain(w, http.StatusOK, frontPage)
	default:
		plain(w, http.StatusNotFound, "There is nothing here. Clients connect at /client, hub servers at /server, applications send through /api. Those of ASP.NET SignalR connect at /aspnetclient and /aspnetserver.\n")
	}
}

// below takes a base path off the requests that have it: some proxies do it
// themselves, others hand requests on as they come.
func below(base string, handler http.Handler) http.Handler {
	if base == "" {
		return handler
	}
	stripped := http.StripPrefix(base, handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, base+"/") {
			stripped.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

func plain(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a reader that left needs no answer
}

func trimSlash(s string) string { return strings.TrimSuffix(s, "/") }
