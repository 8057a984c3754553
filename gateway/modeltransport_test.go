//go:build unix

package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// The transports of the model live as those of clientws do, in steps.

// modelKind is a transport of the model.
type modelKind int

const (
	kindSocket  modelKind = iota // a WebSocket that workers write to
	kindTLS                      // a WebSocket with a pump only
	kindEvents                   // Server-Sent Events
	kindPolling                  // long polling
	modelKinds
)

func (k modelKind) webSocket() bool { return k <= kindTLS }

// modelConn is one client, its transport and its session.
type modelConn struct {
	m     *model
	index int
	kind  modelKind
	conn  *Conn
	raw   *modelSocket

	pump    modelPump
	reader  modelReader
	client  modelClient
	session modelSession
	// closed: the transport is no more, because of the cause. ended: Ended was called.
	closed, ended bool
	cause         Cause
	// why are the reasons for which the connection may end, and checked what was seen of it.
	why     map[CloseReason]bool
	checked modelChecked
}

// modelPump is whoever writes for the transport.
type modelPump struct {
	// awake: it will look. woken: it will look once more.
	awake, woken bool
	// inside: it is between Take and Wrote, since a time. reaches: the transport was there then.
	inside  bool
	reaches bool
	since   int64
	batch   Batch
	// polling: a poll is there.
	polling bool
	// goodbye: the last record has left, at a time.
	goodbye bool
	at      int64
	probed  bool
}

// modelReader is whoever feeds what the client says.
type modelReader struct {
	feeding bool
	// parked is where it waits for the schedule to go on, nil if it does not.
	parked chan parkResult
	// result is there when Feed has returned.
	result *feedResult
	deaf   bool
	// polite: the peer has said goodbye, and the reader waits for ours.
	polite bool
	// at is when it last fed something; heard when there was a sign of life.
	at, heard int64
}

type feedResult struct {
	err   error
	panic any
}

// modelDirect is the transport that workers can write to. The others are the modelConn itself.
type modelDirect struct{ *modelConn }

func (c *modelConn) self() *modelConn { return c }

func (t modelDirect) Raw() syscall.RawConn { return t.raw }
func (modelDirect) Framing() Framing       { return modelFraming{} }

// Probe implements ProbingTransport; the kinds that cannot are never asked, see transport.
func (t modelDirect) Probe() {
	t.unlocked("Probe")
	t.m.seen["the peer was probed"]++
	t.pump.probed = true
}

func (c *modelConn) transport() Transport {
	if c.kind == kindSocket {
		return modelDirect{c}
	}
	return c
}

func (c *modelConn) Name() string {
	return []string{WebSockets, WebSockets, ServerSentEvents, LongPolling}[c.kind]
}

func (c *modelConn) Abilities() Abilities {
	switch c.kind {
	case kindEvents:
		return Abilities{TextOnly: true, EarliestClose: time.Second}
	case kindPolling:
		return Abilities{Polled: true}
	}
	return Abilities{}
}

// unlocked sees that the core holds no lock of the connection while it calls the transport. A reader
// that was woken a moment ago may hold it for its own next step, so the lock gets time to be released.
func (c *modelConn) unlocked(what string) {
	if c.conn == nil {
		return
	}
	for range 10_000 {
		if c.conn.mu.TryLock() {
			c.conn.mu.Unlock()
			return
		}
		runtime.Gosched()
	}
	c.m.breaks("%d: %s with the connection's lock held", c.index, what)
}

// Wake implements Transport.
func (c *modelConn) Wake() {
	c.unlocked("Wake")
	p := &c.pump
	switch {
	case p.inside:
		c.m.breaks("%d: the pump was woken while it was writing", c.index)
	case p.awake:
		p.woken = true
	case c.kind == kindPolling && !p.polling:
		p.woken = true
	default:
		p.awake = true
	}
}

// Abort implements Transport.
func (c *modelConn) Abort(cause Cause) {
	c.unlocked("Abort")
	c.stop(cause)
}

// stop ends the transport. The first cause counts. A WebSocket's reader is left to say so.
func (c *modelConn) stop(cause Cause) {
	if !c.closed {
		c.closed, c.cause = true, cause
	}
	if !c.kind.webSocket() && c.conn != nil {
		c.ended = true
		c.conn.Ended(c.cause)
	}
}

