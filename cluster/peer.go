package cluster

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// peer is another node, in one incarnation.
type peer struct {
	b   *Backplane
	inc Inc

	// filter is for which names it has receivers, crowded are the hubs that are over their bound
	// there. Producers ask them.
	filter  theirFilter
	crowded atomic.Pointer[map[string]bool]
	// waits: something was queued for it that is not sent yet. Only then its link may be full.
	waits atomic.Bool
	// streams are requests that one of the two nodes has the other one answer. stuck: one of them
	// waits for room on the link.
	streams streams
	stuck   atomic.Bool

	// turn is held while something that happened is carried out, so that it is done in order:
	// carriers call one at a time, but time goes by as well. Nothing that waits is called meanwhile.
	turn sync.Mutex
	hears

	mu      sync.Mutex // guards what follows
	link    *link
	writing bool // a goroutine sends what the link has to say
	closed  bool
	// examined: a goroutine finds out whether the process has ended.
	examined bool
}

// hears is what the peer is told in this session. Guarded by peer.turn.
type hears struct {
	// ear is how announcements are sent; nil without a session.
	ear *filterPeer
	// acked is the last Filter frame that the peer has in force, told the last Load frame.
	acked uint64
	told  []byte
	// talks are the conversations, by topic; nil without a session or without a handler.
	talks [gateway.Topics]*talk
	// early is what the peer said to parts of this node that have not begun.
	early [gateway.Topics]early
}

func newPeer(b *Backplane, inc Inc) *peer {
	return &peer{b: b, inc: inc, link: newLink(inc, b.cfg)}
}

// do changes the link, carries out what that makes happen, and sends what is to be said.
func (p *peer) do(change func(l *link, now time.Duration) event) {
	p.turn.Lock()
	defer p.turn.Unlock()
	now := p.b.now()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	happened := change(p.link, now)
	frames := p.link.taken()
	p.mu.Unlock()
	p.follow(happened)
	p.carryOut(frames, now)
	p.kick()
}

func (p *peer) receive(packet []byte) {
	p.do(func(l *link, now time.Duration) event { return l.heard(packet, now) })
}

func (p *peer) hello(h *hello) {
	p.do(func(l *link, now time.Duration) event { return l.heardHello(h, now) })
}

func (p *peer) tick() {
	p.do(func(l *link, now time.Duration) event { return l.tick(now) })
	if now := p.b.now(); now >= earlyFor && now < earlyFor+time.Second {
		p.forgetEarly()
	}
	if p.stuck.Load() && !p.full(0) {
		p.stuck.Store(false)
		p.roomy()
	}
}

// linkFull reports whether streams have to wait for room on the link.
func (p *peer) linkFull() bool {
	full := p.full(0)
	if full {
		p.stuck.Store(true)
	}
	return full
}

// absent notes that the carrier says that the node is not there.
func (p *peer) absent() {
	p.do(func(l *link, now time.Duration) event {
		l.absent()
		return l.tick(now)
	})
	p.examine()
}

// follow does what a change of the session asks for.
func (p *peer) follow(happened event) {
	if happened&lost != 0 {
		p.lost()
	}
	if happened&refused != 0 {
		p.refused()
	}
	if happened&opened != 0 {
		p.mu.Lock()
		p.filter.foreign.Store(p.link.their.hello.filterKey != p.b.keys.filterID)
		p.mu.Unlock()
		p.acked = 0
		p.ear = &filterPeer{name: p.inc.String(), push: func(frame []byte) { p.push(frameFilter, frame) }}
		p.b.filter.subscribe(p.ear)
		p.beginTalks()
	}
}

// lost ends all that belonged to the session.
func (p *peer) lost() {
	if p.ear != nil {
		p.b.filter.unsubscribe(p.ear)
		p.ear, p.told = nil, nil
	}
	was := p.filter.inForce.Load() != nil
	p.filter.forget()
	p.crowded.Store(nil)
	if was {
		p.b.opts.Logger.Warn("a node is gone", "node", p.inc.String())
	}
	p.b.members.changed()
	p.b.questions.gone(p)
	p.streams.lost()
	p.endTalks()
}

