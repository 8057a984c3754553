package clientws

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// isUpgrade reports whether a request asks for a WebSocket.
func isUpgrade(r *http.Request) bool {
	return listHas(r.Header["Connection"], "upgrade") && listHas(r.Header["Upgrade"], "websocket")
}

// listHas looks for a token in the comma-separated lists of a header, in any letter case.
func listHas(lines []string, token string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// errUpgrade says what is wrong with an upgrade.
func errUpgrade(status int, text string) error {
	return &refused{reason: RefusedUpgrade, status: status, text: text}
}

// checkUpgrade finds what is wrong with an upgrade, before the connection is made.
func checkUpgrade(r *http.Request) error {
	if r.ProtoMajor != 1 {
		return errUpgrade(http.StatusHTTPVersionNotSupported, "WebSockets need HTTP/1.1.")
	}
	if !slices.Contains(r.Header.Values("Sec-Websocket-Version"), "13") {
		return errUpgrade(http.StatusUpgradeRequired, "The WebSocket version must be 13.")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-Websocket-Key")))
	if err != nil || len(key) != 16 {
		return errUpgrade(http.StatusBadRequest, "The Sec-WebSocket-Key header must be 16 bytes in base64.")
	}
	return nil
}

func (h *Handler) serveWebSocket(c *call) error {
	if origin := c.r.Header.Get("Origin"); origin != "" && !h.originAllowed(origin) {
		return errOrigin
	}
	t, err := h.webSocketTarget(c)
	if err != nil {
		return err
	}
	if err := checkUpgrade(c.r); err != nil {
		c.w.Header().Set("Sec-Websocket-Version", "13")
		return err
	}
	if !h.begin() {
		return errDraining
	}
	ws := &wsConn{h: h, v0: t.version0}
	// Attached before the upgrade is answered, so that a refusal has a status (C21, C35).
	if ws.conn, err = h.attach(c, t, ws); err != nil {
		h.sockets.Done()
		return err
	}
	c.end = ws.abandon
	return ws.upgrade(c)
}

// webSocketTarget finds out which connection to make. Without an id the client
// has skipped negotiation (C23).
func (h *Handler) webSocketTarget(c *call) (target, error) {
	if !c.claims.Transports.Allows(auth.TransportWebSockets) {
		return target{}, errNotOffered(gateway.WebSockets)
	}
	if !c.query.hasID {
		return target{id: auth.NewConnectionID(h.options.Node), expires: h.options.Now()}, nil
	}
	t, err := h.find(c)
	switch {
	case err != nil:
		return target{}, err
	case t.dead:
		return target{}, errEnded
	case t.conn == nil:
		return t, nil
	case t.conn.Transport().Name() == gateway.WebSockets:
		return target{}, errBusy
	}
	return target{}, errChange
}

// upgrade answers the upgrade and lets the connection run on its own.
func (t *wsConn) upgrade(c *call) error {
	early := t.h.pending.take(t.conn.Identity().ID)
	unread, err := t.hijack(c)
	if err == nil {
		_, err = t.sock.Conn.Write(switching(c.r.Header.Get("Sec-Websocket-Key")))
	}
	if err != nil {
		t.abandon(gateway.Cause{Reason: gateway.CloseBadRequest, Text: "The WebSocket upgrade failed."})
		return errUpgrade(http.StatusBadRequest, "The WebSocket upgrade failed.")
	}
	t.start(early, unread)
	return nil
}

// abandon ends a connection that never got as far as reading.
func (t *wsConn) abandon(cause gateway.Cause) {
	if t.sock.Conn != nil {
		_ = closeAtOnce(t.sock.Conn)
	}
	t.conn.Ended(cause)
	t.h.sockets.Done()
}

// hijack takes the connection from the HTTP server, with what it has read of it beyond the request.
func (t *wsConn) hijack(c *call) (unread []byte, err error) {
	var conn net.Conn
	var buffered *bufio.ReadWriter
	if conn, buffered, err = http.NewResponseController(c.w).Hijack(); err != nil {
		return nil, err
	}
	c.w.started = true
	if n := buffered.Reader.Buffered(); n > 0 {
		unread = make([]byte, n)
		_, _ = buffered.Reader.Read(unread) // it is in memory
	}
	if !isPatient(conn) {
		h := t.h
		conn = newPatientConn(conn, func() time.Duration { return h.options.Limits().SendTimeout })
	}
	t.sock.open(conn, t.look)
	return unread, nil
}

// keySuffix is what a server adds to the client's key (RFC 6455, section 1.3).
const keySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// switching is the answer to an upgrade. Compression is not negotiated (C40).
func switching(key string) []byte {
	sum := sha1.Sum([]byte(strings.TrimSpace(key) + keySuffix))
	answer := make([]byte, 0, 160)
	answer = append(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	answer = base64.StdEncoding.AppendEncode(answer, sum[:])
	return append(answer, "\r\n\r\n"...)
}
