package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/internal/trace"
	"github.com/hubgate/hubgate/internal/watch"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/servermode"
	"github.com/hubgate/hubgate/tracing"
)

// liveView is what the admin address shows of the gateway and lets people send.
func (s *server) liveView(hub *gateway.Gateway, servers *servermode.Backend, rest http.Handler, verifier *auth.Verifier) *admin.View {
	v := &admin.View{
		Stream:  &s.seen.stream,
		Present: func() iter.Seq[*watch.Event] { return present(hub, servers) },
		Send: func(ctx context.Context, m admin.Message) admin.Sent {
			return s.sendForPage(ctx, rest, m)
		},
	}
	v.Prove = func(r *http.Request) error {
		_, err := s.managed.guard.Admits(r)
		return err
	}
	if peers := s.nodes.peers(); peers != nil {
		s.seen.stream.Node = hub.Name()
		relay := tracing.NewRelay(&s.seen.stream, v.Present, peers)
		s.built.add("those who watch from other nodes", ignoreContext(relay.Close))
		v.Follow = relay.Follow
	}
	if s.config.AdminExposed() {
		v.Authorize = func(r *http.Request) error { return authorizeLive(verifier, r) }
	}
	return v
}

// authorizeLive asks for what REST asks for: where others reach the admin address, whoever sees
// messages or sends some has to have the access key.
func authorizeLive(verifier *auth.Verifier, r *http.Request) error {
	token, ok := auth.BearerToken(r.Header)
	if !ok {
		return errors.New("this needs a token, since it shows what is secret or can be reached from other machines: hubgate token rest " + admin.LiveResource)
	}
	err := verifier.Admin(token, admin.LiveResource)
	if refused, ok := errors.AsType[*auth.TokenError](err); ok {
		return errors.New(refused.Description())
	}
	return err
}

// present are the connections at this moment.
func present(hub *gateway.Gateway, servers *servermode.Backend) iter.Seq[*watch.Event] {
	return func(yield func(*watch.Event) bool) {
		more := true
		servers.Each(func(s servermode.ServerConnection) {
			more = more && yield(serverEvent(watch.WhatPresent, s))
		})
		hub.Each(func(c *gateway.Conn) {
			if c.IsOpen() {
				more = more && yield(connectionEvent(watch.WhatPresent, c, gateway.Cause{}))
			}
		})
	}
}

// pageTokenLifetime is how long a token lives that is used at once.
const pageTokenLifetime = time.Minute

// sendForPage makes the REST request that the message is, with a token of its own, and carries it out
// in this process: what REST checks, counts and logs is the same for the page.
func (s *server) sendForPage(ctx context.Context, rest http.Handler, m admin.Message) admin.Sent {
	refused := func(text string) admin.Sent { return admin.Sent{Status: http.StatusBadRequest, Error: text} }
	segments := map[string][]string{
		"all": {m.Hub, ":send"}, "user": {m.Hub, "users", m.Name, ":send"},
		"group": {m.Hub, "groups", m.Name, ":send"}, "connection": {m.Hub, "connections", m.Name, ":send"},
	}[m.To]
	switch {
	case segments == nil:
		return refused("The target is none of all, user, group and connection.")
	case isApplication(m.Hub):
		return refused("The hub is " + reachedByItsOwn + ".")
	case m.Hub == "" || m.To != "all" && m.Name == "":
		return refused("The hub, or the name of the " + m.To + ", is missing.")
	}
	body, err := json.Marshal(struct {
		Target    string          `json:"target"`
		Arguments json.RawMessage `json:"arguments"`
	}{m.Method, m.Arguments})
	if err != nil {
		return refused("The arguments are no JSON.")
	}
	path := restPath(segments...)
	token, err := auth.SignREST(s.own, s.audience()+path, pageTokenLifetime)
	if err != nil {
		return refused(err.Error())
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoints.URL+path+"?api-version="+restVersion, bytes.NewReader(body))
	if err != nil {
		return refused(err.Error())
	}
	if r.URL, err = url.ParseRequestURI(path + "?api-version=" + restVersion); err != nil {
		return refused(err.Error())
	}
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(restapi.CountHeader, "true")
	w := &answerKeeper{header: make(http.Header), status: http.StatusOK}
	rest.ServeHTTP(w, r)
	return w.sent()
}

// isApplication says whether the hub is the key of an application of ASP.NET SignalR.
func isApplication(hub string) bool {
	_, ok := hubname.Application(strings.ToLower(hub))
	return ok
}

const reachedByItsOwn = "an application of ASP.NET SignalR, which only its own servers and clients reach"

// answerKeeper is a ResponseWriter for requests within this process.
type answerKeeper struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answerKeeper) Header() http.Header         { return w.header }
func (w *answerKeeper) WriteHeader(status int)      { w.status = status }
func (w *answerKeeper) Write(b []byte) (int, error) { return w.body.Write(b) }

func (w *answerKeeper) sent() admin.Sent {
	sent := admin.Sent{Status: w.status, Trace: w.header.Get(trace.Header)}
	sent.Matched, _ = strconv.Atoi(w.header.Get(restapi.MatchedHeader)) // refusals have none
	if w.status/100 != 2 {
		if sent.Error = plainReason(w.body.Bytes()); sent.Error == "" {
			sent.Error = http.StatusText(w.status)
		}
	}
	return sent
}
