package cluster

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/internal/counts"
)

// Periods of links. A peer is suspect when nothing was heard of it for suspectAfter, and gone after
// goneAfter: within five seconds, however exactly time is looked at.
const (
	pingEvery     = time.Second
	suspectAfter  = 3 * time.Second
	goneAfter     = 5*time.Second - 2*tickEvery
	helloEvery    = 250 * time.Millisecond
	probeAfter    = 250 * time.Millisecond // how long something is unacknowledged before it is asked about
	askAgainEvery = 100 * time.Millisecond
	creditAfter   = 50 * time.Millisecond // how long an acknowledgement may wait for company
	refusedFor    = time.Second           // how long a peer that was refused is left alone
	standstill    = time.Second           // how late time goes by at most in a process that runs
)

var errTooLarge = errors.New("cluster: a frame is too large")

// linkConfig is what all links of a node have in common.
type linkConfig struct {
	// hello is what the node says of itself.
	hello hello
	// packet is the size of the packets it makes, frame of the largest frame it takes.
	packet, frame int
	// queue bounds the bytes that wait behind the window.
	queue int
	// window bounds the bytes that are sent and not acknowledged.
	window atomic.Int64
	// sessions is the number of the newest session of this node.
	sessions atomic.Uint64
	// digest is that of the members as the node sees them.
	digest atomic.Uint64
	// keys prove a Hello.
	keys [][]byte
}

// piece is the most bytes of one unit.
func (c *linkConfig) piece() int { return c.packet - packetRoom - unitHead }

// linkState is what a link knows of its session.
type linkState uint8

const (
	// idle: there is none.
	idle linkState = iota
	// greeting: Hello is said until it is answered.
	greeting
	// open: both ends know both sessions.
	open
)

// event is what a packet, or time, made of a session. Several may come together, in this order.
type event uint8

const (
	// lost: the session is over, and with it all that was known by it.
	lost event = 1 << iota
	// refused: the peer said Bye; their.bye says why.
	refused
	// opened: a session has begun, and its first frames may be queued.
	opened
)

// link is one end of the sessions with one peer. It does nothing by itself: it is told what is
// heard and that time goes by, and produces packets when it is asked to. It is not safe for
// concurrent use.
//
// A session is a pair of numbers, one of each end. Either end may begin a new one at any time by a
// larger number, which ends the one before on the other end too: packets of it are late ones and
// are not looked at. In a session each end sends units 1, 2, 3 and so on. Who finds one missing,
// because a later one came or a Ping says that it was sent, has all from there on sent again.
type link struct {
	peer Inc
	cfg  *linkConfig
	session
	their their
	out   outgoing
	in    incoming
	wants wants
	clock linkClock
	books books
}

// session is what both ends call it.
type session struct {
	state linkState
	// mine and theirs are its numbers. newest is the largest of theirs that was ever heard.
	mine, theirs, newest uint64
	version              uint64
}

// their is what the peer said last.
type their struct {
	hello  hello
	began  time.Duration // by that, in the time of this node
	digest uint64        // of the members as it sees them
	filter uint64        // the last Filter frame of ours that is in force there, in this session
	bye    ByeReason
}

// wants are packets to be produced. Each is one of the newest state, however often it is wanted.
type wants struct {
	bye                              *bye
	hello, ping, pong, credit, again bool
	pongTime                         uint64
}

// linkClock is when things happened last, in the time of the node.
type linkClock struct {
	heard, begun, pinged, greeted time.Duration
	answered                      time.Duration // with a packet of the session
	notBefore                     time.Duration // the peer was refused, or refused us
	ticked                        time.Duration // time went by
	// absent: the carrier has said that the peer is not there since it was heard.
	absent    bool
	roundTrip time.Duration
}

