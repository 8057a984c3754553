package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// serveApplication answers clients that look for the gateway, from any origin.
func (s *server) serveApplication(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		origin = "*"
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Allow-Credentials", "true")
	if !strings.HasSuffix(r.URL.Path, "/negotiate") {
		say(w, http.StatusNotFound, "NotFound")
		return
	}
	s.negotiate(w, r)
}

func (s *server) negotiate(w http.ResponseWriter, r *http.Request) {
	query, user := r.URL.Query(), r.URL.Query().Get("fakeuser")
	if _, err := declaredHubs(query.Get("connectionData"), user != ""); err != nil {
		if err.Error() == "Unable to authorize request" {
			say(w, http.StatusUnauthorized, "Unauthorized")
		} else {
			say(w, http.StatusInternalServerError, "")
		}
		return
	}
	if s.link("", nil) == nil {
		say(w, http.StatusInternalServerError, "Azure SignalR Service is not connected yet, please try again later.")
		return
	}
	if query.Get("callback") != "" {
		say(w, http.StatusBadRequest, "JSONP is no longer supported.")
		return
	}
	token, err := sign(s.gateway.AccessKey, audience(s.gateway)+auth.AspNetClientPath, clientClaims(s.application, user))
	if err != nil {
		say(w, http.StatusInternalServerError, "")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	say(w, http.StatusOK, string(encode(struct {
		ProtocolVersion string
		RedirectURL     string `json:"RedirectUrl"`
		AccessToken     string
		TryWebSockets   bool
	}{"2.0", redirectURL(s.gateway.Client().String(), r.URL.Path, r.URL.RawQuery, randomID()+":=="), token, true})))
}

// clientClaims is what a client's token says.
func clientClaims(application, user string) jwt.MapClaims {
	claims := jwt.MapClaims{"asrs.s.apn": application, "asrs.s.vn": "1.25.1.0", "asrs.s.derror": "True"}
	if user != "" {
		claims["asrs.s.uid"], claims["asrs.s.aut"] = user, "Fake"
		claims["nameid"], claims["unique_name"], claims["color"] = user, user, "red"
	}
	return claims
}

// redirectURL is where a client goes on. Clients of protocol 2.1 take the query along: their own
// items, and two of the service.
func redirectURL(endpoint, path, rawQuery, requestID string) string {
	var items []string
	protocol := ""
	for part := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, value = unescape(name), unescape(value)
		if name == "clientProtocol" {
			protocol = value
		}
		if part != "" && !slices.Contains([]string{"clientProtocol", "connectionToken", "connectionData"}, name) {
			items = append(items, escape(name)+"="+escape(value))
		}
	}
	where := strings.TrimSuffix(endpoint, "/") + auth.AspNetClientPath
	if protocol < "2.1" {
		return where
	}
	items = append(items, "asrs_request_id="+escape(requestID))
	return where + "?" + strings.Join(items, "&") + "&asrs.op=" + url.QueryEscape(strings.TrimSuffix(path, "/negotiate"))
}

func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// unescape returns what cannot be unescaped as it is.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// say answers. A client that has gone needs no answer.
func say(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// control serves what the suite asks for: the events of clients, and faults.
func (s *server) control(mux *http.ServeMux) {
	mux.HandleFunc("GET /ctl/events", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(append([]event{}, s.events...))
	})
	// Ends a client, with ?error=.
	mux.HandleFunc("POST /ctl/close/{id}", s.toClientOf(func(c *client, r *http.Request) {
		s.refuse(c, r.URL.Query().Get("error"))
	}))
	// Ends the server connection that a client is on.
	mux.HandleFunc("POST /ctl/cut/{id}", s.toClientOf(func(c *client, _ *http.Request) { _ = c.link.socket.NetConn().Close() }))
	// Opens a client a second time.
	mux.HandleFunc("POST /ctl/open/{id}", s.toClientOf(func(c *client, _ *http.Request) {
		s.open(c.link, &serviceprotocol.OpenConnection{ConnectionID: c.id})
	}))
}

func (s *server) toClientOf(do func(*client, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := s.client(r.PathValue("id"))
		if c == nil {
			say(w, http.StatusNotFound, "no such client")
			return
		}
		do(c, r)
	}
}
