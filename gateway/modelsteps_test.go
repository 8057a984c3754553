//go:build unix

package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// modelStep is one kind of thing that can happen: to a connection, or to none in particular. It
// reports false if it cannot happen now.
type modelStep struct {
	name   string
	weight int
	of     func(c *modelConn) bool
	alone  func(m *model) bool
}

var goAway = Cause{Reason: CloseClosedByAppServer, Text: "go away"}

var (
	modelSteps  []modelStep
	modelWeight int
)

func init() {
	modelSteps = slices.Concat(modelClientSteps, modelTransportSteps, modelServerSteps)
	for _, s := range modelSteps {
		modelWeight += s.weight
	}
}

// What clients do.
var modelClientSteps = []modelStep{
	{name: "a client comes", weight: 12, alone: (*model).attach},
	{name: "the client says something", weight: 60, of: (*modelConn).say},
	{name: "the client has more to say", weight: 15, of: (*modelConn).moreInput},
	{name: "the reader goes on", weight: 30, of: func(c *modelConn) bool {
		how := parkGo
		if c.reader.parked != nil && c.m.chance(3) {
			how = parkPanic
			c.m.seen["a panic of a session"]++
			if c.reader.alone {
				c.m.seen["a panic of a reader that went on by itself"]++
				c.m.plane.panics++
			}
			c.why[CloseServiceTransientError], c.client.said = true, false
		}
		return c.goesOn(how)
	}},
	{name: "a ping of the transport", weight: 8, of: func(c *modelConn) bool {
		if !c.kind.webSocket() || c.reader.deaf || c.closed || c.reader.feeding {
			return false
		}
		if frame := c.frame(c.m.rand.IntN(600)); c.comings != nil {
			c.conn.SendFrameFor(c.transport(), frame)
		} else {
			c.conn.SendFrame(frame)
		}
		return true
	}},
	{name: "a sign of life", weight: 2, of: func(c *modelConn) bool {
		if c.kind != kindSocket || !c.pump.probed || c.closed {
			return false
		}
		c.pump.probed = false
		c.reader.heard = c.m.g.now()
		if c.comings != nil {
			c.conn.HeardFor(c.transport())
		} else {
			c.conn.Heard()
		}
		return true
	}},
	{name: "the client is lost", weight: 2, of: func(c *modelConn) bool { c.leave(); return true }},
	{name: "the client comes back", weight: 60, of: (*modelConn).comeBack},
	{name: "the peer says goodbye", weight: 3, of: func(c *modelConn) bool {
		if c.comings != nil || !c.kind.webSocket() || c.closed || c.reader.feeding || c.reader.polite {
			return false
		}
		c.why[CloseNormal], c.reader.deaf = true, true
		if c.pump.goodbye {
			c.leave()
			return true
		}
		c.reader.polite = true
		c.conn.Close(Cause{Reason: CloseNormal})
		return true
	}},
}

// What transports do.
var modelTransportSteps = []modelStep{
	{name: "the pump", weight: 80, of: func(c *modelConn) bool {
		return c.pumpStep([]int{1, 500, 64 << 10}[c.m.rand.IntN(3)], false)
	}},
	{name: "the pump fails", weight: 2, of: func(c *modelConn) bool { return c.pump.inside && c.pumpStep(0, true) }},
	{name: "the client reads its socket", weight: 15, of: func(c *modelConn) bool {
		data := c.raw.drain()
		c.arrived(data)
		return len(data) > 0
	}},
	{name: "the transport breaks down", weight: 8, of: (*modelConn).breaksDown},
	{name: "a former transport", weight: 30, of: (*modelConn).formerStep},
	{name: "a poll", weight: 20, of: func(c *modelConn) bool { return c.poll() }},
	{name: "a poll ends empty", weight: 5, of: func(c *modelConn) bool { return c.pollEnds() }},
	{name: "the WebSocket's reader leaves", weight: 30, of: func(c *modelConn) bool { return c.readerLeaves() }},
}

