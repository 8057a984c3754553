package transport

import (
	"errors"
	"os"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// A stack that has grown does not shrink below 4 KB again, and handling a message needs more than
// the 2 KB a goroutine starts with. So the goroutine that reads ends when nothing is left to read,
// and a fresh one waits for the socket: with 10 000 idle clients that is 20 MB of stacks instead of
// 80. A reader whose client sends all the time stays instead, for as long as it does.

const (
	// stayFor is how long a reader waits for more before it makes way for one with a small stack.
	// It is also how late the end of a connection may be noticed that came together with bytes:
	// a read that does not fill its buffer is taken for the last that finds something.
	stayFor = time.Second
	// stayAfter is how many turns must follow each other within stayFor before the reader stays.
	stayAfter = 3
)

// readFrom handles what the client said before and what was read with its request, then reads.
func (t *WebSocket) readFrom(early, unread []byte) {
	defer t.recover()
	t.sock.lastTurn = ticks()
	if len(early) > 0 {
		t.receive(Message{Bytes: early, Final: true})
	}
	if len(unread) > 0 {
		t.sock.buffer = &readBuffer{rest: unread}
	}
	t.read()
}

// parked waits until there is something to read, then reads.
func (t *WebSocket) parked() {
	t.sock.mode, t.sock.looked = waiting, false
	if err := t.sock.raw.Read(t.sock.look); err != nil {
		t.sock.failed = err
	}
	t.readOn()
}

// readOn is not part of parked, so that its defer costs the waiting stack nothing.
func (t *WebSocket) readOn() {
	defer t.recover()
	t.read()
}

// read handles what there is, and what follows soon, or everything until the connection ends.
func (t *WebSocket) read() {
	s := &t.sock
	if s.buffer != nil { // what a panic interrupted, or came with the request
		s.failed = t.takePieces(s.buffer)
		s.buffer = nil
	}
	if s.raw == nil {
		t.readWaiting()
		return
	}
	s.mode = taking
	for s.failed == nil {
		err := s.raw.Read(s.look)
		if err != nil && s.failed == nil {
			s.failed = err
		}
		if !t.stay(err) {
			break
		}
	}
	if s.failed != nil {
		t.leave(s.failed)
		return
	}
	go t.parked()
}

// began is when ticks begin.
var began = time.Now()

// ticks is a clock that nobody sets.
func ticks() time.Duration { return time.Since(began) }

// stay decides after a turn that ended with err whether this goroutine goes on reading.
func (t *WebSocket) stay(err error) bool {
	s := &t.sock
	if s.mode == staying && errors.Is(err, os.ErrDeadlineExceeded) {
		return t.lookAround()
	}
	if s.failed != nil {
		return false
	}
	now := ticks()
	since := now - s.lastTurn
	s.lastTurn = now
	if since > stayFor {
		s.streak = 0
		return false
	}
	if s.streak++; s.streak < stayAfter || !t.setStay(time.Now().Add(stayFor)) {
		return false
	}
	s.mode, s.heard = staying, false
	return true
}

// lookAround decides whether a reader whose deadline has passed stays on.
func (t *WebSocket) lookAround() bool {
	s := &t.sock
	var next time.Time
	if s.heard {
		next = time.Now().Add(stayFor)
	}
	if !t.setStay(next) {
		if t.closeOver() {
			return false
		}
	} else if !s.heard {
		s.streak, s.failed = 0, nil
		return false
	}
	s.heard, s.failed = false, nil
	return true
}

// look is what the socket's poller calls when there may be something to read; false waits.
func (t *WebSocket) look(fd uintptr) bool {
	if t.sock.mode == waiting {
		if t.sock.looked {
			return true
		}
		t.sock.looked = true
		return readable(fd)
	}
	return t.take(fd)
}

// take handles what the socket has. It returns false to wait for more.
func (t *WebSocket) take(fd uintptr) bool {
	s := &t.sock
	b := readBuffers.Get().(*readBuffer)
	s.buffer = b
	for s.failed == nil {
		n, err := s.readNow(fd, b.space)
		if n > 0 {
			s.heard = true
			b.rest = b.space[:n]
			s.failed = t.takePieces(b)
		}
		switch {
		case s.failed != nil:
		case err == errNothing, err == nil && s.drained(n, len(b.space)):
			t.giveBack(b)
			return s.mode != staying
		default:
			s.failed = err
		}
	}
	t.giveBack(b)
	return true
}

func (t *WebSocket) giveBack(b *readBuffer) {
	t.sock.buffer, b.rest = nil, nil
	readBuffers.Put(b)
}

// waitingBuffer is what a connection reads into that cannot be watched from below.
const waitingBuffer = 1 << 10

// readWaiting reads until the connection ends.
func (t *WebSocket) readWaiting() {
	s := &t.sock
	b := &readBuffer{space: make([]byte, waitingBuffer)}
	for s.failed == nil {
		n, err := s.Conn.Read(b.space)
		b.rest, s.buffer = b.space[:n], b
		s.failed = t.takePieces(b)
		s.buffer = nil
		if s.failed == nil {
			s.failed = err
		}
	}
	t.leave(s.failed)
}

// takePieces handles what was read, whatever its opcode (C31, C32). An error ends the reading.
func (t *WebSocket) takePieces(b *readBuffer) error {
	for len(b.rest) > 0 {
		p, n, err := t.frames.next(b.rest)
		b.rest = b.rest[n:]
		if err != nil {
			return err
		}
		switch p.opcode {
		case opText, opBinary:
			t.receive(Message{Bytes: p.payload, Binary: p.opcode == opBinary, Final: p.final})
		case opPing:
			t.owner.Heard()
			t.pong(p.payload)
		case opPong:
			t.owner.Heard()
		}
	}
	return nil
}

// receive hands over data of the client. Once the connection is ending what is read has no effect;
// reading goes on, for the peer's Close frame and because unread input would reset what is still on
// its way.
func (t *WebSocket) receive(m Message) {
	if !t.deaf && t.owner.Received(m) != nil {
		t.deaf = true
	}
}

// LostText is what .NET clients and servers say when a socket just ends.
const LostText = "The remote party closed the WebSocket connection without completing the close handshake."

// leave ends the connection after reading has ended with err.
func (t *WebSocket) leave(err error) {
	defer t.owner.Gone()
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
	t.owner.Ended(cause)
}

// goodbye sees to our Close frame if the peer can still read one, and returns
// why the connection ends as far as the socket tells.
func (t *WebSocket) goodbye(err error) (cause gateway.Cause, polite bool) {
	cause.Reason = gateway.CloseNormal
	var broken violation
	code := uint16(closeNormal)
	switch {
	case errors.As(err, &broken):
		code = uint16(broken)
		cause = gateway.Cause{Reason: gateway.CloseBadRequest, Text: "The client broke the WebSocket protocol.", AllowReconnect: true}
	case err == error(peerClosed{}):
	default:
		cause.Text = LostText
		return cause, false
	}
	left, wait := t.sayGoodbye(code)
	switch {
	case !wait:
		return cause, true
	case t.owner.Left(cause, broken != 0):
		<-left
		return cause, true
	}
	return cause, t.answerGoodbye(code)
}

// pong answers a ping of the peer.
func (t *WebSocket) pong(payload []byte) {
	if !t.deaf {
		frame := appendFrameHeader(make([]byte, 0, 2+len(payload)), opPong, len(payload))
		t.owner.SendFrame(append(frame, payload...))
	}
}

// recover ends the one connection that a panic happened on: politely the first
// time, at once if even reading the rest panics.
func (t *WebSocket) recover() {
	p := recover()
	if p == nil {
		return
	}
	t.owner.Panicked(p)
	if t.deaf {
		t.stop(InternalCause)
		go t.leave(ErrGone)
		return
	}
	t.deaf = true
	t.setStay(time.Time{})
	t.owner.Close(InternalCause)
	go t.readDeaf()
}

// readDeaf goes on where reading panicked.
func (t *WebSocket) readDeaf() {
	defer t.recover()
	t.read()
}

func (t *WebSocket) recoverLast() {
	if p := recover(); p != nil {
		t.owner.Panicked(p)
	}
}
