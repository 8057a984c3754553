package servermode

import (
	"bytes"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// handing is a client of a server connection of this node that is handed over from one owner to another
// (handover.go). It takes the client's place in the table from the point where this node cuts its stream
// until it is known who has the client. What the hub server says meanwhile goes to both owners: the
// next one keeps it, and the former one too, in case that the hand-over fails.
type handing struct {
	sc     *serverConn
	id     string
	number uint64 // of the hand-over
	// former is the client as it was: a session, a remoteClient, whose way to the former owner is way, or
	// another handing, if the former owner has not yet said that it has the client. The client table's
	// lock guards both.
	former attached
	way    *clientWay
	// next is the next owner, nil if that is this node.
	next *peerLink
	// said counts the bytes. over is closed when it is known who has the client.
	said atomic.Int64
	over chan struct{}

	mu sync.Mutex
	// done: it is known. isGiven: the former owner has it no more. nextGone: the next one never will.
	done, isGiven, nextGone bool
	timer                   *time.Timer
}

// adoptTime is how long the next owner of a client may take to say that it has it, when the former one
// has it no more.
const adoptTime = 10 * time.Second

// overTime is longer than any hand-over takes. A node may be told of one that is over already, and then it
// hears no more of it: the client has stayed.
const overTime = 30 * time.Second

// handingTable holds the clients on server connections of this node that are handed over, by the number
// of the hand-over.
type handingTable struct {
	mu   sync.Mutex
	list map[uint64]*handing
}

func (t *handingTable) add(h *handing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.list == nil {
		t.list = make(map[uint64]*handing)
	}
	t.list[h.number] = h
}

func (t *handingTable) get(number uint64) *handing {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list[number]
}

func (t *handingTable) remove(h *handing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.list, h.number)
}

// nodeGone follows the end of a node: it neither has clients nor takes them over.
func (t *handingTable) nodeGone(l *peerLink) {
	t.mu.Lock()
	list := slices.Collect(maps.Values(t.list))
	t.mu.Unlock()
	for _, h := range list {
		switch {
		case h.next == l:
			h.giveUp()
		case h.isOf(l):
			h.given()
		}
	}
}

// given notes that the owner has given the client to another node. Of that this node should have heard
// before; if it has not, something would be missing in what the hub server has said.
func (rc *remoteClient) given(by *peerLink, number uint64) {
	if rc.sc.clients.handing(rc.id) != nil {
		return
	}
	if w := rc.way.Load(); w.link != by || w.number != number {
		return // the next owner has just said that it has the client
	}
	if rc.sc.clients.leave(rc.id, rc, false) {
		rc.forget()
		rc.sc.loseClient(rc.id)
	}
}

// isOf reports whether the former owner is that node.
func (h *handing) isOf(l *peerLink) bool {
	former, way := h.sc.clients.formerOf(h)
	earlier, ok := former.(*handing)
	return way != nil && way.link == l || ok && earlier.next == l
}

// rc returns the client as it was, if its former owner was another node that has said that it has it.
func (h *handing) rc() *remoteClient {
	former, _ := h.sc.clients.formerOf(h)
	rc, _ := former.(*remoteClient)
	return rc
}

// Switch implements gateway.Follower.
func (b *Backend) Switch(s gateway.Switching) {
	var next *peerLink
	if s.To != b.opts.Node {
		if next = b.peers.named(s.To); next == nil {
			return // it does not adopt the client either
		}
	}
	for _, sc := range b.conns.all() {
		h := &handing{sc: sc, id: s.ID, number: s.Number, next: next, over: make(chan struct{})}
		b.peers.handings.add(h) // first: as soon as it is in the client's place, it may end
		if h.begin(s.From) {
			h.expectEnd()
			return
		}
		b.peers.handings.remove(h)
	}
}

// begin takes the place of the client of an owner. It reports false if there is none.
func (h *handing) begin(owner string) bool {
	for {
		entry := h.sc.clients.current(h.id)
		if !h.follows(entry, owner) {
			return false
		}
		if h.sc.clients.replace(h.id, entry, h) { // else it has just become known who has it
			if earlier, ok := entry.(*handing); ok && h.former != entry {
				earlier.end()
			}
			return true
		}
	}
}