// readerLeaves ends a WebSocket whose reader has nothing more to do.
func (c *modelConn) readerLeaves() bool {
	if !c.kind.webSocket() || !c.closed || c.ended || c.reader.feeding || c.pump.inside {
		return false
	}
	c.ended = true
	c.conn.Ended(c.cause)
	return true
}

// feed lets the reader feed some bytes, until it has, or waits.
func (c *modelConn) feed(data []byte) {
	r := &c.reader
	r.feeding = true
	r.at = c.m.g.now()
	c.m.running = c
	go func() {
		result := &feedResult{}
		defer func() {
			result.panic = recover()
			r.result = result
		}()
		result.err = c.conn.Feed(data)
	}()
	c.m.readers()
}

// fed looks whether the reader has come back from Feed.
func (c *modelConn) fed() {
	r := &c.reader
	if r.result == nil {
		return
	}
	result := r.result
	r.result, r.feeding = nil, false
	internal := Cause{Reason: CloseServiceTransientError, Text: "an error of the gateway"}
	switch {
	case result.panic != nil && c.kind.webSocket():
		r.deaf = true
		c.conn.Close(internal)
	case result.panic != nil:
		c.stop(internal)
	case result.err != nil:
		r.deaf = true
	}
}

// leave is the client going away without a word.
func (c *modelConn) leave() {
	c.why[CloseNormal] = true
	c.stop(Cause{Reason: CloseNormal})
}

// pumpStep is one step of the pump: it takes a batch, or reports that it has written it.
func (c *modelConn) pumpStep(limit int, fails bool) bool {
	p := &c.pump
	switch {
	case p.inside:
		c.wrote(fails || c.closed)
		return true
	case !p.awake, c.ended && c.kind.webSocket():
		return false
	}
	if !c.conn.Take(&p.batch, limit) {
		p.awake = p.woken
		p.woken = false
		return true
	}
	p.inside, p.since, p.reaches = true, c.m.g.now(), !c.closed
	if c.conn.life.state() <= announced {
		c.m.seen["the pump was inside at the handshake"]++
	}
	return true
}

// wrote brings a batch to the client, or a part of it if the transport fails.
func (c *modelConn) wrote(fails bool) {
	p := &c.pump
	data := modelFraming{}.AppendFrames(bytes.Clone(p.batch.Tail), p.batch.Records)
	c.client.arrived(c.raw.drain())
	end := p.batch.End
	p.inside = false
	if fails {
		if p.reaches {
			c.client.arrived(data[:c.m.rand.IntN(len(data)+1)])
		}
		c.conn.Wrote(&p.batch, errors.New("the transport is gone"))
		p.awake = false
		c.why[CloseNormal] = true
		c.stop(Cause{Reason: CloseNormal})
		return
	}
	c.client.arrived(data)
	c.conn.Wrote(&p.batch, nil)
	if c.kind == kindPolling {
		p.polling, p.awake = false, false
		c.conn.Detached()
	}
	if end != nil {
		c.m.seen["a polite end"]++
		c.client.ended = true
		p.goodbye, p.at = true, c.m.g.now()
		switch {
		case c.kind == kindEvents:
			c.stop(*end)
		case c.reader.polite:
			c.stop(Cause{Reason: CloseNormal})
		}
		p.awake = false
	}
}

// poll is a request of a polling client.
func (c *modelConn) poll() bool {
	p := &c.pump
	if c.kind != kindPolling || p.polling || c.ended {
		return false
	}
	if p.goodbye {
		c.stop(Cause{Reason: CloseNormal})
		return true
	}
	c.conn.Attached()
	p.polling, p.awake, p.woken = true, true, false
	return true
}

// pollEnds is a poll that is answered with nothing.
func (c *modelConn) pollEnds() bool {
	p := &c.pump
	if c.kind != kindPolling || !p.polling || p.inside || c.ended {
		return false
	}
	p.polling, p.awake = false, false
	c.conn.Detached()
	return true
}

// later is what the transport does when time has gone by.
func (c *modelConn) later() {
	now := c.m.g.now()
	switch p := &c.pump; {
	case p.inside && now-p.since > int64(10*time.Second):
		c.why[CloseSlowClient] = true
		p.inside, p.awake = false, false
		c.conn.Wrote(&p.batch, errors.New("too slow"))
		c.stop(Cause{Reason: CloseSlowClient})
	case p.goodbye && c.kind.webSocket() && now-p.at > int64(5*time.Second):
		c.leave()
	}
}

