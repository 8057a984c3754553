package cluster

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/logsum"
)

// tickEvery is how exactly links know the time.
const tickEvery = 50 * time.Millisecond

// Backplane is one node's view of the cluster: the gateway.Backplane of one gateway, with all
// abilities that one may have. Make one with New. All methods may be called concurrently, and none of them waits for
// other nodes but Join and the leave that it returns.
type Backplane struct {
	opts   Options
	keys   keys
	cfg    *linkConfig
	filter *ownFilter
	began  time.Time
	node   gateway.Node // set by Join
	// handler answers what other nodes forward.
	handler atomic.Pointer[http.Handler]

	members   members
	questions questions
	counted   counted
	talks     talks
	begun     [gateway.Topics]atomic.Bool // there is somebody, or was, who hears of the topic
	numbering numbering

	life life
}

// numbering makes all peers get commands in the order of their numbers.
type numbering struct {
	mu   sync.Mutex
	last uint64
}

// life is how a node ends.
type life struct {
	closeCarrier func()
	stop         chan struct{} // closed when the node leaves
	stopOnce     sync.Once
	// leaving ends when requests for other nodes are to end.
	leaving context.Context
	leave   context.CancelFunc
	failed  chan error // has one error at most
	wg      sync.WaitGroup
}

// counted is what happened, for Stats.
type counted struct {
	malformed, ignored, strangers atomic.Uint64

	mu sync.Mutex
	// former are the books of peers that are not known any more.
	former PeerBooks
	lines  *logsum.Lines[seldom]
}

// seldom is something that may happen again and again, and is logged once a minute.
type seldom struct{ text, node string }

func (b *Backplane) logSeldom(what seldom, times uint64) {
	b.opts.Logger.Warn(what.text, "node", what.node, "again", times)
}

var (
	_ gateway.Asker     = (*Backplane)(nil)
	_ gateway.Finder    = (*Backplane)(nil)
	_ gateway.Announcer = (*Backplane)(nil)
	_ gateway.Admitter  = (*Backplane)(nil)
	_ Loaded            = (*gateway.Gateway)(nil)
)

// New makes the backplane of one node. Nothing happens before Join.
func New(o Options) (*Backplane, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	b := &Backplane{opts: o, began: time.Now()}
	b.life.stop, b.life.failed = make(chan struct{}), make(chan error, 1)
	b.life.leaving, b.life.leave = context.WithCancel(context.Background())
	var err error
	if b.keys, err = newKeys(o.Secret, o.Previous); err != nil {
		return nil, err
	}
	b.filter = newOwnFilter(&b.keys, o.Everything)
	b.cfg = &linkConfig{frame: o.Limits.Frame, queue: o.Limits.Queue, keys: b.keys.proofs}
	b.cfg.hello = hello{versions: ourVersions, cluster: o.Cluster, from: NewInc(o.Tag),
		about: about{frame: uint64(o.Limits.Frame), filterKey: b.keys.filterID, software: o.Software}}
	b.counted.lines = logsum.New(b.logSeldom)
	b.counted.former.Dropped = make(map[DropReason]uint64)
	b.filter.onLate = func(p *filterPeer) { b.counted.lines.Note(seldom{"a node does not acknowledge announcements", p.name}) }
	b.members.init(b)
	b.questions.init(o.Limits.Answer)
	return b, nil
}

// Self returns this incarnation of the node.
func (b *Backplane) Self() Inc { return b.cfg.hello.from }

// now is the time of links: since the node was made, which only goes forward.
func (b *Backplane) now() time.Duration { return time.Since(b.began) }

// Join implements gateway.Backplane. It waits a moment for the word that the name is in use, and
// fails with ErrNameInUse then. A node joins once.
func (b *Backplane) Join(n gateway.Node) (leave func(), err error) {
	if n.Name() != b.opts.Tag {
		return nil, fmt.Errorf("cluster: the node %q joins as %q", n.Name(), b.opts.Tag)
	}
	b.node = n
	b.cfg.packet = min(b.opts.Limits.Packet, b.opts.Carrier.Limit())
	if b.cfg.packet < minPacket {
		return nil, fmt.Errorf("cluster: packets of %d bytes are too small", b.cfg.packet)
	}
	if b.life.closeCarrier, err = b.opts.Carrier.Open(b.Self(), b.receive); err != nil {
		return nil, err
	}
	b.life.wg.Go(b.run)
	settled := time.NewTimer(b.opts.Limits.Settle)
	defer settled.Stop()
	select {
	case <-settled.C:
		b.members.settled.Store(true)
		return sync.OnceFunc(b.leave), nil
	case err := <-b.life.failed:
		b.leave()
		return nil, err
	}
}

