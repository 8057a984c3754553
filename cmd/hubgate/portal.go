package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/docs"
	"github.com/hubgate/hubgate/help"
	"github.com/hubgate/hubgate/portal"
)

// portalPath is where the portal is on the admin address.
const portalPath = "/portal/"

// helpPath is where the documentation is on the admin address.
const helpPath = "/help/"

// testClientLifetime is how long the token of the portal's own client is good.
const testClientLifetime = time.Hour

// openPortal serves the portal, and what it needs besides the API of the settings: hubs are looked at and spoken to
// by the same endpoints as by applications, in this process.
func (s *server) openPortal(rest, who http.Handler) {
	s.admin.ServePortal(portalPath, portal.New(portalPath, s.clientOrigin))
	s.admin.ServeHelp(helpPath, help.New(helpPath, docs.Files))
	s.admin.ServeHubs(&admin.Hubs{
		Send: func(ctx context.Context, m admin.Message) admin.Sent { return s.sendForPage(ctx, rest, m) },
		List: func(w http.ResponseWriter, r *http.Request, hub, what string) {
			s.askHere(w, r, who, http.MethodGet, presencePath+url.PathEscape(hub)+"/"+what, r.URL.RawQuery)
		},
		Close: func(w http.ResponseWriter, r *http.Request, hub string, whose ...string) {
			s.askHere(w, r, rest, closeMethod(whose), closePath(hub, whose), closeQuery(r))
		},
		Client: s.testClient,
	})
}

// presencePath is where presence lists hubs.
const presencePath = "/hubgate/v1/hubs/"

// A connection is closed by DELETE, those of a user by a verb.
func closeMethod(whose []string) string {
	if whose[0] == "connections" {
		return http.MethodDelete
	}
	return http.MethodPost
}

func closePath(hub string, whose []string) string {
	if whose[0] == "connections" {
		return restPath(hub, "connections", whose[1])
	}
	return restPath(hub, "users", whose[1], ":closeConnections")
}

func closeQuery(r *http.Request) string {
	q := url.Values{"api-version": {restVersion}}
	if reason := r.URL.Query().Get("reason"); reason != "" {
		q.Set("reason", reason)
	}
	return q.Encode()
}

// clientOrigin is where the portal's own client connects.
func (s *server) clientOrigin() string {
	u, err := url.Parse(s.endpoints.URL)
	if err != nil {
		return ""
	}
	return strings.Replace(u.Scheme, "http", "ws", 1) + "://" + u.Host
}

// testClient returns the URL at which a client of the hub connects, for whoever may manage the gateway.
func (s *server) testClient(hub, user string) (string, error) {
	if hub == "" || isApplication(hub) {
		return "", errors.New("name a hub of ASP.NET Core SignalR")
	}
	token, err := s.signClient(hub, user, testClientLifetime)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(s.endpoints.URL)
	if err != nil {
		return "", err
	}
	query := url.Values{"hub": {hub}, "access_token": {token}}
	return s.clientOrigin() + u.Path + "/client/?" + query.Encode(), nil
}

// askHere carries out a request of this process, with a token of its own, and answers with what came of it.
func (s *server) askHere(w http.ResponseWriter, of *http.Request, to http.Handler, method, path, query string) {
	token, err := auth.SignREST(s.own, s.audience()+path, pageTokenLifetime)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	r, err := http.NewRequestWithContext(of.Context(), method, s.endpoints.URL+path, http.NoBody)
	if err != nil {
		refuse(w, http.StatusBadRequest, "The hub or the name cannot be part of a URL.")
		return
	}
	if r.URL, err = url.ParseRequestURI(path + "?" + query); err != nil {
		refuse(w, http.StatusBadRequest, "The hub or the name cannot be part of a URL.")
		return
	}
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("Authorization", "Bearer "+token)
	keeper := &answerKeeper{header: make(http.Header), status: http.StatusOK}
	to.ServeHTTP(keeper, r)
	if keeper.status/100 != 2 {
		text := plainReason(keeper.body.Bytes())
		if text == "" {
			text = fmt.Sprintf("The gateway answered with status %d.", keeper.status)
		}
		refuse(w, keeper.status, text)
		return
	}
	if kind := keeper.header.Get("Content-Type"); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(keeper.status)
	_, _ = w.Write(keeper.body.Bytes()) // a reader that left needs no answer
}

// refuse answers as the API of the admin address does.
func refuse(w http.ResponseWriter, status int, text string) {
	var body bytes.Buffer
	_ = json.NewEncoder(&body).Encode(map[string]any{"error": map[string]string{"code": http.StatusText(status), "message": text}}) // texts can be encoded
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a reader that left needs no answer
}