// follows finds what was the client until now. It reports false if that is none of its owner.
func (h *handing) follows(entry attached, owner string) bool {
	h.former, h.way = entry, nil
	switch former := entry.(type) {
	case *session:
		return owner == h.sc.b.opts.Node
	case *remoteClient:
		h.way = former.way.Load()
		return owner == h.way.link.Name()
	case *handing:
		if owner == former.to() {
			return true // which has not yet said so
		}
		// That hand-over has failed, and we have not heard of it yet.
		earlier, _ := h.sc.clients.formerOf(former)
		return h.follows(earlier, owner)
	}
	return false
}

// to is the tag of the next owner.
func (h *handing) to() string {
	if h.next == nil {
		return h.sc.b.opts.Node
	}
	return h.next.Name()
}

// Over implements gateway.Follower.
func (b *Backend) Over(number uint64, moved bool) {
	h := b.peers.handings.get(number)
	switch {
	case h == nil:
	case moved:
		h.given()
	default:
		h.sc.clients.resolve(h, nil, nil)
		h.end()
	}
}

// expectEnd takes the client for one that stays if nothing more is heard of the hand-over.
func (h *handing) expectEnd() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.done && !h.isGiven {
		h.timer = time.AfterFunc(overTime, h.expire)
	}
}

func (h *handing) expire() {
	h.mu.Lock()
	unknown := !h.done && !h.isGiven
	if unknown {
		h.endLocked()
	}
	h.mu.Unlock()
	if unknown {
		h.sc.clients.resolve(h, nil, nil)
	}
}

// end ends the hand-over. It reports false if that was done before.
func (h *handing) end() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done {
		return false
	}
	h.endLocked()
	return true
}

func (h *handing) endLocked() {
	h.done = true
	if h.timer != nil {
		h.timer.Stop()
	}
	close(h.over)
	h.sc.b.peers.handings.remove(h)
}

// given notes that the former owner has the client no more. If the next one does not say that it has it,
// nobody has.
func (h *handing) given() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done || h.isGiven {
		return
	}
	h.isGiven = true
	wait := adoptTime
	if h.nextGone {
		wait = 0
	}
	if h.timer != nil {
		h.timer.Stop()
	}
	h.timer = time.AfterFunc(wait, h.lose)
}

// giveUp notes that the next owner is gone.
func (h *handing) giveUp() {
	h.mu.Lock()
	h.nextGone = true
	lost := h.isGiven
	h.mu.Unlock()
	if lost {
		h.lose()
	}
}

// lose tells the hub server that nobody has the client.
func (h *handing) lose() {
	if !h.end() {
		return
	}
	if rc := h.rc(); rc != nil {
		rc.forget()
	}
	if h.sc.clients.removeHanding(h) {
		h.sc.loseClient(h.id)
	}
}

// say tells both owners what the hub server has said: a message as it is told to an owner, without its
// session. Called in order with the commands of this node.
func (h *handing) say(op peerOp, payload []byte) {
	h.said.Add(int64(len(payload)))
	own := bytes.Clone(payload)
	b := h.sc.b
	switch former, way := h.sc.clients.formerOf(h); former := former.(type) {
	case *session:
		b.keepOrDo(h, len(own), func(aside gateway.Aside) { former.heard(h.sc, op, own, aside) })
	case *handing:
		former.say(op, payload)
	case *remoteClient:
		if op == opAnswer {
			way.link.Send(append([]byte{byte(op)}, payload...))
			break
		}
		way.link.Send(append(appendSession(make([]byte, 0, len(payload)+sessionRoom), op, true, way.number), payload...))
	}
	if h.next != nil {
		frame := fields.AppendText(fields.AppendText([]byte{byte(opAfter)}, h.hub()), h.id)
		h.next.Send(append(append(frame, byte(op)), payload...))
		return
	}
	b.keepOrDo(h, len(own), func(aside gateway.Aside) {
		if s, _ := b.sessionOf(h.id); s != nil {
			s.heard(h.sc, op, own, aside)
		}
	})
}

func (h *handing) hub() string { return h.sc.peer.homes[0] }

// keepOrDo does something about a client of this node when this node has it for certain. Called in order
// with the commands of this node.
func (b *Backend) keepOrDo(h *handing, size int, do func(gateway.Aside)) {
	if !b.gw.Keep(h.hub(), h.id, "", size, do) {
		do(inTurn)
	}
}

