package clientws

import (
	"bufio"
	"errors"
	"io"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/gateway"
)

// A stack that has grown does not shrink below 4 KB again, and reading a message
// needs more than the 2 KB a goroutine starts with. So the goroutine that reads
// ends when nothing is left to read, and a fresh one parks on the socket: with
// 10 000 idle clients that is 20 MB of stacks instead of 80. TLS connections
// cannot be watched from below and are read by one goroutine.

// readFrom feeds what was posted before the WebSocket came, then reads.
func (t *wsConn) readFrom(early []byte) {
	defer t.recover()
	if len(early) > 0 && t.conn.Feed(early) != nil {
		t.deaf = true
	}
	t.sock.more = true // nobody has looked yet
	t.read()
}

// parked waits for the client, then reads.
func (t *wsConn) parked() {
	t.sock.park()
	t.readOn()
}

// borrowReader gives the library's reader a buffer. The library holds on to the
// reader, so that the buffer has to move from one reader to another.
func (t *wsConn) borrowReader() {
	lender := libraryReaders.Get().(*bufio.Reader)
	t.in, *lender = *lender, bufio.Reader{}
	t.in.Reset(&t.sock)
	emptyReaders.Put(lender)
}

// returnReader takes the buffer of a reader in which nothing is left.
func (t *wsConn) returnReader() {
	lender := emptyReaders.Get().(*bufio.Reader)
	t.in.Reset(nil)
	*lender, t.in = t.in, bufio.Reader{}
	libraryReaders.Put(lender)
}

// readOn is not part of parked, so that its defer costs the waiting stack nothing.
func (t *wsConn) readOn() {
	defer t.recover()
	t.sock.extend()
	t.borrowReader()
	t.read()
}

// read handles messages until there are none, or until the connection ends.
func (t *wsConn) read() {
	for {
		if t.sock.raw != nil && t.in.Buffered() == 0 && t.sock.idle() && !t.sock.fill() {
			t.returnReader()
			go t.parked()
			return
		}
		if err := t.readMessage(); err != nil {
			t.leave(err)
			return
		}
	}
}

// readMessage feeds one message, whatever its opcode (C31, C32).
func (t *wsConn) readMessage() error {
	_, message, err := t.ws.NextReader()
	if err != nil || t.deaf {
		return err
	}
	buffer := readBuffers.Get().(*readBuffer)
	defer readBuffers.Put(buffer)
	for {
		n, err := t.readAvailable(message, buffer[:])
		if n > 0 && t.conn.Feed(buffer[:n]) != nil {
			// The connection is ending. Reading goes on, for the peer's Close
			// frame and because unread input would reset what is still on its way.
			t.deaf = true
			return nil
		}
		switch err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// readAvailable reads what there is of a message, at least something: a record
// that came in one piece is fed in one.
func (t *wsConn) readAvailable(message io.Reader, b []byte) (n int, err error) {
	for err == nil && n < len(b) && (n == 0 || t.in.Buffered() > 0 || !t.sock.idle()) {
		var more int
		more, err = message.Read(b[n:])
		n += more
	}
	return n, err
}

// lostText is what .NET clients and servers say when a socket just ends.
const lostText = "The remote party closed the WebSocket connection without completing the close handshake."

// leave ends the connection after reading has ended with err.
func (t *wsConn) leave(err error) {
	defer t.h.sockets.Done()
	defer t.recoverLast()
	cause, polite := t.goodbye(err)
	t.mu.Lock()
	t.live = false
	if t.cause != nil {
		cause = *t.cause
	}
	t.mu.Unlock()
	if polite {
		_ = t.sock.Conn.Close() // with TLS that says goodbye too; nobody is left to tell of an error
	} else {
		_ = closeAtOnce(t.sock.Conn)
	}
	t.pumps.Wait()
	t.conn.Ended(cause)
}

// goodbye sees to our Close frame if the peer can still read one, and returns
// why the connection ends as far as the socket tells.
func (t *wsConn) goodbye(err error) (cause gateway.Cause, polite bool) {
	cause.Reason = gateway.CloseNormal
	var closed *websocket.CloseError
	code := uint16(closeNormal)
	switch {
	case t.sock.violation != 0:
		code = t.sock.violation
		cause = gateway.Cause{Reason: gateway.CloseBadRequest, Text: "The client broke the WebSocket protocol.", AllowReconnect: true}
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
	default:
		cause.Text = lostText
		return cause, false
	}
	if left, wait := t.sayGoodbye(code); wait {
		t.conn.Close(cause)
		<-left
	}
	return cause, true
}

// pong answers a ping of the peer.
func (t *wsConn) pong(payload string) error {
	if !t.deaf {
		frame := appendFrameHeader(make([]byte, 0, 2+len(payload)), opPong, len(payload))
		t.conn.SendFrame(append(frame, payload...))
	}
	return nil
}

// recover ends the one connection that a panic happened on: politely the first
// time, at once if even reading the rest panics.
func (t *wsConn) recover() {
	p := recover()
	if p == nil {
		return
	}
	t.h.panicked(p, t.conn.Logger())
	if t.deaf {
		t.stop(internalCause)
		go t.leave(errGone)
		return
	}
	t.deaf = true
	t.conn.Close(internalCause)
	go t.readDeaf()
}

// readDeaf goes on where reading panicked.
func (t *wsConn) readDeaf() {
	defer t.recover()
	t.read()
}

func (t *wsConn) recoverLast() {
	if p := recover(); p != nil {
		t.h.panicked(p, t.conn.Logger())
	}
}
