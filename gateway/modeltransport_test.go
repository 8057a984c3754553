//go:build unix

package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"

	"runtime"
	"syscall"
	"time"
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

// modelConn is one client, its session, and the transport that its connection has at present.
type modelConn struct {
	m     *model
	index int
	conn  *Conn
	*modelTransport
	// comings are of a client that may come back, else nil.
	comings *modelComings

	reader  modelReader
	client  modelClient
	session modelSession
	// why are the reasons for which the connection may end, and checked what was seen of it.
	why     map[CloseReason]bool
	checked modelChecked
}

// modelTransport is one transport of a client.
type modelTransport struct {
	c      *modelConn
	number int
	kind   modelKind
	raw    *modelSocket
	pump   modelPump
	born   int64
	// closed: it is no more, because of the cause. ended: Ended or Lost was called.
	closed, ended bool
	cause         Cause
}

func newModelTransport(c *modelConn) *modelTransport {
	c.m.transports++
	t := &modelTransport{c: c, number: c.m.transports, kind: modelKind(c.m.rand.IntN(int(modelKinds)))}
	if c.comings != nil && c.m.chance(40) {
		t.kind = kindSocket // the one with most to go wrong
	}
	if c.isNumbered() {
		t.kind %= 2 // it is one of WebSockets
	}
	t.raw = newModelSocket(t)
	t.pump.awake = t.kind == kindEvents
	return t
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
	// alone: it went on by itself, without anything that was said.
	alone bool
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

// modelDirect is the transport that workers can write to. The others are the modelTransport itself.
type modelDirect struct{ *modelTransport }

func (t *modelTransport) self() *modelConn { return t.c }

func (t modelDirect) Raw() syscall.RawConn { return t.raw }
func (t modelDirect) Framing() Framing     { return t.framing() }

// Probe implements ProbingTransport; the kinds that cannot are never asked, see transport.
func (t modelDirect) Probe() {
	t.c.unlocked("Probe")
	t.c.m.seen["the peer was probed"]++
	t.pump.probed = true
}

func (t *modelTransport) transport() Transport {
	if t.kind == kindSocket {
		return modelDirect{t}
	}
	return t
}

// present reports whether it is the transport that the core knows.
func (t *modelTransport) present() bool {
	return t.c.conn == nil || t.c.conn.transport == t.transport()
}

// Manner implements MannerTransport.
func (t *modelTransport) Manner() Manner {
	if !t.c.isMarked() {
		return nil
	}
	return modelManner{}
}

func (t *modelTransport) Name() string {
	return []string{WebSockets, WebSockets, ServerSentEvents, LongPolling}[t.kind]
}

func (t *modelTransport) Abilities() Abilities {
	a := Abilities{Returns: t.c.isMarked(), Numbers: t.c.isNumbered()}
	switch t.kind {
	case kindEvents:
		a.TextOnly, a.EarliestClose = true, time.Second
	case kindPolling:
		a.Polled = true
	}
	return a
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
func (t *modelTransport) Wake() {
	t.c.unlocked("Wake")
	p := &t.pump
	switch {
	case !t.present():
		t.c.m.breaks("%d: a former transport was woken", t.c.index)
	case t.c.comings != nil && t.c.conn.life.state() == away:
		t.c.m.breaks("%d: a transport that is lost was woken", t.c.index)
	case p.inside:
		t.c.m.breaks("%d: the pump was woken while it was writing", t.c.index)
	case p.awake:
		p.woken = true
	case t.kind == kindPolling && !p.polling:
		p.woken = true
	default:
		p.awake = true
	}
}

// Abort implements Transport.
func (t *modelTransport) Abort(cause Cause) {
	t.c.unlocked("Abort")
	if t.c.comings != nil {
		t.checkAbort(cause)
	}
	t.stop(cause)
}

// stop ends the transport. The first cause counts. A WebSocket's reader is left to say so.
func (t *modelTransport) stop(cause Cause) {
	if !t.closed {
		t.closed, t.cause = true, cause
	}
	if !t.kind.webSocket() && t.c.conn != nil {
		t.over()
	}
}

// readerLeaves ends a WebSocket whose reader has nothing more to do. That of a client that may come
// back does not wait for its pump.
func (t *modelTransport) readerLeaves() bool {
	if !t.kind.webSocket() || !t.closed || t.ended || t.c.comings == nil && (t.c.reader.feeding || t.pump.inside) {
		return false
	}
	t.over()
	return true
}

// over tells the core that the transport has ended.
func (t *modelTransport) over() {
	t.ended = true
	if t.c.comings != nil {
		t.lost()
		return
	}
	t.c.conn.Ended(t.cause)
}

// feed lets the reader feed some bytes, until it has, or waits.
func (c *modelConn) feed(data []byte) {
	c.reader.at = c.m.g.now()
	if t := c.modelTransport; c.isNumbered() {
		c.read(func() error { return c.conn.FeedFor(t.transport(), data) })
		return
	}
	c.read(func() error { return c.conn.Feed(data) })
}

// read lets the reader do something, until it has, or waits.
func (c *modelConn) read(do func() error) {
	r := &c.reader
	r.feeding = true
	c.m.running = c
	go func() {
		result := &feedResult{}
		defer func() {
			result.panic = recover()
			r.result = result
		}()
		result.err = do()
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
	r.result, r.feeding, r.alone = nil, false, false
	internal := Cause{Reason: CloseServiceTransientError, Text: "an error of the gateway"}
	switch {
	case result.panic != nil && (c.kind.webSocket() || c.comings != nil):
		r.deaf = true
		c.conn.Close(internal)
	case result.panic != nil:
		c.stop(internal)
	case result.err != nil:
		r.deaf = true
	}
}

// leave is the client going away without a word, for good.
func (c *modelConn) leave() {
	if c.comings != nil {
		c.comings.left = true
		c.stop(Cause{Reason: CloseNormal})
		return
	}
	c.why[CloseNormal] = true
	c.stop(Cause{Reason: CloseNormal})
}

// pumpStep is one step of the pump: it takes a batch, or reports that it has written it.
func (t *modelTransport) pumpStep(limit int, fails bool) bool {
	p := &t.pump
	switch {
	case p.inside:
		t.wrote(fails || t.closed)
		return true
	case !p.awake, t.ended && t.kind.webSocket():
		return false
	}
	if !t.take(limit) {
		p.awake = p.woken
		p.woken = false
		return true
	}
	p.inside, p.since, p.reaches = true, t.c.m.g.now(), !t.closed
	if t.c.conn.life.state() <= announced {
		t.c.m.seen["the pump was inside at the handshake"]++
	}
	return true
}

func (t *modelTransport) take(limit int) bool {
	if t.c.comings != nil {
		return t.takeFor(limit)
	}
	return t.c.conn.Take(&t.pump.batch, limit)
}

// wrote brings a batch to the client, or a part of it if the transport fails.
func (t *modelTransport) wrote(fails bool) {
	p, c := &t.pump, t.c
	data := t.framing().AppendFrames(bytes.Clone(p.batch.Tail), p.batch.Records)
	t.arrived(t.raw.drain())
	end := p.batch.End
	p.inside = false
	if fails {
		if p.reaches {
			t.arrived(data[:c.m.rand.IntN(len(data)+1)])
		}
		t.report(errors.New("the transport is gone"))
		p.awake = false
		t.fail(Cause{Reason: CloseNormal})
		return
	}
	t.arrived(data)
	t.report(nil)
	if t.kind == kindPolling {
		p.polling, p.awake = false, false
		t.detach()
	}
	if end != nil {
		c.m.seen["a polite end"]++
		c.client.ended = c.client.on == t
		p.goodbye, p.at = true, c.m.g.now()
		switch {
		case t.kind == kindEvents:
			t.stop(*end)
		case c.reader.polite:
			t.stop(Cause{Reason: CloseNormal})
		}
		p.awake = false
	}
}

// fail ends a transport that could not do its work.
func (t *modelTransport) fail(cause Cause) {
	if t.c.comings == nil {
		t.c.why[cause.Reason] = true
	}
	t.stop(cause)
}

// report says what became of the batch.
func (t *modelTransport) report(err error) {
	t.effect(func() { t.c.conn.Wrote(&t.pump.batch, err) })
}

func (t *modelTransport) attach() {
	if t.c.comings != nil {
		t.effect(func() { t.c.conn.AttachedFor(t.transport()) })
		return
	}
	t.c.conn.Attached()
}

func (t *modelTransport) detach() {
	if t.c.comings != nil {
		t.effect(func() { t.c.conn.DetachedFor(t.transport()) })
		return
	}
	t.c.conn.Detached()
}

// poll is a request of a polling client.
func (t *modelTransport) poll() bool {
	p := &t.pump
	if t.kind != kindPolling || p.polling || t.ended {
		return false
	}
	if p.goodbye {
		t.stop(Cause{Reason: CloseNormal})
		return true
	}
	t.attach()
	p.polling, p.awake, p.woken = true, true, false
	return true
}

// pollEnds is a poll that is answered with nothing.
func (t *modelTransport) pollEnds() bool {
	p := &t.pump
	if t.kind != kindPolling || !p.polling || p.inside || t.ended {
		return false
	}
	p.polling, p.awake = false, false
	t.detach()
	return true
}

// later is what the transport does when time has gone by.
func (t *modelTransport) later() {
	now := t.c.m.g.now()
	switch p := &t.pump; {
	case p.inside && now-p.since > int64(10*time.Second):
		p.inside, p.awake = false, false
		t.report(errors.New("too slow"))
		t.fail(Cause{Reason: CloseSlowClient})
	case p.goodbye && t.kind.webSocket() && now-p.at > int64(5*time.Second):
		t.fail(Cause{Reason: CloseNormal})
	}
}

// modelFraming makes what the client gets unmistakable: a letter and a length come before each record.
type modelFraming struct{ letter byte }

// framing of each transport has a letter of its own.
func (t *modelTransport) framing() modelFraming {
	return modelFraming{'H' + byte(t.number%16)}
}

func (f modelFraming) AppendFrames(dst []byte, records []OutRecord) []byte {
	for _, r := range records {
		if !r.Framed() {
			dst = append(dst, f.letter)
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Bytes)))
		}
		dst = append(dst, r.Bytes...)
	}
	return dst
}

// frame is a frame of the transport's own.
func (t *modelTransport) frame(size int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{t.framing().letter - 'H' + 'h'}, uint32(size)), make([]byte, size)...)
}
