//go:build unix

package gateway

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// Some clients of the model may lose their transport and come back. They speak a protocol that the core
// does not know: a record is "CURSOR|TEXT", or "|TEXT" if it carries no cursor.
const modelMarked = "marked"

func modelRecord(marked bool, key, more string) []byte {
	if marked {
		return []byte(key[2:] + "|" + key + more)
	}
	return []byte("|" + key + more)
}

var modelInit = []byte("|init")

type modelManner struct{}

const (
	modelKeepAlive = 10 * time.Second
	modelAway      = 20 * time.Second
)

func (modelManner) Ping() []byte             { return []byte("|ping") }
func (modelManner) First() []byte            { return []byte("|first") }
func (modelManner) Close(Cause, bool) []byte { return []byte("|close") }
func (modelManner) KeepAlive() time.Duration { return modelKeepAlive }
func (modelManner) Away() time.Duration      { return modelAway }
func (modelManner) Marked(r []byte) bool     { return r[0] != '|' }
func (modelManner) HasCursor(r []byte, cursor string) bool {
	return bytes.HasPrefix(r, []byte(cursor+"|"))
}

func (l *modelClient) readMarked(record []byte) string {
	_, text, _ := bytes.Cut(record, []byte("|"))
	switch {
	case string(text) == "init":
		return "answer"
	case string(text) == "ping":
		return "ping"
	case string(text) == "first":
		return "refusal"
	case string(text) == "close" && len(l.got) == 0:
		return "broken" // the client has heard no beginning
	case string(text) == "close":
		return "close"
	}
	return modelKey(text)
}

// modelKeeping is small, so that schedules meet it.
var modelKeeping = keeping{records: 6, bytes: 5000, time: 12 * time.Second}

// modelComings are the comings and goings of a client that may come back.
type modelComings struct {
	former []*modelTransport
	dialed []*modelDial // that the worker has not come to
	// started: the client has said that it is there. left: it will not come back.
	started, left bool
	// answered is for each return that succeeded how many calls had been said before.
	answered []int
	said     int
	// resumed are the numbers of messages that the client had when it came back, and which of those
	// behind them may have been given up.
	resumed  map[int]givenUp
	records  map[string]*modelSent
	lostAt   int64
	awaySeen bool
}

// givenUp is what may be missing where a client came back.
type givenUp struct {
	unmarked bool // records without a cursor
	any      bool // for one that had not heard that it is connected
}

// modelSent is what was sent to a client that may come back.
type modelSent struct {
	marked bool
	size   int
	at     int64
}

// modelDial is a client dialing again.
type modelDial struct {
	t        *modelTransport
	op       *replaceOp
	cursor   string
	heard    int // the messages that the client had
	fallback bool
}

// modelCursor is the cursor of the last message with one that the client has read, and where it is in got.
func (c *modelConn) modelCursor() (cursor string, at int) {
	cursor = fromTheStart
	for i, r := range c.client.got {
		if sent := c.comings.records[r]; r == "answer" || sent != nil && sent.marked {
			at = i + 1
			if r != "answer" {
				cursor = r[2:]
			}
		}
	}
	return cursor, at
}

// comeBack is the client dialing again, whether it has lost its transport or only thinks so. What it
// has not read until then is lost.
func (c *modelConn) comeBack() bool {
	r, l := c.comings, &c.client
	if r == nil || r.left || l.ended || len(r.dialed) > 2 || slices.Contains(l.got, "close") || slices.Contains(l.got, "refusal") {
		return false
	}
	if c.conn.life.state() < open && !c.m.chance(5) || c.conn.life.state() == open && !c.closed && !c.m.chance(8) {
		return false // rare, so that schedules come further
	}
	if c.isNumbered() {
		return c.redials()
	}
	if data := l.on.raw.drain(); len(data) > 0 {
		l.on.arrived(data[:c.m.rand.IntN(len(data)+1)])
	}
	d := &modelDial{t: newModelTransport(c), fallback: len(l.got) == 0}
	var at int
	d.cursor, at = c.modelCursor()
	l.got, l.stream, l.on = l.got[:at], nil, d.t
	d.heard = len(c.messages())
	d.t.pump.polling = d.t.kind == kindPolling
	d.t.pump.awake = d.t.pump.awake || d.t.pump.polling
	d.op = &replaceOp{conn: c.conn, by: d.t.transport(), from: behind(d.cursor), done: make(chan error, 1)}
	if d.fallback {
		d.op.first = modelInit
		c.m.seen["a fallback"]++
	}
	c.conn.shard.worker.queue.push(d.op)
	r.dialed = append(r.dialed, d)
	return true
}

