package gateway

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// movedSession is all of a connection that another node needs to go on with it.
type movedSession struct {
	identity Identity
	protocol string
	// given, acked, received and heard are those of numbers.
	given, acked, received uint64
	heard, pinged          bool
	// misses: the store has not told the groups of the user yet.
	misses bool
	groups []movedGroup
	// kept are records that the client has not acknowledged, waiting are those behind them.
	kept    []keptRecord
	waiting [][]byte
	// backend is the state of the session, facts what the transport knows.
	backend, facts []byte
	// more: what follows is there. Nodes of before do not read it, and do not send it.
	more bool
	// age is how long the client has been connected, in nanoseconds; with it comes Identity.Token.
	age int64
}

// movedGroup is a membership.
type movedGroup struct {
	name           string
	direct, byUser bool
	until          time.Time
}

const (
	movedVersion = 1
	// maxSession bounds the session that a node takes: what may wait for a client, and more.
	maxSession = 96 << 20
)

const (
	movedHeard = 1 << iota
	movedPinged
	movedDiagnostic
	movedMisses
	movedFlags // the first that is none
)

const (
	movedDirect = 1 << iota
	movedByUser
	movedUntil
)

var errMovedSession = errors.New("gateway: a malformed session of another node")

func (s *movedSession) append(dst []byte) []byte {
	flags := byte(0)
	for i, on := range []bool{s.heard, s.pinged, s.identity.Diagnostic, s.misses} {
		if on {
			flags |= 1 << i
		}
	}
	dst = append(dst, movedVersion, flags)
	dst = appendIdentity(dst, &s.identity)
	dst = appendString(dst, s.protocol)
	for _, n := range []uint64{s.given, s.acked, s.received, uint64(len(s.groups))} {
		dst = binary.AppendUvarint(dst, n)
	}
	for i := range s.groups {
		dst = s.groups[i].append(dst)
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.kept)))
	for _, k := range s.kept {
		dst = appendBytes(binary.AppendUvarint(dst, uint64(k.at)), k.bytes)
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.waiting)))
	for _, w := range s.waiting {
		dst = appendBytes(dst, w)
	}
	dst = appendBytes(appendBytes(dst, s.backend), s.facts)
	if s.more {
		dst = appendString(binary.AppendUvarint(dst, uint64(max(s.age, 0))), s.identity.Token)
	}
	return dst
}

