package clientws

import (
	"bufio"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

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

	ws *websocket.Conn
	// in is the library's reader. While nothing is read it has no buffer.
	in   bufio.Reader
	sock socket
	// deaf: what the client says has no effect any more.
	deaf bool

	mu sync.Mutex
	wsState
	// pumps are the writing goroutines. The reader waits for them at the end.
	pumps sync.WaitGroup
}

// wsState is guarded by wsConn.mu.
type wsState struct {
	// live: the upgrade is answered and the connection has not ended.
	live bool
	// woken: there was something to take before the connection was live.
	woken bool
	// closeSent: our Close frame has left.
	closeSent bool
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

func (t *wsConn) negotiatedV0() bool { return t.v0 }

// Raw implements gateway.DirectTransport.
func (t *wsConn) Raw() syscall.RawConn { return t.sock.raw }

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
	if !t.live {
		t.woken = true
		return
	}
	t.pumpLocked()
}

func (t *wsConn) pumpLocked() {
	t.pumps.Add(1)
	go t.pump()
}

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

// start makes the connection live. early was posted before it came.
func (t *wsConn) start(early []byte) {
	t.mu.Lock()
	t.sock.upgraded.Store(true)
	t.live = true
	if t.woken {
		t.pumpLocked()
	}
	aborted := t.cause != nil
	t.mu.Unlock()
	if aborted {
		_ = closeAtOnce(t.sock.Conn)
	}
	// In a fresh goroutine the stack and the buffers of the request are free
	// as soon as its handler returns.
	go t.readFrom(early)
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
	t.closeSent = true
	peerWaits := t.left != nil
	t.leftLocked()
	t.mu.Unlock()
	if !peerWaits {
		_ = t.sock.Conn.SetReadDeadline(time.Now().Add(closeWait)) // fails on a closed socket, which ends the wait too
	}
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