// modelFraming makes what the client gets unmistakable: a letter and a length come before each record.
type modelFraming struct{}

func (modelFraming) AppendFrames(dst []byte, records []OutRecord) []byte {
	for _, r := range records {
		if !r.Framed() {
			dst = append(dst, 'R')
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Bytes)))
		}
		dst = append(dst, r.Bytes...)
	}
	return dst
}

// modelFrame is a frame of the transport's own.
func modelFrame(size int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'F'}, uint32(size)), make([]byte, size)...)
}

// modelSocket is a small socket. A worker writes to one end, the client empties the other when the
// schedule says so.
type modelSocket struct {
	c    *modelConn
	fds  [2]int
	none bool
}

var modelSockets struct {
	mu   sync.Mutex
	free [][2]int
}

func newModelSocket(c *modelConn) *modelSocket {
	s := &modelSocket{c: c, none: c.kind != kindSocket}
	if s.none {
		return s
	}
	modelSockets.mu.Lock()
	defer modelSockets.mu.Unlock()
	if n := len(modelSockets.free); n > 0 {
		s.fds, modelSockets.free = modelSockets.free[n-1], modelSockets.free[:n-1]
		return s
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		panic(err)
	}
	for _, fd := range fds {
		_ = syscall.SetNonblock(fd, true)
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4096)
	}
	s.fds = fds
	return s
}

func (s *modelSocket) release() {
	if s.none {
		return
	}
	s.drain()
	s.none = true
	modelSockets.mu.Lock()
	defer modelSockets.mu.Unlock()
	modelSockets.free = append(modelSockets.free, s.fds)
}

func (s *modelSocket) drain() (all []byte) {
	if s.none {
		return nil
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := syscall.Read(s.fds[1], buf)
		if n <= 0 || err != nil {
			return all
		}
		all = append(all, buf[:n]...)
	}
}

var errModelGone = errors.New("the socket is closed")

// Control implements syscall.RawConn. Workers write under it.
func (s *modelSocket) Control(f func(fd uintptr)) error {
	s.c.unlocked("a write")
	if s.c.pump.inside {
		s.c.m.breaks("%d: a worker wrote while the pump was in the socket", s.c.index)
	}
	if s.c.closed {
		return errModelGone
	}
	f(uintptr(s.fds[0]))
	return nil
}

func (s *modelSocket) Write(func(fd uintptr) (done bool)) error { return errModelGone }
func (s *modelSocket) Read(func(fd uintptr) (done bool)) error  { return errModelGone }

// modelClient is what the client says and hears.
type modelClient struct {
	protocol string
	// input is what it has to say and has not said. invoked are the numbers of its calls in it.
	input    []byte
	invoked  int
	said     bool // everything it will ever say may be answered
	expected []string
	stream   []byte
	got      []string // what has come whole: answers, messages, "close"
	ended    bool     // the last batch has come
}

func (l *modelClient) arrived(data []byte) {
	l.stream = append(l.stream, data...)
	for len(l.stream) >= 5 {
		n := 5 + int(binary.BigEndian.Uint32(l.stream[1:]))
		if len(l.stream) < n {
			return
		}
		if l.stream[0] == 'R' {
			l.got = append(l.got, l.read(l.stream[5:n]))
		} else if l.stream[0] != 'F' {
			l.got = append(l.got, "a broken stream")
		}
		l.stream = l.stream[n:]
	}
}

// read names a record.
func (l *modelClient) read(record []byte) string {
	switch {
	case len(l.got) == 0 && string(record) == "{}\x1e":
		return "answer"
	case len(l.got) == 0:
		return "refusal"
	}
	_, body, _, err := hubprotocol.Cut(l.protocol, record, 1<<20)
	if err != nil || body == nil {
		return "broken"
	}
	peeked, err := hubprotocol.Peek(l.protocol, body)
	switch {
	case err != nil:
		return "broken"
	case peeked.Type == hubprotocol.Ping:
		return "ping"
	case peeked.Type == hubprotocol.Close:
		return "close"
	}
	return modelKey(body)
}

// modelKey finds the number in a message.
func modelKey(record []byte) string {
	if i := bytes.Index(record, []byte("#m")); i >= 0 && i+8 <= len(record) {
		return string(record[i : i+8])
	}
	return "completion"
}
