package hubserver

import (
	"context"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
)

const (
	// heartbeat is how often clients are looked at.
	heartbeat = time.Second
	// statusEvery is how often the gateway is asked whether the hub has clients.
	statusEvery = 10 * time.Second
	// finEvery and finTries say how often a leaving hub server repeats itself.
	finEvery = 5 * time.Second
	finTries = 24
)

// pool is a hub that is being served: its connections to the gateway and the clients that
// have come over them.
type pool struct {
	hub    *Hub
	server *Server
	dialer dialer
	log    *slog.Logger
	began  time.Time

	acks     acks
	results  *results
	books    books
	handlers sync.WaitGroup // of the clients
	active   atomic.Bool    // what the gateway has answered last
}

// books are what a pool has at the moment.
type books struct {
	mu       sync.Mutex
	links    []*link // those to write to
	sessions map[string]*session
	open     int           // sessions whose handlers have not ended
	empty    chan struct{} // closed when open becomes 0; nil if nobody waits
	demanded map[string]bool
	demands  chan string // targets of connections to open
	joined   func()      // called for each link that joins
}

// maxDemands is how many further connections the gateway may ask for.
const maxDemands = 64

// linkSeed makes one key choose the same link as long as there are as many.
var linkSeed = maphash.MakeSeed()

func newPool(s *Server, h *Hub, d dialer) *pool {
	p := &pool{hub: h, server: s, dialer: d, log: s.logger().With("hub", d.hub), began: time.Now()}
	p.results = newResults(p)
	p.books.sessions = make(map[string]*session)
	p.books.demanded = make(map[string]bool)
	p.books.demands = make(chan string, maxDemands)
	return p
}

func (p *pool) now() int64 { return int64(time.Since(p.began)) }

// run keeps connections until ctx ends, and opens none after dialing has ended.
func (p *pool) run(ctx, dialing context.Context) {
	var tasks sync.WaitGroup
	back := newBackoff()
	for range orDefault(p.server.Connections, DefaultConnections) {
		tasks.Go(func() { p.keep(ctx, dialing, back) })
	}
	tasks.Go(func() { p.sweep(ctx) })
	tasks.Go(func() { p.askStatus(ctx) })
	for {
		select {
		case target := <-p.books.demands:
			tasks.Go(func() { p.once(ctx, dialing, target) })
		case <-dialing.Done():
			tasks.Wait()
			return
		}
	}
}

// keep replaces one connection again and again.
func (p *pool) keep(ctx, dialing context.Context, back *backoff) {
	for {
		probe, ok := back.turn(dialing)
		if !ok {
			return
		}
		var since time.Time
		err := p.connect(ctx, dialing, serviceprotocol.KindDefault, "", func() {
			since = time.Now()
			back.result(probe, true)
		})
		// A gateway that accepts and drops at once must not be asked in a loop.
		counts := true
		if since.IsZero() || time.Since(since) < heartbeat {
			counts = back.result(probe && since.IsZero(), false)
		}
		if dialing.Err() != nil {
			return
		}
		level := slog.LevelDebug
		if counts {
			// Of attempts that fail together one is worth a line.
			level = slog.LevelWarn
		}
		p.log.Log(ctx, level, "connection to the gateway ended or failed, trying again", "error", err)
	}
}

// once opens a connection that the gateway has asked for. It is not replaced, and a
// refusal is normal.
func (p *pool) once(ctx, dialing context.Context, target string) {
	if err := p.connect(ctx, dialing, serviceprotocol.KindOnDemand, target, func() {}); err != nil {
		p.log.Info("further connection ended", "target", target, "error", err)
	}
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	delete(p.books.demanded, target)
}

func (p *pool) connect(ctx, dialing context.Context, kind serviceprotocol.ConnectionKind, target string, ready func()) error {
	cid := newID()
	socket, err := p.dialer.dial(dialing, cid, target)
	if err != nil {
		return err
	}
	l := newLink(p, cid, kind)
	return l.run(ctx, socket, func() {
		if dialing.Err() != nil {
			// It has come too late for the shutdown, of which the gateway does not know on it.
			l.out.close()
			return
		}
		ready()
	})
}

// demand asks for a connection to the target.
func (p *pool) demand(target string) {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	if p.books.demanded[target] || len(p.books.demanded) >= maxDemands {
		return
	}
	select {
	case p.books.demands <- target:
		p.books.demanded[target] = true
	default:
	}
}

func (p *pool) sweep(ctx context.Context) {
	for sleep(ctx, heartbeat) {
		now := p.now()
		for _, s := range p.all(func(*session) bool { return true }) {
			s.sweep(now)
		}
	}
}

func (p *pool) askStatus(ctx context.Context) {
	for sleep(ctx, statusEvery) {
		if links := p.listed(); len(links) > 0 {
			links[rand.IntN(len(links))].out.put(serviceprotocol.StatusQuestionPing())
		}
	}
}

