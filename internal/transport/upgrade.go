package transport

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// IsUpgrade reports whether a request asks for a WebSocket.
func IsUpgrade(r *http.Request) bool {
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

// ErrUpgrade says what is wrong with an upgrade.
func ErrUpgrade(status int, text string) error {
	return &Refused{Reason: RefusedUpgrade, Status: status, Text: text}
}

// CheckUpgrade finds what is wrong with an upgrade, before the connection is made. header is that
// of the answer.
func CheckUpgrade(r *http.Request, header http.Header) error {
	err := checkUpgrade(r)
	if err != nil {
		header.Set("Sec-Websocket-Version", "13")
	}
	return err
}

func checkUpgrade(r *http.Request) error {
	if r.ProtoMajor != 1 {
		return ErrUpgrade(http.StatusHTTPVersionNotSupported, "WebSockets need HTTP/1.1.")
	}
	if !slices.Contains(r.Header.Values("Sec-Websocket-Version"), "13") {
		return ErrUpgrade(http.StatusUpgradeRequired, "The WebSocket version must be 13.")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-Websocket-Key")))
	if err != nil || len(key) != 16 {
		return ErrUpgrade(http.StatusBadRequest, "The Sec-WebSocket-Key header must be 16 bytes in base64.")
	}
	return nil
}

// Upgrade answers the upgrade, which must be one that CheckUpgrade accepts. Then the connection is
// the WebSocket's, and Start lets it run; unread is what came behind the request. After an error,
// which is a refusal, the WebSocket has ended (Abandon). sendTimeout is asked anew for each write
// that has to wait; see Listener.
func (t *WebSocket) Upgrade(w *Answer, r *http.Request, sendTimeout func() time.Duration) (unread []byte, err error) {
	unread, err = t.hijack(w, sendTimeout)
	if err == nil {
		_, err = t.sock.Conn.Write(switching(r.Header.Get("Sec-Websocket-Key")))
	}
	if err != nil {
		t.Abandon(gateway.Cause{Reason: gateway.CloseBadRequest, Text: "The WebSocket upgrade failed."})
		return nil, ErrUpgrade(http.StatusBadRequest, "The WebSocket upgrade failed.")
	}
	return unread, nil
}

// Abandon ends a WebSocket that was not started.
func (t *WebSocket) Abandon(cause gateway.Cause) {
	if t.sock.Conn != nil {
		_ = closeAtOnce(t.sock.Conn)
	}
	t.owner.Ended(cause)
	t.owner.Gone()
}

// hijack takes the connection from the HTTP server, with what it has read of it beyond the request.
func (t *WebSocket) hijack(w *Answer, sendTimeout func() time.Duration) (unread []byte, err error) {
	var conn net.Conn
	var buffered *bufio.ReadWriter
	if conn, buffered, err = http.NewResponseController(w).Hijack(); err != nil {
		return nil, err
	}
	w.Started = true
	if n := buffered.Reader.Buffered(); n > 0 {
		unread = make([]byte, n)
		_, _ = buffered.Reader.Read(unread) // it is in memory
	}
	if !isPatient(conn) {
		conn = newPatientConn(conn, sendTimeout)
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