// refused follows a Bye.
func (p *peer) refused() {
	p.mu.Lock()
	why := p.link.their.bye
	p.mu.Unlock()
	switch why {
	case ByeLeaving:
		p.b.members.left(p)
	case ByeNameInUse:
		p.b.fail(ErrNameInUse)
	default:
		p.b.opts.Logger.Warn("no session with a node", "node", p.inc.String(), "reason", string(why))
	}
}

// carryOut does what frames say, and acknowledges them.
func (p *peer) carryOut(frames []frame, now time.Duration) {
	seq := uint64(0)
	var err error
	for _, f := range frames {
		filter := uint64(0)
		if filter, err = p.carryOutOne(f); err != nil {
			break
		}
		seq = max(seq, filter)
	}
	busy := p.b.busy()
	happened := event(0)
	p.mu.Lock()
	if err != nil {
		happened = p.link.fail(err, now)
	} else {
		p.link.carriedOut(seq, busy)
	}
	acked := p.link.their.filter
	p.mu.Unlock()
	p.follow(happened)
	if p.ear != nil && acked > p.acked {
		p.acked = acked
		p.b.filter.acknowledged(p.ear, acked)
	}
}

func (p *peer) carryOutOne(f frame) (filter uint64, err error) {
	switch f.kind {
	case frameCommand:
		return 0, p.command(f.body)
	case frameAnswer:
		return 0, p.answer(f.body)
	case frameFilter:
		first := p.filter.inForce.Load() == nil
		filter, err = p.filter.take(f.body)
		if first && filter > 0 {
			p.b.opts.Logger.Info("a node is up", "node", p.inc.String())
			p.b.members.changed()
		}
		return filter, err
	case frameMembers:
		return 0, p.members(f.body)
	case frameLoad:
		return 0, p.load(f.body)
	case frameHTTP:
		return 0, p.http(f.body)
	}
	if about := slices.Index(topicFrames[:], f.kind); about >= 0 {
		return 0, p.talked(gateway.Topic(about), f.body)
	}
	if f.kind&frameIgnorable != 0 {
		p.b.counted.ignored.Add(1)
		return 0, nil
	}
	return 0, &unknownFrame{f.kind}
}

// push queues a frame that is no command. It does not wait.
func (p *peer) push(kind frameType, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link.push(kind, body)
	p.kickLocked()
}

// pushAll queues frames of one type, one right behind the other. It reports false without a session.
func (p *peer) pushAll(kind frameType, bodies [][]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link.state != open {
		return false
	}
	for _, body := range bodies {
		p.link.push(kind, body)
	}
	p.kickLocked()
	return true
}

// kick has sent what the link has to say.
func (p *peer) kick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kickLocked()
}

func (p *peer) kickLocked() {
	p.noteLocked()
	if p.writing || p.closed || !p.link.hasWork() {
		return
	}
	p.writing = true
	p.b.life.wg.Go(p.write)
}

// noteLocked notes whether something waits to be sent. Every change of the link is followed by it.
func (p *peer) noteLocked() {
	if waits := p.link.out.waiting > 0; waits != p.waits.Load() {
		p.waits.Store(waits)
	}
}

// packets are buffers for packets.
var packets = sync.Pool{New: func() any { return new([]byte) }}

// write sends packets until there is none to send.
func (p *peer) write() {
	buf := packets.Get().(*[]byte)
	defer packets.Put(buf)
	for {
		p.mu.Lock()
		*buf = p.link.produce((*buf)[:0], p.b.now())
		p.noteLocked()
		if p.writing = len(*buf) > 0; !p.writing {
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		_ = p.b.opts.Carrier.Send(p.inc, *buf) // what is lost is sent again
	}
}

// close ends the peer for this node. What was said is sent before.
func (p *peer) close(why ByeReason) {
	p.turn.Lock()
	defer p.turn.Unlock()
	now := p.b.now()
	p.mu.Lock()
	happened := event(0)
	if why != "" && p.link.state != idle {
		happened = p.link.end(why, now)
		p.kickLocked()
	}
	happened |= p.link.forget()
	p.buryLocked()
	p.mu.Unlock()
	p.follow(happened)
}
