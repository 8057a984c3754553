package servermode

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubname"
)

var upgrader = websocket.Upgrader{
	HandshakeTimeout: 10 * time.Second,
	ReadBufferSize:   16 << 10,
	WriteBufferSize:  4 << 10,
	CheckOrigin:      func(*http.Request) bool { return true }, // no browser holds a server token
	Error:            func(http.ResponseWriter, *http.Request, int, error) {},
}

// ServeHTTP serves the requests of hub servers of ASP.NET Core SignalR, at /server and /server/. It
// returns when the server connection has ended.
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.serve(w, r, coreDialect{}) }

// AspNet returns what ServeHTTP is for hub servers of ASP.NET SignalR, at /aspnetserver and
// /aspnetserver/.
func (b *Backend) AspNet() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(w, r, aspnetDialect{}) })
}

func (b *Backend) serve(w http.ResponseWriter, r *http.Request, d dialect) {
	sc, err := b.authenticate(r, d)
	if err != nil {
		b.refuseRequest(w, r, err)
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		b.refuseRequest(w, r, errNoUpgrade)
		return
	}
	// A refusal is sent after the upgrade, in the handshake: there the SDK logs its text (D6).
	refusal, ok := b.conns.add(sc, b.opts.Limits().MaxConnections)
	if ok {
		defer b.conns.remove(sc)
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		b.refuseRequest(w, r, errNoUpgrade)
		return
	}
	defer ws.Close() // even if something panics
	sc.attach(ws)
	if !ok {
		sc.refuse(refusal, nil)
		return
	}
	sc.run()
}

var (
	errNoHub         = errors.New("the query parameter hub is missing or not a valid hub name")
	errNoApplication = errors.New("the query parameter hub names no application")
	errNoUpgrade     = errors.New("not a WebSocket upgrade")
)

// authenticate verifies the request's hub and token.
func (b *Backend) authenticate(r *http.Request, d dialect) (*serverConn, error) {
	query := r.URL.Query()
	name := query.Get("hub")
	if len(query["hub"]) != 1 || hubname.Check(name) != nil {
		return nil, errNoHub
	}
	homes, whole := d.homes(name)
	if len(homes) == 0 {
		return nil, errNoApplication
	}
	token, _ := auth.BearerToken(r.Header)
	claims, err := d.verify(b.opts.Verifier, token, name)
	if err != nil {
		return nil, err
	}
	sc := &serverConn{b: b, dialect: d, peer: peer{
		hub: strings.ToLower(name), homes: homes, whole: whole, cid: query.Get("cid"), target: query.Get("target"),
		serverID: claims.ServerID, agent: r.Header.Get("Asrs-User-Agent"), remote: r.RemoteAddr,
	}}
	if sc.peer.serverID == "" {
		sc.peer.serverID = r.Header.Get("X-ASRS-Server-Id")
	}
	sc.log = b.opts.Logger.With("hub", homes[0], "server", clip(sc.peer.serverID), "cid", clip(sc.peer.cid))
	if sc.peer.hub != homes[0] {
		sc.log = sc.log.With("serves", sc.peer.hub)
	}
	return sc, nil
}

// LogRefused is the message of the log line about a refused server connection. Such lines may be
// summed up by their attribute "reason".
const LogRefused = "server connection refused"

// refuseRequest answers a request that does not become a server connection.
func (b *Backend) refuseRequest(w http.ResponseWriter, r *http.Request, err error) {
	status, refusal, text := http.StatusBadRequest, RefusedRequest, refusalTexts[RefusedRequest]
	var token *auth.TokenError
	switch {
	case errors.As(err, &token):
		status, refusal, text = token.Status(), RefusedToken, token.Description()
		if challenge := token.Challenge(); challenge != "" {
			w.Header().Set("WWW-Authenticate", challenge)
		}
	case errors.Is(err, errNoHub):
		text = "The query parameter hub has to name one hub: " + hubname.Rule + "."
	case errors.Is(err, errNoApplication):
		text = "The query parameter hub has to name an application and a hub, with an underscore between them."
	case errors.Is(err, errNoUpgrade):
		status = http.StatusUpgradeRequired
		w.Header().Set("Upgrade", "websocket")
	}
	b.counts.refuse(refusal)
	b.opts.Logger.Info(LogRefused, "reason", string(refusal), "err", err, "remote", r.RemoteAddr)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// clip shortens a text from the network for the log.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return url.QueryEscape(s[:most])
}