// What the gateway, the application and the clock do.
var modelServerSteps = []modelStep{
	{name: "a worker", weight: 100, alone: func(m *model) bool { return m.work(1 + m.rand.IntN(4)) }},
	{name: "the other nodes", weight: 60, alone: func(m *model) bool { return m.plane.step() }},
	{name: "a send", weight: 60, alone: (*model).send},
	{name: "an answer of the application", weight: 15, of: (*modelConn).answer},
	{name: "the application opens", weight: 15, of: (*modelConn).open},
	{name: "the application is full", weight: 4, of: func(c *modelConn) bool { c.session.full = true; return true }},
	{name: "the application has room", weight: 8, of: func(c *modelConn) bool {
		c.session.full = false
		c.conn.Resume()
		return true
	}},
	{name: "a close", weight: 3, of: func(c *modelConn) bool {
		cause := goAway
		cause.Told, cause.AllowReconnect = c.m.chance(20), c.m.chance(50)
		c.why[cause.Reason] = true
		c.conn.Close(cause)
		return true
	}},
	{name: "a close by verb", weight: 2, alone: func(m *model) bool {
		m.permit(CloseClosedByAppServer)
		m.verb(&Command{Hub: modelHub, Verb: VerbClose, Target: m.target(), Cause: goAway})
		return true
	}},
	{name: "a membership", weight: 10, alone: func(m *model) bool {
		for _, c := range m.conns {
			if !c.conn.place.arrived && c.conn.life.state() == announced {
				m.seen["a membership while arriving"]++
			}
		}
		m.verb(&Command{Hub: modelHub, Verb: []Verb{VerbJoin, VerbJoin, VerbLeave, VerbLeaveAll}[m.rand.IntN(4)], Target: m.target(), Group: "g"})
		return true
	}},
	{name: "a drain", weight: 1, alone: func(m *model) bool {
		if !m.chance(20) {
			return false
		}
		m.drain()
		return true
	}},
	{name: "a producer waits for room", weight: 5, of: func(c *modelConn) bool {
		if c.checked.drained != nil || !c.conn.Over() {
			return false
		}
		c.m.seen["a producer waited"]++
		c.checked.drained = c.conn.Drained()
		return true
	}},
	{name: "time goes by", weight: 15, alone: func(m *model) bool {
		m.pass([]time.Duration{time.Millisecond, 400 * time.Millisecond, time.Second, 2 * time.Second, 6 * time.Second, 11 * time.Second, 16 * time.Second, 31 * time.Second}[m.rand.IntN(8)])
		return true
	}},
	{name: "the clock is set", weight: 4, alone: func(m *model) bool {
		m.set += time.Duration(m.rand.IntN(7200)-3600) * time.Second
		m.seen["the clock was set"]++
		return true
	}},
	{name: "readers hold too much", weight: 5, alone: func(m *model) bool {
		if m.g.counts.unfinished.Load() > int64(modelLimits.UnfinishedBytes) {
			m.permit(CloseThrottled)
		}
		m.g.relieveReaders()
		return true
	}},
}

// attach lets a client come. Its number may be that of one that is or was there.
func (m *model) attach() bool {
	if len(m.conns) >= 4 {
		return false
	}
	c := &modelConn{m: m, index: len(m.conns), why: map[CloseReason]bool{}}
	if m.chance(60) {
		c.comings = &modelComings{resumed: map[int]givenUp{}, records: map[string]*modelSent{}}
	}
	if c.comings != nil && m.chance(50) {
		c.client.numbers = &modelNumbers{first: 1, next: 1}
	}
	c.modelTransport = newModelTransport(c)
	c.client.on = c.modelTransport
	m.note("kind %d, may come back: %v, with numbers: %v", c.kind, c.comings != nil, c.isNumbered())
	id := Identity{
		ID: fmt.Sprint("id", c.index), Hub: modelHub, User: fmt.Sprint("user", m.rand.IntN(2)), TokenExpires: time.Now().Add(1000 * time.Hour),
	}
	again := len(m.conns) > 0 && m.chance(20)
	if again {
		id.ID = "id0"
	}
	if m.chance(10) {
		id.CloseAt = m.g.opts.Now().Add(time.Duration(m.rand.IntN(60)) * time.Second)
	}
	c.session = modelSession{
		speaker: Speaker(m.rand.IntN(3)), announces: m.chance(50), refuses: m.chance(5), full: m.chance(10),
	}
	c.session.announces = c.session.announces || c.session.speaker == ApplicationSpeaks
	conn, err := m.g.Attach(id, c.transport())
	if err != nil {
		m.seen["an id was used again"]++
		c.raw.release()
		if !again && !errors.Is(err, ErrDraining) {
			m.breaks("a client is refused: %v", err)
		}
		return true
	}
	if again {
		m.breaks("an id is used twice")
	}
	c.conn = conn
	c.reader.at, c.reader.heard = m.g.now(), m.g.now()
	c.checked.since = m.g.now()
	m.conns = append(m.conns, c)
	c.handshake()
	if c.comings != nil && m.chance(60) {
		c.beginsAtOnce()
	}
	return true
}

