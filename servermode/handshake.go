package servermode

import (
	"errors"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// handshake reads the handshake request, before which the gateway sends nothing (H23, H29). False
// means that the hub server was refused and knows why.
func (sc *serverConn) handshake() (ok bool) {
	defer sc.surviveHandshake()
	_ = sc.ws.SetReadDeadline(sc.clock.opened.Add(handshakeTimeout))
	body, err := sc.reader.stream.Next()
	if err != nil {
		var timeout interface{ Timeout() bool }
		if errors.As(err, &timeout) && timeout.Timeout() {
			sc.refuse(RefusedTimeout, err)
		} else {
			sc.refuse(RefusedHandshake, err)
		}
		return false
	}
	_ = sc.ws.SetReadDeadline(time.Time{})
	m, err := sc.reader.decoder.Decode(body)
	request, isRequest := m.(*serviceprotocol.HandshakeRequest)
	if err != nil || !isRequest || len(body) > maxHandshake {
		sc.refuse(RefusedHandshake, err)
		return false
	}
	if refusal := sc.check(request); refusal != "" {
		sc.refuse(refusal, nil)
		return false
	}
	sc.peer.kind, sc.peer.level = request.Kind, request.MigrationLevel
	sc.peer.stateless = request.AllowStatefulReconnects != nil && !*request.AllowStatefulReconnects
	return true
}

// establish adds the connection to its hub and answers the handshake. The answer is the first
// message of the connection, but it is sent only when the connection is in the table: a hub server
// that has the answer gets the next client.
func (sc *serverConn) establish() {
	sc.out.prepare(&serviceprotocol.HandshakeResponse{ConnectionID: sc.peer.cid})
	defer sc.out.flush()
	sc.b.counts.opened.Add(1)
	sc.log.Info("server connection opened", "kind", kindName(sc.peer.kind), "migration", sc.peer.level,
		"agent", clip(sc.peer.agent), "remote", sc.peer.remote)
	sc.b.opts.Observer.Opened(sc.describe())
	sc.clock.established.Store(true)
	sc.b.hubs.add(sc)
	sc.b.peers.add(sc)
	// The rules may have changed since check. RulesChanged did not see this connection then.
	if !sc.mayConnect(sc.peer.kind) {
		sc.end(EndModeSwitched, nil)
	}
}

// mayConnect reports whether the rules of a hub that it may have clients of allow connections of that
// kind.
func (sc *serverConn) mayConnect(kind serviceprotocol.ConnectionKind) bool {
	return slices.ContainsFunc(sc.peer.homes, func(hub string) bool {
		return !sc.dialect.refuses(sc.b.opts.Rules(hub), kind)
	})
}

// check returns why the request is refused, "" if it is not.
func (sc *serverConn) check(r *serviceprotocol.HandshakeRequest) Refusal {
	switch {
	case r.Version != serviceprotocol.Version:
		return RefusedVersion
	case r.Kind < serviceprotocol.KindDefault || r.Kind > serviceprotocol.KindWeak:
		return RefusedKind
	case !sc.mayConnect(r.Kind):
		return RefusedMode
	case r.Kind == serviceprotocol.KindOnDemand && sc.peer.target != "" && sc.peer.target != sc.b.opts.Node:
		return RefusedTarget
	}
	return ""
}

// refuse answers the handshake with an error and closes the connection.
func (sc *serverConn) refuse(r Refusal, err error) {
	sc.b.counts.refuse(r)
	about := []any{"reason", string(r), "remote", sc.peer.remote}
	if err != nil {
		about = append(about, "err", err)
	}
	sc.log.Info(LogRefused, about...)
	text := refusalTexts[r]
	if r == RefusedMode {
		text = sc.dialect.modeRefusal()
	}
	response := serviceprotocol.HandshakeResponse{Error: text}
	_ = sc.ws.SetWriteDeadline(time.Now().Add(time.Second))
	_ = sc.ws.WriteMessage(websocket.BinaryMessage, response.Append(nil)) // it may be gone already
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = sc.ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
	// Read what is still under way: closing a socket with unread bytes may discard the answer.
	_ = sc.ws.SetReadDeadline(time.Now().Add(time.Second))
	for err = nil; err == nil; {
		_, _, err = sc.ws.NextReader()
	}
	_ = sc.ws.Close()
}

func kindName(k serviceprotocol.ConnectionKind) string {
	switch k {
	case serviceprotocol.KindDefault:
		return "Default"
	case serviceprotocol.KindOnDemand:
		return "OnDemand"
	}
	return "Weak"
}