// join adds a connection that the gateway has accepted.
func (p *pool) join(l *link) {
	p.books.mu.Lock()
	p.books.links = append(p.books.links, l)
	joined := p.books.joined
	p.books.mu.Unlock()
	p.log.Info("connected to the gateway", "cid", l.cid)
	joined()
}

// unlist takes a connection that still may be read from those to write to.
func (p *pool) unlist(l *link) {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	p.books.links = slices.DeleteFunc(p.books.links, func(one *link) bool { return one == l })
}

// part ends what depends on a connection that has ended.
func (p *pool) part(l *link) {
	p.unlist(l)
	l.finOnce.Do(func() { close(l.finished) })
	for _, s := range p.all(func(s *session) bool { return s.link == l }) {
		s.end(ending{cause: ErrConnectionLost, silent: true})
	}
	p.acks.lost(l)
	p.results.fail(ErrConnectionLost, func(one *pendingResult) bool { return one.link == l })
}

// offline ends the clients that came over a connection from a gateway node that is gone;
// no node stands for all of them.
func (p *pool) offline(l *link, instance string) {
	for _, s := range p.all(func(s *session) bool {
		return s.link == l && (instance == "" || s.opened.instance == instance)
	}) {
		s.end(ending{cause: ErrConnectionLost, silent: true})
	}
	if instance != "" {
		p.results.fail(ErrConnectionLost, func(one *pendingResult) bool { return one.instance == instance })
	}
}

func (p *pool) open(l *link, m *serviceprotocol.OpenConnection) {
	// The gateway may have lost sight of a client that it now opens once more.
	if old := p.session(m.ConnectionID); old != nil {
		old.end(ending{cause: ErrConnectionLost, silent: true})
	}
	s := newSession(p, l, m)
	l.clients.Add(1)
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	p.books.sessions[s.id] = s
	p.books.open++
}

func (p *pool) session(id string) *session {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	return p.books.sessions[id]
}

// left takes a client that has ended for the cause out of the books. Its handlers may still
// run.
func (p *pool) left(s *session, cause error) {
	p.books.mu.Lock()
	if p.books.sessions[s.id] == s {
		delete(p.books.sessions, s.id)
	}
	p.books.mu.Unlock()
	s.link.clients.Add(-1)
	err := ErrNoClient
	if cause == ErrConnectionLost {
		err = cause
	}
	p.results.left(s, err)
}

// gone is called when the handlers of a client have ended.
func (p *pool) gone(s *session) {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	p.books.open--
	if p.books.open == 0 && p.books.empty != nil {
		close(p.books.empty)
		p.books.empty = nil
	}
}

func (p *pool) clientCount() int {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	return len(p.books.sessions)
}

// all returns the clients that the condition is true for.
func (p *pool) all(condition func(*session) bool) []*session {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	var found []*session
	for _, s := range p.books.sessions {
		if condition(s) {
			found = append(found, s)
		}
	}
	return found
}

func (p *pool) listed() []*link {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	return slices.Clone(p.books.links)
}

// choose returns the connection to write to: within a call that of its client, so that
// what the call does happens in order, else always the same for a key.
func (p *pool) choose(ctx context.Context, key string) (*link, error) {
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	if s := sessionOf(ctx); s != nil && s.pool == p && slices.Contains(p.books.links, s.link) {
		return s.link, nil
	}
	if len(p.books.links) == 0 {
		return nil, ErrNotConnected
	}
	return p.books.links[maphash.String(linkSeed, key)%uint64(len(p.books.links))], nil
}

// drain tells the gateway how the hub server leaves, and ends or awaits its clients. The
// context bounds it.
func (p *pool) drain(ctx context.Context, how shutdown) error {
	var waits sync.WaitGroup
	for _, l := range p.listed() {
		waits.Go(func() { l.fin(ctx, how) })
	}
	waits.Wait()
	if how.fin != serviceprotocol.FinPlain {
		if err := p.wait(ctx); err != nil {
			p.closeClients()
			return err
		}
		return nil
	}
	p.closeClients()
	return p.wait(ctx)
}

// fin tells the gateway of the shutdown until it has understood.
func (l *link) fin(ctx context.Context, how shutdown) {
	for range finTries {
		l.out.put(serviceprotocol.ShutdownPing(how.fin))
		timer := time.NewTimer(finEvery)
		select {
		case <-l.finished:
		case <-ctx.Done():
		case <-timer.C:
			continue
		}
		timer.Stop()
		return
	}
}

// closeClients closes all clients, which may reconnect: to another hub server.
func (p *pool) closeClients() {
	for _, s := range p.all(func(*session) bool { return true }) {
		s.end(ending{cause: ErrServerClosed, reconnect: true, text: "The server is shutting down."})
	}
}

// wait waits until no client is left, nor handler of one.
func (p *pool) wait(ctx context.Context) error {
	p.books.mu.Lock()
	if p.books.open == 0 {
		p.books.mu.Unlock()
		return nil
	}
	if p.books.empty == nil {
		p.books.empty = make(chan struct{})
	}
	empty := p.books.empty
	p.books.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
