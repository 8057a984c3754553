package gateway

import (
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"weak"
)

// Conn is one client connection. Its exported methods may be called from any
// goroutine. None of them blocks but Feed, Start and Record, Replace, which waits for
// the worker, and the first Announce or Open of a user's client, which asks for its
// memberships (UserGroups).
type Conn struct {
	// immutable
	g     *Gateway
	shard *hubShard // of its hub
	id    Identity
	// renewed is what Renew has made of it, nil before. Names, user and hub are the same in both.
	renewed atomic.Pointer[Identity]
	born    int64 // when the client connected, here or to the node that it came from, in the gateway's nanoseconds
	// back is nil if the transport cannot be replaced. It is made by Attach, or by the reader before the
	// application is asked, with mu held. What is in it is guarded by mu.
	back *returning

	// transport and channel change only when the transport is replaced, by the worker and with mu
	// held: the worker reads them without it. The channel is set by the reader before the
	// connection opens, with mu held too.
	transport Transport
	channel   channel

	place  placement // owned by the worker
	link   userLink  // guarded by its stripe of hub.users
	clocks clocks    // atomic
	// metered is nil while nobody counts what the client says. The reader makes it, and the end of the connection takes it.
	metered atomic.Pointer[metered]

	reader reader

	mu   sync.Mutex // guards what follows; never held during a call of somebody else
	life life
	out  outbox
	// awaited are those who wait for the client's answers, by invocation id; nil if nobody does.
	awaited map[string]Answered
}

// channel is how records reach the client.
type channel struct {
	lane *lane           // nil before the handshake
	raw  syscall.RawConn // nil: by the transport's pump only
	// spoken is what Protocol returns, which anybody may ask at any time. It is nil before the
	// handshake, and again if that is refused in a protocol that nobody knows.
	spoken atomic.Pointer[lane]
	// diverted is set for a moment by the worker: see doAside.
	diverted atomic.Pointer[diversion]
}

// lane is a protocol in a framing. There is one object for each, so that a fan-out
// compares pointers to find the bytes of a receiver.
type lane struct {
	protocol string
	framing  Framing // nil for connections that are written by their pump only
	manner   Manner  // nil if the core knows the protocol
}

// lanes are made on first use. Clients choose the names of protocols, so a lane lives only as long
// as a connection uses it.
var lanes sync.Map // of lane to weak.Pointer[lane]

func laneFor(want lane) *lane {
	for {
		if known, ok := lanes.Load(want); ok {
			if l := known.(weak.Pointer[lane]).Value(); l != nil {
				return l
			}
			lanes.CompareAndDelete(want, known)
		}
		l := &lane{strings.Clone(want.protocol), want.framing, want.manner}
		pointer := weak.Make(l)
		if _, other := lanes.LoadOrStore(*l, pointer); !other {
			runtime.AddCleanup(l, func(key lane) { lanes.CompareAndDelete(key, pointer) }, *l)
			return l
		}
	}
}

// placement is where fan-outs find a connection.
type placement struct {
	slot int32 // position in hubShard.conns, -1 if not there
	// arrived: announceOp has run. noted are changes of memberships that came before.
	arrived  bool
	noted    []notedVerb
	prepared *prepared // nil if there is nothing
	groups   []*member
	// byGroup finds members of groups by name; nil while there are few.
	byGroup map[string]*member
}

// clocks are what the sweeper looks at, in the gateway's nanoseconds.
type clocks struct {
	pinged    atomic.Bool // the client has ever pinged
	held      atomic.Bool // the reader waits for its session, see Storing
	lastRead  atomic.Int64
	lastWrite atomic.Int64 // see Conn.spoke
	detached  atomic.Int64 // since when nobody polls; 0 = somebody does
	probed    atomic.Int64 // when the transport was last told to probe
	heard     atomic.Int64 // when it last heard the peer, other than by Feed
}

// Heard says that the peer of a ProbingTransport gave a sign of life that is no data.
func (c *Conn) Heard() { c.clocks.heard.Store(c.g.now()) }

// Attach makes a connection on a transport. The client's handshake is expected
// through Feed. Errors: ErrDraining, ErrTooManyConnections, ErrTooManyHubs,
// ErrConnectionExists, ErrConnectionEnded, and an *Overrun of a Limiter.
func (g *Gateway) Attach(id Identity, t Transport) (*Conn, error) {
	if g.refusesClients() {
		return nil, ErrDraining
	}
	limits := g.opts.Limits()
	if err := g.conns.reserve(limits, g.quota.conns.Load(), id.Diagnostic); err != nil {
		return nil, err
	}
	h, err := g.hubs.acquire(id.Hub, limits.MaxHubs)
	if err != nil {
		g.conns.unreserve(id.Diagnostic)
		return nil, err
	}
	if l := g.limiter.Load(); l != nil {
		if err := l.Connect(id.Hub, id.User, false); err != nil {
			g.conns.unreserve(id.Diagnostic)
			g.hubs.release(h)
			return nil, err
		}
	}
	if err := g.enter(&id); err != nil {
		g.conns.unreserve(id.Diagnostic)
		g.hubs.release(h)
		return nil, err
	}
	now := g.now()
	c := &Conn{g: g, id: id, born: now, transport: t, place: placement{slot: -1}}
	if t.Abilities().Returns {
		c.back = new(returning)
	}
	c.life.since = now
	c.shard = &h.shards[int(g.next.Add(1))%len(h.shards)]
	c.clocks.lastRead.Store(now)
	c.clocks.lastWrite.Store(now)
	c.announceNames()
	if err := g.conns.add(c); err != nil {
		g.leave(&id)
		c.withdrawNames()
		g.conns.unreserve(id.Diagnostic)
		g.hubs.release(h)
		return nil, err
	}
	g.counts.opened.Add(1)
	if g.refusesClients() {
		// Drain may have listed the connections before this one was among them.
		c.Ended(reloadCause)
		return nil, ErrDraining
	}
	return c, nil
}