// mayBeTrimmed reports whether something behind the cursor may be kept no more: with a cursor of its
// own, so that it is missed, or without.
func (c *modelConn) mayBeTrimmed(cursor string) (marked, other bool) {
	behind := c.client.expected
	if i := slices.Index(behind, "#m"+cursor); i >= 0 {
		behind = behind[i+1:]
	}
	bytes := 0
	for i, key := range slices.Backward(behind) {
		sent := c.comings.records[key]
		bytes += sent.size
		if len(behind)-i <= modelKeeping.records && bytes <= modelKeeping.bytes && c.m.g.now()-sent.at <= int64(modelKeeping.time) {
			continue
		}
		marked, other = marked || sent.marked, other || !sent.marked
	}
	return marked, other
}

// sees notes in which situation a transport is replaced.
func (m *model) sees(o *replaceOp) {
	out, back, s := &o.conn.out, o.conn.back, o.conn.life.state()
	for what, is := range map[string]bool{
		"a tail": out.tail != nil, "a batch": back.inside, "a failed write": back.broken, "what is given again": len(out.records) > 0 && out.records[0].again,
		"what was held while away": s == away && len(out.records) > 0, "an early transport": s < open, "a transport that is there": s == open,
		"something unsettled": back.kept.unsettled > 0, "something settled": back.kept.size > back.kept.unsettled, "a mark": back.kept.mark != nil,
	} {
		if is {
			m.seen["replaced: "+what]++
		}
	}
}

// arrivals looks which dials the workers have come to.
func (m *model) arrivals() {
	for _, c := range m.conns {
		for c.comings != nil && len(c.comings.dialed) > 0 {
			d := c.comings.dialed[0]
			select {
			case err := <-d.op.done:
				c.comings.dialed = c.comings.dialed[1:]
				c.arrivesBack(d, err)
				continue
			default:
			}
			break
		}
	}
}

// arrivesBack is the end of Replace.
func (c *modelConn) arrivesBack(d *modelDial, err error) {
	r, m := c.comings, c.m
	switch {
	case err == nil:
		m.seen["a client came back"]++
		if c.conn.life.cause != nil {
			m.breaks("%d: another transport, although the connection is to end", c.index)
		}
		if !c.closed {
			m.breaks("%d: the transport before goes on", c.index)
		}
		if c.isNumbered() {
			c.cameBack(d)
			return
		}
		missed, trimmed := c.mayBeTrimmed(d.cursor)
		before := r.resumed[d.heard]
		r.resumed[d.heard] = givenUp{before.unmarked || trimmed, before.any || d.fallback && missed}
		if d.fallback && missed {
			m.seen["a fallback may have missed some"]++
		}
		r.former = append(r.former, c.modelTransport)
		c.modelTransport = d.t
		d.t.born = m.g.now()
		if !d.fallback {
			c.toldReturn()
		}
	case err == ErrMissed:
		m.seen["messages were missed"]++
		c.why[CloseMissedMessages] = true
		if missed, _ := c.mayBeTrimmed(d.cursor); !missed {
			m.breaks("%d: nothing can have been given up behind %s: %v", c.index, d.cursor, c.client.expected)
		}
	case err == ErrConnectionEnded && c.conn.life.cause != nil:
	default:
		m.breaks("%d could not come back: %v, cause %v", c.index, err, c.conn.life.cause)
	}
	if err != nil {
		r.left = true
		d.t.closed, d.t.ended = true, true
		r.former = append(r.former, d.t)
	}
}

// toldReturn is what Replace does in the end. Like Feed it may find a reader inside, or be it.
func (c *modelConn) toldReturn() {
	if c.conn.life.state() < open { // it was never open, so it has not come back
		return
	}
	c.comings.answered = append(c.comings.answered, c.comings.said)
	if c.reader.feeding {
		c.m.seen["a return was told by another reader"]++
		c.conn.tellReturns()
		return
	}
	c.read(func() error { c.conn.tellReturns(); return nil })
}