// append writes a membership. Its end is written as the time that remains.
func (g *movedGroup) append(dst []byte) []byte {
	flags := byte(0)
	for i, on := range []bool{g.direct, g.byUser, !g.until.IsZero()} {
		if on {
			flags |= 1 << i
		}
	}
	dst = appendString(append(dst, flags), g.name)
	if flags&movedUntil != 0 {
		dst = binary.AppendUvarint(dst, uint64(max(time.Until(g.until), 1)))
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendIdentity(dst []byte, id *Identity) []byte {
	for _, s := range []string{id.ID, id.Hub, id.HubName, id.User, id.Query, id.RemoteAddr} {
		dst = appendString(dst, s)
	}
	for _, claims := range [][]Claim{id.Claims, id.TokenClaims} {
		dst = binary.AppendUvarint(dst, uint64(len(claims)))
		for _, c := range claims {
			dst = appendString(appendString(dst, c.Type), c.Value)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(id.Headers)))
	for _, h := range id.Headers {
		dst = appendString(appendString(dst, h.Name), h.Value)
	}
	for _, t := range []time.Time{id.TokenExpires, id.CloseAt} {
		unix := int64(0)
		if !t.IsZero() {
			unix = t.UnixNano()
		}
		dst = binary.AppendVarint(dst, unix)
	}
	return binary.AppendUvarint(dst, uint64(max(id.HandshakeTimeout, 0)))
}

// parseMovedSession reads what append wrote, all of b, which belongs to the result.
func parseMovedSession(b []byte) (s *movedSession, err error) {
	if len(b) < 2 || b[0] != movedVersion || b[1] >= movedFlags {
		return nil, errMovedSession
	}
	s = &movedSession{heard: b[1]&movedHeard != 0, pinged: b[1]&movedPinged != 0}
	r := *newReader(b[2:])
	r.identity(&s.identity)
	s.identity.Diagnostic, s.misses = b[1]&movedDiagnostic != 0, b[1]&movedMisses != 0
	s.protocol = r.string()
	s.given, s.acked, s.received = r.Uvarint(1<<62), r.Uvarint(1<<62), r.Uvarint(1<<62)
	for range r.Count(1<<31-1, 2) {
		s.groups = append(s.groups, r.movedGroup())
	}
	at := s.given
	for range r.Count(1<<31-1, 2) {
		k := keptRecord{at: int64(r.Uvarint(1 << 62)), bytes: r.bytes()}
		r.Failed = r.Failed || uint64(k.at) < at
		at = uint64(k.at)
		s.kept = append(s.kept, k)
	}
	for range r.Count(1<<31-1, 1) {
		s.waiting = append(s.waiting, r.bytes())
	}
	s.backend, s.facts = r.bytes(), r.bytes()
	if s.more = len(r.Rest) > 0; s.more {
		s.age, s.identity.Token = int64(r.Uvarint(1<<62)), r.string()
	}
	if r.Failed || len(r.Rest) > 0 || s.identity.ID == "" || !hubprotocol.Supported(s.protocol) {
		return nil, errMovedSession
	}
	return s, nil
}

func (r *wireReader) identity(id *Identity) {
	for _, s := range []*string{&id.ID, &id.Hub, &id.HubName, &id.User, &id.Query, &id.RemoteAddr} {
		*s = r.string()
	}
	for _, claims := range []*[]Claim{&id.Claims, &id.TokenClaims} {
		for range r.Count(1<<31-1, 2) {
			*claims = append(*claims, Claim{Type: r.string(), Value: r.string()})
		}
	}
	for range r.Count(1<<31-1, 2) {
		id.Headers = append(id.Headers, Header{Name: r.string(), Value: r.string()})
	}
	for _, t := range []*time.Time{&id.TokenExpires, &id.CloseAt} {
		if unix := r.Varint(); unix != 0 {
			*t = time.Unix(0, unix)
		}
	}
	id.HandshakeTimeout = time.Duration(r.Uvarint(1<<63 - 1))
}

func (r *wireReader) movedGroup() (g movedGroup) {
	flags := byte(r.Uvarint(movedDirect | movedByUser | movedUntil))
	g.direct, g.byUser, g.name = flags&movedDirect != 0, flags&movedByUser != 0, r.string()
	if flags&movedUntil != 0 {
		g.until = time.Now().Add(time.Duration(r.Uvarint(1<<63 - 1)))
	}
	return g
}

// exportOp takes all that another node needs out of a connection, which is handed from then on.
type exportOp struct {
	conn   *Conn
	state  []byte
	misses bool
	more   bool
	done   chan []byte // nil says that the connection is ending
}

func (o *exportOp) apply(w *worker) {
	var session []byte
	defer func() { o.done <- session }()
	c := o.conn
	s := &movedSession{protocol: c.Protocol(), pinged: c.clocks.pinged.Load(), misses: o.misses, backend: o.state, more: o.more}
	if t, ok := c.transport.(MovingTransport); ok {
		s.facts = t.AppendFacts(nil)
	}
	for _, m := range c.place.groups {
		s.groups = append(s.groups, movedGroup{m.group.name, m.direct, m.byUser, m.until})
	}
	arrived, queued, ok := c.export(s, w)
	if !ok {
		return
	}
	books := &c.shard.books
	books.written.Add(uint64(arrived.deliveries))
	books.bytesOut.Add(uint64(arrived.bytes))
	books.queuedBytes.Add(int64(queued))
	session = s.append(nil)
}

// export takes out what is numbered, and what waits. queued is by how many bytes more is queued than
// before, as with a replaced transport.
func (c *Conn) export(s *movedSession, w *worker) (arrived waiting, queued int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.state() != away || c.life.cause != nil {
		return waiting{}, 0, false
	}
	b, before := c.back, c.out.queued.bytes
	s.identity = *c.Identity() // Renew changes nothing any more
	s.age = c.g.now() - c.born
	n := b.numbers
	again, arrived := n.again(&b.kept, s.protocol)
	c.out.anew(again, true, w.soft)
	*b = returning{kept: b.kept, generation: b.generation + 1, numbers: n, handed: true}
	c.out.unacked = c.unacked()
	s.given, s.acked, s.received, s.heard = n.given, n.acked, n.received.Load(), n.heard
	for i := range b.kept.size {
		s.kept = append(s.kept, *b.kept.at(i))
	}
	for _, r := range c.out.records {
		if !r.control && !r.again {
			s.waiting = append(s.waiting, r.Bytes)
		}
	}
	return arrived, c.out.queued.bytes - before, true
}

// deferred notes the end of a connection that is handed: whoever has it in the end ends it. It reports
// false for any other connection. Called with c.mu held.
func (c *Conn) deferred(cause Cause) bool {
	if c.back == nil || !c.back.handed {
		return false
	}
	if c.back.deferred == nil {
		c.back.deferred = &cause
	}
	return true
}

// stays makes a connection that was handed this node's again. It returns why it has to end.
func (c *Conn) stays() (cause *Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.back; b != nil {
		cause, b.handed, b.deferred = b.deferred, false, nil
	}
	return cause
}

// forgetMoved forgets a connection that another node has.
func (c *Conn) forgetMoved(node string) {
	c.mu.Lock()
	c.back.handed = false
	if !c.life.step(gone, c.g.now()) {
		c.mu.Unlock()
		return
	}
	c.life.ask(movedCause)
	c.life.turn = told
	c.out.release()
	session := c.life.session
	awaited := c.awaited
	c.awaited = nil
	c.mu.Unlock()

	for _, answered := range awaited {
		answered(Answer{}, endedBefore(movedCause))
	}
	c.endMeter()
	c.g.leave(&c.id)
	c.g.conns.moved(c, node)
	c.shard.worker.queue.push(&removeOp{conn: c})
	c.g.counts.closed.Add(CloseMoved, 1)
	c.Logger().Info("connection handed over", "node", node)
	c.g.opts.Observer.Closed(c, movedCause)
	if s, ok := session.(Mover); ok {
		s.Moved(node)
	}
}

// moved removes a connection that another node has: its id lives. The home of the id knows where.
func (r *registry) moved(c *Conn, node string) {
	s := r.stripe(c.id.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.id.ID] != c {
		return
	}
	delete(s.conns, c.id.ID)
	r.unreserve(c.id.Diagnostic)
	if of := c.g.opts.NodeOf; of != nil && of(c.id.ID) == c.g.opts.Node {
		s.entrustLocked(c.id.ID, node, c.id.TokenExpires)
	}
}