// handshake is the first thing a client says.
func (c *modelConn) handshake() {
	l := &c.client
	if l.said = true; c.isMarked() {
		l.protocol = modelMarked
		return
	}
	l.protocol = hubprotocol.JSON
	if c.kind != kindEvents && c.m.chance(40) {
		l.protocol = hubprotocol.MessagePack
	}
	version := 1
	if c.isNumbered() {
		version = 2
	}
	request := fmt.Sprintf("{\"protocol\":%q,\"version\":%d}\x1e", l.protocol, version)
	if c.m.chance(4) {
		request = "{\"protocol\":\"other\",\"version\":1}\x1e"
		c.why[CloseHandshakeError], l.said = true, false
	}
	l.input = []byte(request)
	for range c.m.rand.IntN(3) {
		c.moreInput()
	}
}

// moreInput is a record that the client has decided on.
func (c *modelConn) moreInput() bool {
	l, n := &c.client, c.m.rand.IntN(100)
	if !l.said || len(l.input) > 3000 {
		return false
	}
	switch {
	case c.isMarked():
		l.invoked++
		l.input = fmt.Appendf(l.input, "#c%06d\n", l.invoked)
	case n < 70:
		l.invoked++
		text := fmt.Sprintf("#c%06d", l.invoked) + strings.Repeat("x", c.m.rand.IntN(1500))
		if n < 35 {
			l.says(invocationOf(l.protocol, text, "7"))
		} else {
			l.says(invocationOf(l.protocol, text, ""))
		}
	case n < 85 && c.saysAck():
	case n < 92:
		l.input = append(l.input, hubprotocol.AppendPing(nil, l.protocol)...)
		c.checked.mayPing = true
	case n < 95:
		l.input = append(l.input, hubprotocol.AppendClose(nil, l.protocol, "", false)...)
		c.why[CloseNormal], l.said = true, false
	case n < 97:
		l.input = append(l.input, "\x05garbage\x1e"...)
		c.why[CloseBadRequest], l.said = true, false
	default:
		l.input = append(l.input, invocationOf(l.protocol, strings.Repeat("x", modelLimits.MessageBytes), "")...)
		c.why[CloseBadRequest], l.said = true, false
	}
	return true
}

func invocationOf(protocol, target, id string) []byte {
	if protocol == hubprotocol.JSON {
		if id != "" {
			id = fmt.Sprintf(`"invocationId":%q,`, id)
		}
		return fmt.Appendf(nil, "{\"type\":1,%s\"target\":%q,\"arguments\":[]}\x1e", id, target)
	}
	body := []byte{0x95, 0x01, 0x80, 0xc0}
	if id != "" {
		body = []byte{0x95, 0x01, 0x80, 0xa1, id[0]}
	}
	body = append(append(body, 0xda, byte(len(target)>>8), byte(len(target))), target...)
	body = append(body, 0x90)
	if len(body) < 0x80 {
		return append([]byte{byte(len(body))}, body...)
	}
	return append([]byte{byte(len(body)&0x7f | 0x80), byte(len(body) >> 7)}, body...)
}

// say feeds a part of what the client has to say.
func (c *modelConn) say() bool {
	l := &c.client
	starts := c.isMarked() && !c.comings.started
	switch {
	case c.reader.feeding, len(l.input) == 0 && !starts, c.kind.webSocket() && (c.closed || c.reader.deaf):
		return false
	case c.ended && !c.m.chance(10): // a POST that had found the connection before it ended
		return false
	case c.isMarked():
		return c.sayMarked()
	case c.isNumbered() && l.on != c.modelTransport:
		return false // it waits for the next transport
	}
	n := len(l.input)
	if c.m.chance(50) {
		n = 1 + c.m.rand.IntN(n)
	}
	data := slices.Clone(l.input[:n])
	l.input = l.input[n:]
	if l.early += n; !c.session.accepted && l.early > modelLimits.MessageBytes && c.m.plane != nil {
		c.why[CloseBadRequest] = true // it cannot have been told yet that it may speak
	}
	c.feed(data)
	return true
}