// Returned implements Returner.
func (c *modelConn) Returned() {
	c.entered("Returned")
	defer func() { c.session.inside = false }()
	if c.session.returned++; c.session.returned > len(c.comings.answered) {
		c.m.breaks("%d: told %d returns of %d", c.index, c.session.returned, len(c.comings.answered))
	}
	c.park()
}

// checkOrder sees that returns are told in order with what the client said.
func (c *modelConn) checkOrder(call int) {
	want := 0
	for _, said := range c.comings.answered {
		if call > said {
			want++
		}
	}
	if c.session.returned != want {
		c.m.breaks("%d: its call %d is behind %d returns, and was told behind %d", c.index, call, want, c.session.returned)
	}
}

// sayMarked is the client starting, or a record of it.
func (c *modelConn) sayMarked() bool {
	r, l := c.comings, &c.client
	c.reader.at = c.m.g.now()
	if !r.started {
		r.started = true
		c.read(func() error {
			return c.conn.Start(Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: modelMarked}})
		})
		return true
	}
	n := bytes.IndexByte(l.input, '\n')
	record := bytes.Clone(l.input[:n])
	l.input = l.input[n+1:]
	r.said++
	c.read(func() error { return c.conn.Record(record) })
	return true
}

// beginsAtOnce brings the connection to where it is most of its life.
func (c *modelConn) beginsAtOnce() {
	if c.isNumbered() {
		c.say()
	} else {
		c.sayMarked()
	}
	for c.reader.parked != nil {
		c.goesOn(parkGo)
	}
	if c.open() {
		c.m.work(20)
	}
}

// breaksDown is the transport failing under its client, which may or may not come back.
func (c *modelConn) breaksDown() bool {
	if c.comings == nil || c.closed {
		return false
	}
	c.stop(Cause{Reason: CloseNormal})
	return true
}

// formerStep is something that a former transport still does.
func (c *modelConn) formerStep() bool {
	if c.comings == nil || len(c.comings.former) == 0 {
		return false
	}
	t := c.comings.former[c.m.rand.IntN(len(c.comings.former))]
	switch c.m.rand.IntN(7) {
	case 0, 1:
		if t.pump.inside {
			c.m.seen["a former pump came out"]++
		}
		return t.pumpStep(500, c.m.chance(50))
	case 2:
		return t.readerLeaves()
	case 3:
		t.effect(func() { c.conn.Lost(t.transport(), Cause{Reason: CloseSlowClient}) })
	case 4:
		t.attach()
	case 5:
		t.detach()
	case 6:
		t.effect(func() { c.conn.HeardFor(t.transport()) })
		c.conn.SendFrameFor(t.transport(), t.frame(10))
	}
	return true
}

// returnsInTheEnd lets former transports come to their end, and the client come back.
func (c *modelConn) returnsInTheEnd() (moved bool) {
	for _, t := range c.comings.former {
		moved = t.readerLeaves() || moved
		moved = t.pumpStep(64<<10, false) || moved
	}
	if (c.closed || c.client.on != c.modelTransport) && len(c.comings.dialed) == 0 {
		moved = c.comeBack() || moved
	}
	return moved
}

// lost tells the core that the transport is lost.
func (t *modelTransport) lost() {
	c := t.c
	before := c.conn.life.state()
	if t.present() && (before <= announced || c.isNumbered() && before <= answering || c.conn.life.cause != nil) {
		c.why[t.cause.Reason] = true
	}
	if before == away {
		t.quietly("a second loss", func() { c.conn.Lost(t.transport(), t.cause) })
		return
	}
	t.effect(func() { c.conn.Lost(t.transport(), t.cause) })
}

// takeFor is Take.
func (t *modelTransport) takeFor(limit int) (took bool) {
	t.effect(func() { took = t.c.conn.TakeFor(t.transport(), &t.pump.batch, limit) })
	if took && !t.present() {
		t.c.m.breaks("%d: a former transport took %d records", t.c.index, len(t.pump.batch.Records))
	}
	return took
}

// effect does something to the core that has none if the transport is a former one.
func (t *modelTransport) effect(do func()) {
	if t.c.comings == nil || t.present() {
		do()
		return
	}
	t.quietly("what a former transport did", do)
}

// quietly does something that must change nothing.
func (t *modelTransport) quietly(what string, do func()) {
	before := t.c.print()
	do()
	if after := t.c.print(); before != after {
		t.c.m.breaks("%d: %s has an effect: before %s, after %s", t.c.index, what, before, after)
	}
}