// inTurn is a gateway.Aside for what is not kept.
func inTurn(send func()) { send() }

// receive implements attached. It waits for the end of the hand-over if much was said meanwhile.
func (h *handing) receive(sc *serverConn, _ *sp.ConnectionData) (taken bool) {
	taken = sc.inOrder(func() { h.say(opData, sc.reader.body) })
	if taken && h.said.Load() > sessionCredit {
		sc.waitUntil(h.over)
	}
	return taken
}

// closeByServer implements attached.
func (h *handing) closeByServer(_ hubServer, text string) {
	h.say(opClose, append([]byte{byte(whyServer)}, text...))
}

// openAgain implements attached.
func (h *handing) openAgain(hubServer) { h.say(opClose, []byte{byte(whyDuplicate)}) }

// serverLost implements attached.
func (h *handing) serverLost(lost hubServer, why End) {
	former, _ := h.sc.clients.formerOf(h)
	former.serverLost(lost, why)
	h.end()
}

// sweepMove implements attached.
func (*handing) sweepMove(time.Duration) bool { return false }

// heardAdopt takes the word that the peer has a client now.
func (l *peerLink) heardAdopt(r *fields.Reader) error {
	session, number, id := r.Number(), r.Number(), r.Text(maxPeerText)
	if err := malformed(r); err != nil || len(r.Rest) > 0 {
		return errPeer
	}
	sc := l.b.peers.server(number)
	if sc == nil {
		l.tellClient(session, whyLost, "")
		return nil
	}
	h := sc.clients.handedTo(id, l)
	if h == nil || !h.end() {
		sc.refuseAdoption(l, session, id)
		return nil
	}
	rc := h.rc()
	if rc != nil {
		rc.forget()
	} else {
		rc = &remoteClient{sc: sc, id: id}
	}
	if !l.enter(rc, session, number) {
		if sc.clients.removeHanding(h) {
			sc.loseClient(id)
		}
		return nil
	}
	if !sc.clients.resolve(h, rc, rc.way.Load()) {
		rc.forget()
		l.tellClient(session, whyLost, "")
		return nil
	}
	rc.park(false)
	return nil
}

// refuseAdoption ends a client of which this node has not heard in time that it is handed over: something
// would be missing in what the hub server has said.
func (sc *serverConn) refuseAdoption(l *peerLink, session uint64, id string) {
	c := sc.clients.get(id)
	if c == nil {
		l.tellClient(session, whyLost, "")
		return
	}
	if rc, ok := c.(*remoteClient); ok {
		rc.forget()
	}
	sc.clients.leave(id, c, false)
	l.tellClient(session, whyBehind, "")
	sc.out.put(&sp.CloseConnection{ConnectionID: id, Error: "The gateway node of the client was not reached."})
}

// adoptHere makes a client that was handed over one of this node again, on a server connection of it.
// False means that the hub server has lost it.
func (sc *serverConn) adoptHere(s *session) bool {
	h := sc.clients.handedTo(s.id(), nil)
	if h == nil || !h.end() {
		return false
	}
	if rc := h.rc(); rc != nil {
		rc.park(true) // nobody waits for credit any more
		rc.forget()
	}
	if s.state == stateClosed { // the hub server has ended it meanwhile
		sc.clients.removeHanding(h)
		return true
	}
	return sc.clients.resolve(h, s, nil)
}

// heardAfter takes what a hub server of the peer says about a client that is handed over to this node.
func (l *peerLink) heardAfter(r *fields.Reader) error {
	hub, id := r.Text(maxPeerText), r.Text(maxPeerText)
	op := peerOp(r.Uvarint(uint64(opAfter)))
	if r.Failed || op != opData && op != opClose && op != opAnswer {
		return errPeer
	}
	own := bytes.Clone(r.Rest)
	do := func(aside gateway.Aside) {
		if s, _ := l.b.sessionOf(id); s != nil {
			s.heard(nil, op, own, aside)
		}
	}
	l.b.gw.InOrder(func() {
		if !l.b.gw.Keep(hub, id, l.Name(), len(own), do) {
			do(inTurn)
		}
	})
	return nil
}