// books are of commands: handed = acknowledged + dropped + queued, where what is queued waits to be
// sent, is sent, or is doubtful.
type books struct {
	handed, acknowledged uint64
	dropped              *counts.Counts[DropReason]
	// received are commands from the peer.
	received uint64
	// doubtful commands were sent in a session that is over, and the peer has not said yet whether
	// they came. doubt is that session.
	doubtful uint64
	doubt    doubt
	// past is what came in the session before.
	past past
}

// doubt is a session that ended with commands that were sent and not acknowledged.
type doubt struct {
	mine, theirs uint64
	acknowledged uint64 // in that session
}

func newLink(peer Inc, cfg *linkConfig) *link {
	l := &link{peer: peer, cfg: cfg}
	l.books.dropped = counts.New(dropReasons)
	l.out.init()
	return l
}

// greet begins a session, if the peer may be spoken to.
func (l *link) greet(now time.Duration) {
	if l.state != idle || now < l.clock.notBefore {
		return
	}
	l.state, l.mine = greeting, l.cfg.sessions.Add(1)
	l.clock.begun = now
	l.wants.hello = true
}

// reset ends the session, if there is one.
func (l *link) reset() (happened event) {
	if l.state == open {
		happened = lost
		l.books.past = past{l.theirs, l.in.commands}
	}
	sent, unsent := l.out.undone()
	l.books.dropped.Add(DropPeerLost, unsent)
	if sent > 0 {
		// There is no doubt from before: the session could not have opened without its end.
		l.books.doubtful, l.books.doubt = sent, doubt{l.mine, l.theirs, l.out.commands}
	}
	clear(l.out.units)
	l.out.init()
	l.in = incoming{}
	l.state, l.mine, l.theirs = idle, 0, 0
	l.their.filter, l.their.digest = 0, 0
	l.wants = wants{bye: l.wants.bye}
	return happened
}

// end says Bye and ends the session. The peer is left alone for a while.
func (l *link) end(why ByeReason, now time.Duration) event {
	l.wants.bye = &bye{mine: l.mine, yours: l.theirs, why: why}
	l.clock.notBefore = now + refusedFor
	return l.reset()
}

// forget ends the link for ever: what is in doubt is lost.
func (l *link) forget() event {
	happened := l.reset()
	l.settle(0)
	return happened
}

// settle ends the doubt: so many of the doubtful commands had arrived.
func (l *link) settle(arrived uint64) {
	arrived = min(arrived, l.books.doubtful)
	l.books.acknowledged += arrived
	l.books.dropped.Add(DropPeerLost, l.books.doubtful-arrived)
	l.books.doubtful = 0
}

// pushCommand queues a command: body, and tail behind it. It is in the books, whatever becomes of it.
func (l *link) pushCommand(body, tail []byte) (queued bool) {
	l.books.handed++
	switch {
	case l.state != open:
		l.books.dropped.Add(DropPeerLost, 1)
		return false
	case l.full(len(body) + len(tail)):
		l.books.dropped.Add(DropPeerBehind, 1)
		return false
	}
	l.out.push(frameCommand, body, tail, l.cfg.piece())
	return true
}

// miss counts a command that is not sent because the peer is gone.
func (l *link) miss() {
	l.books.handed++
	l.books.dropped.Add(DropPeerLost, 1)
}

// full reports whether a command of so many bytes would be dropped. An empty queue takes one of any
// size.
func (l *link) full(size int) bool {
	return l.out.waiting > 0 && l.out.total()+size > int(l.cfg.window.Load())+l.cfg.queue
}

// push queues a frame that is no command. Such frames are bounded by what they are about. Filter frames go before all
// that was not sent yet: clients wait for them to be acknowledged.
func (l *link) push(kind frameType, body []byte) {
	switch {
	case l.state != open:
	case kind == frameFilter:
		l.out.pushUrgent(kind, body, l.cfg.piece())
	default:
		l.out.push(kind, body, nil, l.cfg.piece())
	}
}

// tooLarge reports whether the peer would not take a frame of so many bytes.
func (l *link) tooLarge(size int) bool { return uint64(size) > l.their.hello.frame }
