package transport

import (
	"sync"
	"syscall"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// closeWait is how long the peer may take to answer a Close frame (C38).
const closeWait = 5 * time.Second

// Owner is whom a WebSocket belongs to: a transport of the core that embeds it, and says what its
// bytes mean. Its methods are called by goroutines of the WebSocket, those about what the client
// says by one at a time.
type Owner interface {
	// Framing is that of the owner as a gateway.DirectTransport.
	Framing() gateway.Framing
	// Take and Wrote are those of the connection, as far as this transport has them.
	Take(b *gateway.Batch, limit int) bool
	Wrote(b *gateway.Batch, err error)
	// SendFrame is the connection's: it queues a whole frame.
	SendFrame(frame []byte)
	// Heard says that the peer gave a sign of life that is no data.
	Heard()
	// Received hands over a piece of what the client says. After an error nothing more is handed
	// over: what the client says has no effect any more, and reading goes on for its Close frame
	// alone.
	Received(m Message) error
	// Left says that the client has said goodbye, or has broken the WebSocket protocol. True
	// means that the owner has closed the connection: the last batch (Batch.End) is on its way,
	// and our Close frame leaves with it.
	Left(cause gateway.Cause, broken bool) bool
	// Close closes the connection because of a fault of the gateway.
	Close(cause gateway.Cause)
	// Ended says that the socket is closed and nobody writes to it.
	Ended(cause gateway.Cause)
	// Gone is the last call.
	Gone()
	// Panicked counts and logs a panic. It is called while that is recovered.
	Panicked(p any)
}

// Message is a piece of a message of the client.
type Message struct {
	// Bytes are valid during the call.
	Bytes []byte
	// Binary is constant for all pieces of one message.
	Binary bool
	// Final: the message ends here.
	Final bool
}

// WebSocket reads from and writes to one WebSocket. The reader (wsread.go) owns the socket
// and ends it; pumps (wspump.go) come and go. Its life is Init, then Upgrade and Start, or Abandon.
type WebSocket struct {
	owner Owner

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

// wsState is guarded by WebSocket.mu.
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

// Init comes before everything else.
func (t *WebSocket) Init(owner Owner) { t.owner = owner }

// Name implements gateway.Transport.
func (*WebSocket) Name() string { return gateway.WebSockets }

// Raw implements gateway.DirectTransport.
func (t *WebSocket) Raw() syscall.RawConn { return t.sock.direct() }

// Wake implements gateway.Transport.
func (t *WebSocket) Wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.woken = true
	t.pumpLocked()
}

// pumpLocked starts a pump if there is something for it to take.
func (t *WebSocket) pumpLocked() {
	if !t.live || !t.woken || t.pumping {
		return
	}
	t.woken, t.pumping = false, true
	t.pumps.Add(1)
	go t.pump()
}

// pumped is called by a pump that found nothing to take, and reports whether it may end. A pump
// that failed or that wrote the last record does not call it: then none may follow.
func (t *WebSocket) pumped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pumping = t.woken
	t.woken = false
	return !t.pumping
}

// Probe implements gateway.ProbingTransport.
func (t *WebSocket) Probe() { t.owner.SendFrame(pingFrame) }

// pingFrame is shared by all connections.
var pingFrame = appendFrameHeader(nil, opPing, 0)

// Abort implements gateway.Transport.
func (t *WebSocket) Abort(cause gateway.Cause) { t.stop(cause) }

// stop closes the socket, whereupon the reader ends the connection. The first
// cause counts.
func (t *WebSocket) stop(cause gateway.Cause) {
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

// Start lets an upgraded WebSocket run on its own. early is read as data of the client before
// anything else; unread is what Upgrade returned.
func (t *WebSocket) Start(early, unread []byte) {
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
func (t *WebSocket) sayGoodbye(code uint16) (left chan struct{}, wait bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closeSent || t.cause != nil {
		return nil, false
	}
	t.left, t.code = make(chan struct{}), code
	return t.left, true
}

// answerGoodbye writes our Close frame where no batch will bring it, and reports whether it has left.
func (t *WebSocket) answerGoodbye(code uint16) bool {
	t.mu.Lock()
	pumping := t.pumping
	t.live, t.left = false, nil
	t.mu.Unlock()
	if pumping {
		return false
	}
	_ = t.sock.Conn.SetWriteDeadline(time.Now().Add(closeWait)) // fails on a closed socket, as the write does
	_, err := t.sock.Conn.Write(appendCloseFrame(nil, code))
	return err == nil
}

// saidGoodbye is called when our Close frame has left.
func (t *WebSocket) saidGoodbye() {
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
func (t *WebSocket) setStay(deadline time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closeSent {
		return false
	}
	_ = t.sock.Conn.SetReadDeadline(deadline) // fails on a closed socket, as the next read does
	return true
}

// closeOver reports whether the peer's time to answer our Close frame is over.
func (t *WebSocket) closeOver() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !time.Now().Before(t.closeBy)
}

func (t *WebSocket) leftLocked() {
	if t.left != nil {
		close(t.left)
		t.left = nil
	}
}

func (t *WebSocket) closeCode(cause *gateway.Cause) uint16 {
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
