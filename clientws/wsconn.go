package clientws

import (
	"sync"
	"syscall"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// closeWait is how long the peer may take to answer a Close frame (C38).
const closeWait = 5 * time.Second

// wsConn is the WebSocket transport. The reader (wsread.go) owns the connection
// and ends it; pumps (wspump.go) come and go.
type wsConn struct {
	h    *Handler
	conn *gateway.Conn
	v0   bool

	// The reader's.

	sock   socket
	frames frameReader
	// deaf: what the client says has no effect any more.
	deaf bool

	mu sync.Mutex
	wsState
	// pumps is the writing goroutine, if there is one. The reader waits for it at the end.
	pumps sync.WaitGroup
}

// wsState is guarded by wsConn.mu.
type wsState struct {
	// live: the upgrade is answered and the connection has not ended.
	live bool
	// woken: there is something to take that no pump has been started for: the connection is not
	// live yet, or the pump that runs will look again.
	woken bool
	// pumping: a pump runs, and never a second one: only one goroutine may write.
	pumping bool
	// closeSent: our Close frame has left, and the peer has until closeBy to answer it.
	closeSent bool
	closeBy   time.Time
	// code, if not 0, replaces the close code that follows from the cause.
	code uint16
	// cause is why the socket was closed under the reader.
	cause *gateway.Cause
	// left exists while the reader, told goodbye by the peer, waits for the
	// pump to say goodbye in return; closed when it has, or cannot.
	left chan struct{}
}

// Name implements gateway.Transport.
func (*wsConn) Name() string { return gateway.WebSockets }

// Abilities implements gateway.Transport.
func (*wsConn) Abilities() gateway.Abilities { return gateway.Abilities{} }

func (t *wsConn) negotiatedV0() bool { return t.v0 }

// Raw implements gateway.DirectTransport.
func (t *wsConn) Raw() syscall.RawConn { return t.sock.direct() }

// Framing implements gateway.DirectTransport: text for JSON and for what is
// said before a protocol is known, binary for all others (C29, C30).
func (t *wsConn) Framing() gateway.Framing {
	if protocol := t.conn.Protocol(); protocol != "" && hubprotocol.Binary(protocol) {
		return framing{opBinary}
	}
	return framing{opText}
}

// Wake implements gateway.Transport.
func (t *wsConn) Wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.woken = true
	t.pumpLocked()
}

// pumpLocked starts a pump if there is something for it to take.
func (t *wsConn) pumpLocked() {
	if !t.live || !t.woken || t.pumping {
		return
	}
	t.woken, t.pumping = false, true
	t.pumps.Add(1)
	go t.pump()
}

// pumped is called by a pump that found nothing to take, and reports whether it may end. A pump
// that failed or that wrote the last record does not call it: then none may follow.
func (t *wsConn) pumped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pumping = t.woken
	t.woken = false
	return !t.pumping
}

// Probe implements gateway.ProbingTransport.
func (t *wsConn) Probe() { t.conn.SendFrame(pingFrame) }

// pingFrame is shared by all connections.
var pingFrame = appendFrameHeader(nil, opPing, 0)

// Abort implements gateway.Transport.
func (t *wsConn) Abort(cause gateway.Cause) { t.stop(cause) }

// stop closes the socket, whereupon the reader ends the connection. The first
// cause counts.
func (t *wsConn) stop(cause gateway.Cause) {
	t.mu.Lock()
	if t.cause == nil {
		t.cause = &cause
	}
	live := t.live
	t.leftLocked()
	t.mu.Unlock()
	if live {
		_ = closeAtOnce(t.sock.Conn)
	}
}

// start makes the connection live. early was posted before it came, unread came behind its request.
func (t *wsConn) start(early, unread []byte) {
	t.mu.Lock()
	t.live = true
	t.pumpLocked()
	aborted := t.cause != nil
	t.mu.Unlock()
	if aborted {
		_ = closeAtOnce(t.sock.Conn)
	}
	// In a fresh goroutine the stack and the buffers of the request are free
	// as soon as its handler returns.
	go t.readFrom(early, unread)
}

// sayGoodbye reports whether the reader has to wait on left until the pump has
// sent our Close frame.
func (t *wsConn) sayGoodbye(code uint16) (left chan struct{}, wait bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closeSent || t.cause != nil {
		return nil, false
	}
	t.left, t.code = make(chan struct{}), code
	return t.left, true
}

// saidGoodbye is called when our Close frame has left.
func (t *wsConn) saidGoodbye() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeSent = true
	if t.left == nil {
		t.closeBy = time.Now().Add(closeWait)
		_ = t.sock.Conn.SetReadDeadline(t.closeBy) // fails on a closed socket, which ends the wait too
	}
	t.leftLocked()
}

// setStay sets the read deadline at which a reader that stays looks around; the zero time is none.
// False means that the deadline in force is the one for the peer's answer to our Close frame.
func (t *wsConn) setStay(deadline time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closeSent {
		return false
	}
	_ = t.sock.Conn.SetReadDeadline(deadline) // fails on a closed socket, as the next read does
	return true
}

// closeOver reports whether the peer's time to answer our Close frame is over.
func (t *wsConn) closeOver() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !time.Now().Before(t.closeBy)
}

func (t *wsConn) leftLocked() {
	if t.left != nil {
		close(t.left)
		t.left = nil
	}
}

func (t *wsConn) closeCode(cause *gateway.Cause) uint16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.code != 0:
		return t.code
	case cause.Reason == gateway.CloseServiceTransientError:
		return closeInternalError
	}
	return closeNormal
}