// print is everything that a former transport could change.
func (c *modelConn) print() string {
	o, b, k := &c.conn.out, c.conn.back, &c.conn.clocks
	if b == nil {
		b = new(returning)
	}
	books := &c.conn.shard.books
	return fmt.Sprint(c.conn.life.state(), c.conn.life.cause != nil, c.conn.life.since, o.writer, len(o.records), len(o.tail), o.queued,
		b.kept.size, b.kept.unsettled, b.kept.bytes, b.owed, b.generation, b.inside, b.broken, b.untold,
		k.lastRead.Load(), k.lastWrite.Load(), k.detached.Load(), k.heard.Load(), k.probed.Load(),
		books.attempted.Load(), books.written.Load(), books.dropped.Map(), books.queuedBytes.Load(), books.bytesOut.Load())
}

// checkAbort sees that the core ends a transport of such a client for a reason.
func (t *modelTransport) checkAbort(cause Cause) {
	c := t.c
	switch {
	case !t.present():
		if cause != Replaced || t.closed && t.cause == Replaced {
			c.m.breaks("%d: a former transport is aborted: %v", c.index, cause)
		}
	case cause == silentCause:
		c.m.seen["a silent transport was given up"]++
		silence := c.m.g.now() - max(c.reader.at, c.reader.heard, t.born)
		if silence < int64(modelLimits.Timeout) || c.conn.life.state() != away {
			c.m.breaks("%d: a transport is given up after %v of silence, in state %d", c.index, time.Duration(silence), c.conn.life.state())
		}
	}
}

// noteAway notes when the client began to be away.
func (c *modelConn) noteAway() {
	isAway := c.conn.life.state() == away
	if isAway && !c.comings.awaySeen {
		c.comings.lostAt = c.m.g.now()
	}
	c.comings.awaySeen = isAway
}

// checkReturns is check for clients that may come back.
func (c *modelConn) checkReturns() {
	s, m := c.conn.life.state(), c.m
	o, b := &c.conn.out, c.conn.back
	c.noteAway()
	if s == gone && !c.closed || s == away && !c.closed {
		m.breaks("%d: in state %d its transport goes on", c.index, s)
	}
	if b == nil {
		return // its handshake has not been read
	}
	if !o.agrees(b) {
		m.breaks("%d: the outbox does not agree with itself: %+v %+v", c.index, o, b)
	}
	owed := waiting{}
	switch {
	case s == gone: // some of it is given up by the worker
		owed = b.owed
	case c.pump.inside:
		owed = c.pump.batch.taken
	case o.tail != nil:
		owed = waiting{len(o.tail), b.kept.unsettled}
	case b.broken:
		owed = b.owed
	}
	if b.owed != owed {
		m.breaks("%d: %+v is queued of what was handed over, should be %+v", c.index, b.owed, owed)
	}
	if b.numbers != nil {
		c.checkNumbers()
		return
	}
	if n := b.kept.size - b.kept.unsettled; n > modelKeeping.records+20 || b.kept.bytes > 20_000 {
		m.breaks("%d: %d records with %d bytes are kept", c.index, n, b.kept.bytes)
	}
}

// hears reports whether the messages are the first of the expected. Where the client came back it may
// have missed some without a cursor that were given up, and a second copy of the message before (which it
// gets as a member of two groups): nobody can say which of them it has read. rest are the expected behind
// the messages.
func (r *modelComings) hears(messages, expected []string) (ok bool, rest []string) {
	skip := func(i int) {
		may, here := r.resumed[i]
		for here && len(expected) > 0 && (i == len(messages) || expected[0] != messages[i]) {
			copied := i > 0 && expected[0] == messages[i-1]
			if !copied && !may.any && (!may.unmarked || r.records[expected[0]].marked) {
				return
			}
			expected = expected[1:]
		}
	}
	for i, key := range messages {
		if skip(i); len(expected) == 0 || expected[0] != key {
			return false, expected
		}
		expected = expected[1:]
		given := r.resumed[i].any || r.resumed[i].unmarked && !r.records[key].marked
		if given && len(expected) > 0 && expected[0] == key && !slices.Contains(messages[i+1:], key) {
			expected = expected[1:] // it was the first of two copies that was given up
		}
	}
	skip(len(messages))
	return true, expected
}