// goesOn lets a parked reader go on.
func (c *modelConn) goesOn(how parkResult) bool {
	c.m.running = c
	moved := c.unpark(how)
	c.m.readers()
	return moved
}

// waits reports whether the reader waits for its session.
func (c *modelConn) waits() bool { return c.reader.feeding && c.reader.parked == nil }

// send is a message of somebody to somebody.
func (m *model) send() bool {
	m.number++
	key := fmt.Sprintf("#m%06d", m.number)
	sizes := []int{10, 100, 1000, 1000, 3000}
	text := key + strings.Repeat("x", sizes[m.rand.IntN(len(sizes))])
	forms := map[string][]byte{hubprotocol.JSON: invocationOf(hubprotocol.JSON, text, "")}
	if m.chance(30) {
		forms = map[string][]byte{hubprotocol.MessagePack: invocationOf(hubprotocol.MessagePack, text, "")}
	}
	if m.chance(90) {
		forms[modelMarked] = modelRecord(m.chance(80), key, text[len(key):])
	}
	frames, err := hubprotocol.NewFrames(forms)
	if err != nil {
		panic(err)
	}
	m.keys[frames] = key
	_, _ = m.g.Do(context.Background(), &Command{Hub: modelHub, Verb: VerbSend, Target: m.target(), Frames: frames}) // refused while too much waits
	return true
}

func (m *model) target() Target {
	someone := fmt.Sprint("id", m.rand.IntN(4))
	switch m.rand.IntN(5) {
	case 0, 1:
		return Target{Kind: TargetAll}
	case 2:
		return Target{Kind: TargetConnections, IDs: []string{someone, "id0"}[:1]}
	case 3:
		return Target{Kind: TargetUsers, IDs: []string{fmt.Sprint("user", m.rand.IntN(2))}}
	}
	if m.chance(50) {
		return Target{Kind: TargetGroups, IDs: []string{"g", "standing"}}
	}
	return Target{Kind: TargetAll, Except: []string{someone}}
}

// answer is a record for one client.
func (c *modelConn) answer() bool {
	if c.session.opened == 0 {
		return false
	}
	c.m.number++
	if c.isMarked() {
		key := fmt.Sprintf("#m%06d", c.m.number)
		c.conn.Send(modelRecord(c.m.chance(30), key, strings.Repeat("x", c.m.rand.IntN(300))))
		return true
	}
	c.conn.Send(invocationOf(c.client.protocol, fmt.Sprintf("#m%06d", c.m.number)+strings.Repeat("x", c.m.rand.IntN(300)), ""))
	return true
}

// open is the application's answer to the handshake, from another goroutine than the reader.
func (c *modelConn) open() bool {
	switch {
	case c.session.opened == 0:
		return false
	case c.isMarked():
		c.conn.Open(modelInit)
		return true
	case c.session.speaker != ApplicationSpeaks:
		return false
	}
	c.conn.Open([]byte("{}\x1e"))
	return true
}

// goOn does what a connection does in the end if nothing keeps it.
func (c *modelConn) goOn() bool {
	moved := c.goesOn(parkGo)
	c.session.full = false
	if c.waits() {
		c.conn.Resume()
		c.m.readers()
		moved = true
	}
	if c.conn.life.state() <= announced && c.session.opened > 0 {
		moved = c.open() || moved
	}
	if c.comings != nil {
		moved = c.returnsInTheEnd() || moved
	}
	if c.conn.life.state() == greeting && len(c.client.input) == 0 && c.client.said && c.client.on == c.modelTransport {
		c.client.input = hubprotocol.AppendPing(nil, c.client.protocol)
		c.checked.mayPing = true
	}
	data := c.raw.drain()
	c.arrived(data)
	for _, did := range []bool{len(data) > 0, c.pumpStep(64<<10, false), c.say(), c.readerLeaves()} {
		moved = did || moved
	}
	if c.kind == kindPolling && !c.pump.polling && c.conn.out.writer == writerPump || c.pump.goodbye {
		moved = c.poll() || moved
	}
	return moved
}