// Admit is what negotiate asks: the errors Attach would return for a new
// client, without reserving anything, and ErrFaultInjected.
func (g *Gateway) Admit(hub string, diagnostic bool) error {
	limits := g.opts.Limits()
	switch {
	case g.refusesClients():
		return ErrDraining
	case limits.MaxConnections > 0 && g.conns.count()+int(g.quota.conns.Load()) >= limits.MaxConnections:
		return ErrTooManyConnections
	case diagnostic && limits.MaxDiagnostic > 0 && int(g.conns.diagnostic.Load()) >= limits.MaxDiagnostic:
		return ErrTooManyConnections
	case !g.hubs.room(hub, limits.MaxHubs):
		return ErrTooManyHubs
	}
	return g.admitDespiteFaults(hub)
}

// Connections counts a hub's connections, those before their handshake included.
func (g *Gateway) Connections(hub string) int {
	if h := g.hubs.get(hub); h != nil {
		return int(h.live.Load())
	}
	return 0
}

// Each visits the live connections at this moment; no lock is held meanwhile.
func (g *Gateway) Each(visit func(*Conn)) { g.conns.each(visit) }

// Lookup returns the live connection with the id, or whether the id is known
// to be dead: its connection has ended or is ending.
func (g *Gateway) Lookup(id string) (c *Conn, ended bool) { return g.conns.lookup(id) }

// Identity returns who the connection belongs to; the result must not be changed. It is another one
// after Renew, with the same names.
func (c *Conn) Identity() *Identity {
	if renewed := c.renewed.Load(); renewed != nil {
		return renewed
	}
	return &c.id
}

// IsOpen reports whether the client's handshake was accepted and the connection is not ending. A client
// that is away has an open connection.
func (c *Conn) IsOpen() bool {
	s := c.life.state()
	return s >= answering && s <= away
}

// IsAway reports whether the client has lost its transport and may come back.
func (c *Conn) IsAway() bool { return c.life.state() == away }

// Transport returns the present transport: the one the connection was attached with, or the last that was
// put in its place. It may have been lost.
func (c *Conn) Transport() Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport
}

// Protocol returns the hub protocol's name, empty before the handshake.
func (c *Conn) Protocol() string {
	if l := c.channel.spoken.Load(); l != nil {
		return l.protocol
	}
	return ""
}

// Logger returns a logger that names the connection, its hub and its user.
func (c *Conn) Logger() *slog.Logger {
	return c.g.opts.Logger.With("connection", c.id.ID, "hub", c.id.Hub, "user", c.id.User)
}

// Send queues one framed record in the client's protocol, as one delivery.
// The frame must not be changed afterwards.
func (c *Conn) Send(frame []byte) { c.send(OutRecord{Bytes: frame}, "") }

// SendTraced is Send for a record that its sender has given an id, under which the Recorder sees it; "" is none.
func (c *Conn) SendTraced(frame []byte, trace string) { c.send(OutRecord{Bytes: frame}, trace) }

// SendControl is Send for records that are no deliveries: handshake answers and pings.
func (c *Conn) SendControl(frame []byte) { c.send(OutRecord{Bytes: frame, control: true}, "") }

// SendFrame queues bytes that are already in the transport's framing, before
// the handshake too. They count towards the client's bound, not as a delivery.
func (c *Conn) SendFrame(bytes []byte) {
	c.push(&frameOp{conn: c, frame: OutRecord{Bytes: bytes, control: true, framed: true}})
}

func (c *Conn) send(r OutRecord, trace string) {
	s := sendOps.Get().(*sendOp)
	s.self[0] = c
	s.to = receivers{kind: TargetConnections, shard: c.shard, conns: s.self[:]}
	s.one, s.size, s.trace = r, len(r.Bytes), trace
	s.comes()
	c.push(s)
}

func (c *Conn) alone() receivers {
	return receivers{kind: TargetConnections, shard: c.shard, conns: []*Conn{c}}
}

// Attached and Detached say whether a client of a polled transport has a request
// waiting; one that has none for Limits.Detached is ended (C58). Transports that may be
// replaced call AttachedFor and DetachedFor, SendFrameFor and HeardFor instead, so that
// nothing of a former transport counts.
func (c *Conn) Attached() { c.clocks.detached.Store(0) }

// Detached starts the clock that Attached stops.
func (c *Conn) Detached() { c.clocks.detached.Store(c.g.now()) }

// setProtocol is called by the reader before the connection opens.
func (c *Conn) setProtocol(name string) {
	t := c.Transport()
	spoken := laneFor(lane{protocol: name, manner: mannerOf(t)})
	c.channel.spoken.Store(spoken) // which the transport's Framing may ask for
	for {
		raw, l := wayTo(t, spoken)
		c.mu.Lock()
		if c.back == nil || c.transport == t {
			c.channel.raw, c.channel.lane = raw, l
			c.mu.Unlock()
			return
		}
		t = c.transport // it was replaced meanwhile
		c.mu.Unlock()
	}
}

// wayTo returns how records in a protocol reach a transport's client: the socket, if workers may write
// to it, and the lane.
func wayTo(t Transport, spoken *lane) (syscall.RawConn, *lane) {
	if d, ok := t.(DirectTransport); ok {
		if raw := d.Raw(); raw != nil {
			return raw, laneFor(lane{spoken.protocol, d.Framing(), spoken.manner})
		}
	}
	return nil, spoken
}
