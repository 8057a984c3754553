package faults

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/counts"
)

// Hubs is the core. *gateway.Gateway implements it.
type Hubs interface {
	Inject(hub string, f gateway.Faults)
	Each(visit func(*gateway.Conn))
}

// Options are what a Set is made of.
type Options struct {
	Hubs Hubs
	// Marked reports whether a hub may have faults.
	Marked func(hub string) bool
	// Peers reaches the other nodes, which then have the same faults; nil is a node alone.
	Peers gateway.Peers
	// Logger receives one line for each fault that begins and ends; nil discards.
	Logger *slog.Logger
}

// Set has the faults of a node. Its methods may be called concurrently.
type Set struct {
	opts   Options
	counts *counts.Counts[Kind]
	// webhooks are the hubs whose webhooks are slow, nil if there are none.
	webhooks atomic.Pointer[map[string]*active]
	stop     func()
	striking sync.WaitGroup

	mu     sync.Mutex // guards what follows
	faults map[name]*active
	peers  map[gateway.Peer]struct{}
	closed bool
}

// name is what a fault replaces: there is one of each kind in a hub.
type name struct {
	hub  string
	kind Kind
}

// active is a fault in force.
type active struct {
	Spec
	until time.Time
	seed  uint64
	hits  atomic.Uint64
	// end and again are its timers; again is nil without Every.
	end, again *time.Timer
}

// New returns a Set without faults. Close ends it.
func New(opts Options) *Set {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Set{
		opts: opts, counts: counts.New(Kinds()), stop: func() {},
		faults: make(map[name]*active), peers: make(map[gateway.Peer]struct{}),
	}
	if opts.Peers != nil {
		s.stop = opts.Peers.Converse(gateway.FaultTopic, (*conversation)(s))
	}
	return s
}

// Set puts a fault in force on all nodes, in place of one of its kind in the hub. The error is an *InvalidError, which may be
// ErrNotMarked.
func (s *Set) Set(spec Spec) (Fault, error) {
	if err := spec.check(); err != nil {
		return Fault{}, err
	}
	if !s.opts.Marked(spec.Hub) {
		return Fault{}, ErrNotMarked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(message{Set: []Spec{spec}})
	return s.set(spec), nil
}

// set is Set at this node. Called with s.mu held.
func (s *Set) set(spec Spec) Fault {
	a := &active{Spec: spec, until: time.Now().Add(spec.For), seed: newSeed()}
	if s.closed {
		return a.fault()
	}
	s.opts.Logger.Warn("fault injected", "hub", a.Hub, "kind", string(a.Kind), "share", a.Share,
		"delay", a.Delay, "every", a.Every, "for", a.For, "by", a.By)
	if a.once() {
		s.striking.Go(func() { s.strike(a) })
		return a.fault()
	}
	id := name{a.Hub, a.Kind}
	s.end(id, a.By)
	s.faults[id] = a
	a.end = time.AfterFunc(a.For, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.faults[id] == a {
			s.end(id, "its time")
			s.use(a.Hub)
		}
	})
	if a.Every > 0 {
		s.striking.Add(1)
		a.again = time.AfterFunc(0, func() { s.repeat(id, a) })
	}
	s.use(a.Hub)
	return a.fault()
}

// repeat strikes, and again after a while if the fault is still in force. Whoever starts or resets a.again has added it to
// s.striking.
func (s *Set) repeat(id name, a *active) {
	defer s.striking.Done()
	s.strike(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults[id] == a {
		s.striking.Add(1)
		a.again.Reset(a.Every)
	}
}

// Clear ends the faults of the hub and of the kind, "" for all, on all nodes. It returns how many there were here. Letter
// case is ignored, as by Set; a kind that there is not is an *InvalidError. By is who asks, for people.
func (s *Set) Clear(hub string, kind Kind, by string) (ended int, err error) {
	hub, kind = strings.ToLower(hub), kind.canonical()
	if kind != "" && !kind.known() {
		return 0, &InvalidError{"kind", unknown()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := clearing{hub, kind, by}
	s.tell(message{Clear: &c})
	return s.clear(c.meant, by), nil
}

// Recheck ends the faults of hubs that are not marked any more. It is for whoever has changed the marks.
func (s *Set) Recheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear(func(id name) bool { return !s.opts.Marked(id.hub) }, "its hub is not marked any more")
}

// clear ends the faults that are meant. Called with s.mu held.
func (s *Set) clear(meant func(name) bool, by string) (ended int) {
	for _, id := range slices.Collect(maps.Keys(s.faults)) {
		if meant(id) {
			s.end(id, by)
			s.use(id.hub)
			ended++
		}
	}
	return ended
}

// end takes a fault out. Called with s.mu held; use follows.
func (s *Set) end(id name, by string) {
	a := s.faults[id]
	if a == nil {
		return
	}
	delete(s.faults, id)
	a.end.Stop()
	if a.again != nil && a.again.Stop() {
		s.striking.Done() // it does not strike any more
	}
	s.opts.Logger.Warn("fault ended", "hub", a.Hub, "kind", string(a.Kind), "hits", a.hits.Load(), "by", by)
}

// use gives the core and the webhooks what is in force for a hub. Called with s.mu held.
func (s *Set) use(hub string) {
	f := &hubFaults{set: s, drop: s.faults[name{hub, Drop}], delay: s.faults[name{hub, Delay}], negotiate: s.faults[name{hub, Negotiate}]}
	if f.drop == nil && f.delay == nil && f.negotiate == nil {
		s.opts.Hubs.Inject(hub, nil)
	} else {
		s.opts.Hubs.Inject(hub, f)
	}
	slow := make(map[string]*active)
	for id, a := range s.faults {
		if id.kind == Webhook {
			slow[id.hub] = a
		}
	}
	if len(slow) == 0 {
		s.webhooks.Store(nil)
	} else {
		s.webhooks.Store(&slow)
	}
}

// List returns the faults in force, by hub and kind.
func (s *Set) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, 0, len(s.faults))
	for _, a := range s.faults {
		list = append(list, a.fault())
	}
	slices.SortFunc(list, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Hub, b.Hub), cmp.Compare(a.Kind, b.Kind)) })
	return list
}

// Counts returns how often faults have hit at this node since the start, by kind.
func (s *Set) Counts() map[Kind]uint64 { return s.counts.Map() }

// Close ends everything, and waits for connections that are just being hit. Set has no effect afterwards.
func (s *Set) Close() {
	s.stop()
	s.mu.Lock()
	s.clear(func(name) bool { return true }, "the end of the gateway")
	s.closed = true
	s.mu.Unlock()
	s.striking.Wait()
}

func (a *active) fault() Fault { return Fault{Spec: a.Spec, Until: a.until, Hits: a.hits.Load()} }