// run lets time go by for everything.
func (b *Backplane) run() {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	var second time.Duration
	for {
		now := b.now()
		b.members.tick(now)
		if now-second >= time.Second {
			second = now
			b.filter.clearUnused()
			b.tellLoad()
		}
		select {
		case <-ticker.C:
		case <-b.life.stop:
			return
		}
	}
}

// fail ends the node: it must not go on.
func (b *Backplane) fail(err error) {
	select {
	case b.life.failed <- err:
		if b.members.settled.Load() {
			b.opts.Logger.Error("this node has to leave the cluster", "error", err)
			go b.opts.Ended(err) // which may make the node leave
		}
	default: // it has failed before
	}
}

// leaveWithin bounds how long a node that leaves waits for its peers to get what was sent to them.
const leaveWithin = time.Second

// leave says Bye to all peers, and ends everything.
func (b *Backplane) leave() {
	drained := time.NewTicker(tickEvery / 10)
	for end := time.Now().Add(leaveWithin); b.members.waiting() && time.Now().Before(end); {
		<-drained.C
	}
	drained.Stop()
	b.life.stopOnce.Do(func() { close(b.life.stop) })
	b.life.leave()
	b.members.leave()
	b.life.wg.Wait()
	b.life.closeCarrier()
	b.filter.close()
	b.questions.close()
	b.counted.lines.Close()
}

// Announce says that the node has receivers for names. Done is called once when all peers know
// that, or after five seconds without those who are heard and do not acknowledge, or at once; from any goroutine. Until
// then commands for a name may not come. What is announced several times has to be withdrawn as
// often.
func (b *Backplane) Announce(names []Name, done func()) { b.filter.announce(names, done) }

// Withdraw takes names back. Commands for them may go on coming for a second.
func (b *Backplane) Withdraw(names []Name) { b.filter.withdraw(names) }

// Publish implements gateway.Backplane. An error that is gateway.ErrHubBusy says that the command
// was dropped for a peer for which too much waits.
func (b *Backplane) Publish(_ context.Context, to []string, cmd *gateway.Command) error {
	return b.hand(b.route(to, cmd), 0, nil)
}

// receive is called by the carrier.
func (b *Backplane) receive(from Inc, packet []byte) {
	switch {
	case from == b.Self():
	case from.Tag == b.opts.Tag && len(packet) > 1 && packetKind(packet[1]) == packetBye:
		b.receiveNamesake(packet)
	case packet == nil:
		if p := b.members.get(from); p != nil {
			p.absent()
		}
	case len(packet) > 1 && packetKind(packet[1]) == packetHello:
		b.receiveHello(from, packet)
	default:
		if p := b.members.peer(from); p != nil {
			p.receive(packet)
		}
	}
}

func (b *Backplane) receiveHello(from Inc, packet []byte) {
	h, proven, err := parseHello(packet, b.keys.proofs)
	switch {
	case err != nil || h.from != from || h.to != (Inc{}) && h.to != b.Self():
		b.counted.malformed.Add(1)
	case !proven || h.cluster != b.opts.Cluster:
		b.counted.strangers.Add(1)
		b.counted.lines.Note(seldom{"a node of another cluster, or with another secret, is refused", from.String()})
		if h.to == b.Self() {
			b.refuse(from, ByeCluster)
		}
	default:
		b.members.hello(&h)
	}
}

// receiveNamesake takes the Bye of a node that has the same name.
func (b *Backplane) receiveNamesake(packet []byte) {
	_, r, err := cutPacket(packet)
	var said bye
	if err != nil || said.read(&r) != nil {
		b.counted.malformed.Add(1)
		return
	}
	if said.why == ByeNameInUse {
		b.fail(ErrNameInUse)
	}
}

// refuse tells a node, once, that there will be no session.
func (b *Backplane) refuse(to Inc, why ByeReason) {
	bye := bye{why: why}
	b.members.send(to, bye.append(nil))
}
