package clientws

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// upgradeTimeout bounds writing the answer to an upgrade.
const upgradeTimeout = 10 * time.Second

// upgrader answers upgrades. Compression is not negotiated (C40). Its write
// buffers are never used, but without a pool each connection would keep one.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: upgradeTimeout,
	WriteBufferPool:  noBuffers{},
	CheckOrigin:      func(*http.Request) bool { return true }, // checked before
	Error:            func(http.ResponseWriter, *http.Request, int, error) {},
}

type noBuffers struct{}

func (noBuffers) Get() any { return nil }
func (noBuffers) Put(any)  {}

func isUpgrade(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// errUpgrade says what is wrong with an upgrade.
func errUpgrade(status int, text string) error {
	return &refused{reason: RefusedUpgrade, status: status, text: text}
}

// checkUpgrade finds what the library would refuse, before the connection is made.
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
		return target{}, errUnknownID
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
	var err error
	if t.ws, err = upgrader.Upgrade(hijacker{c.w, t}, c.r, nil); err != nil {
		t.abandon(gateway.Cause{Reason: gateway.CloseBadRequest, Text: "The WebSocket upgrade failed."})
		return errUpgrade(http.StatusBadRequest, "The WebSocket upgrade failed.")
	}
	t.ws.SetPingHandler(t.pong)
	t.ws.SetCloseHandler(ignoreClose)
	t.start(early)
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

// hijacker hands the library our socket instead of the server's.
type hijacker struct {
	*answer
	t *wsConn
}

// Hijack implements http.Hijacker.
func (w hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.answer).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.started = true
	var unread []byte
	if n := buffered.Reader.Buffered(); n > 0 {
		unread = make([]byte, n)
		_, _ = buffered.Reader.Read(unread) // it is in memory
	}
	if !isPatient(conn) {
		h := w.t.h
		conn = newPatientConn(conn, func() time.Duration { return h.options.Limits().SendTimeout })
	}
	w.t.sock.open(conn, unread)
	w.t.borrowReader()
	return &w.t.sock, bufio.NewReadWriter(&w.t.in, buffered.Writer), nil
}

// ignoreClose leaves the answer to a Close frame to the connection's own writer.
func ignoreClose(int, string) error { return nil }
