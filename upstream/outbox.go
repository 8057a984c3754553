package upstream

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// Outbox keeps events so that they are delivered although this node dies: another node, or this one when it
// is back, has them then (Backend.Adopt). Its methods may be called concurrently.
type Outbox interface {
	// Put stores the record of an event, and returns its number. Stored is called once, by any goroutine,
	// when the event cannot be lost any more, or is done; that may take as long as the store does not answer.
	// What is put first is stored first.
	Put(record []byte, stored func()) (number uint64)
	// Done says that an event was delivered, or never will be.
	Done(number uint64)
	// Tried notes how often an event was tried in vain; it waits for nothing.
	Tried(number uint64, attempts int)
	// Mine reports whether the event is still this node's to deliver, Fenced whether this node may deliver
	// none now, because others may have given it up.
	Mine(number uint64) bool
	Fenced() bool
	// Die stores what is told of an event that cannot be delivered, and its record unless that is too large, and
	// calls it done. It tries until ctx ends.
	Die(ctx context.Context, number uint64, letter, record []byte) (whole bool, err error)
}

// OutboxOptions say how events that are kept are delivered. Outbox is required.
type OutboxOptions struct {
	Outbox Outbox
	// Age is how long an event is tried before it becomes a dead letter; 0 means DefaultAge.
	Age time.Duration
	// Lives asks all nodes whether a client lives; nil means that none does.
	Lives func(ctx context.Context, hub, id string) (bool, error)
	// Closes closes a client on whatever node it is, if it lives; nil means that none does.
	Closes func(ctx context.Context, hub, id string, cause gateway.Cause) error

	// waits are those between attempts; tests have shorter ones.
	waits waits
}

// DefaultAge is how long an event is tried.
const DefaultAge = 24 * time.Hour

// keeping is what a Backend with an outbox has.
type keeping struct {
	OutboxOptions
	circuits circuits
	figures  figures

	// ending is closed when Close begins: what fails from then on is left to others.
	ending chan struct{}
	end    sync.Once

	mu sync.Mutex
	// adopted are the sessions of clients of dead nodes that have something to be delivered, by connection.
	adopted map[string]*session
	// told are connections whose end is known to be kept, refused clients of dead nodes that were rejected.
	told, refused remembered
	// telling are the ends that are being kept: closed when they are, or cannot be.
	telling map[string]chan struct{}
	// begun are clients of dead nodes of which there is only the beginning.
	begun map[string]conn
}

// UseOutbox has events kept in an outbox: those of connections, and messages that nobody waits for. It is
// called before there are clients, or never.
func (b *Backend) UseOutbox(opts OutboxOptions) {
	if opts.Age <= 0 {
		opts.Age = DefaultAge
	}
	if opts.waits == (waits{}) {
		opts.waits = defaultWaits
	}
	b.keeps = &keeping{
		OutboxOptions: opts, ending: make(chan struct{}), adopted: make(map[string]*session), begun: make(map[string]conn), telling: make(map[string]chan struct{}),
	}
	b.keeps.circuits = circuits{open: opts.waits.open, log: b.log}
}

// kept is what an event that is in the outbox has besides.
type kept struct {
	number uint64
	stored chan struct{} // closed when it is
	// since is when it was put there first.
	since   time.Time
	attempt int
	// doubt: it may have been delivered before, by a node that is dead, or by an attempt without an answer.
	doubt bool
}

// keep puts an event into the outbox and then into the queue. The reader of the client goes on when a
// message is stored.
func (s *session) keep(e event) {
	k := s.backend.keeps
	e.id = eventID(s.conn.Identity().ID, e.kind)
	e.kept = &kept{stored: make(chan struct{}), since: time.Now()}
	stored := e.kept.stored
	e.kept.number = k.Outbox.Put(appendDelivery(nil, s.conn.Identity(), &e, e.kept.since), func() {
		close(stored)
		if e.kind == kindMessage {
			s.conn.Resume()
		}
	})
	if e.kind == kindMessage {
		s.mu.Lock()
		s.keeps.storing = stored
		s.mu.Unlock()
	}
	if !s.put(e) {
		k.Outbox.Done(e.kept.number)
	}
}

// Storing implements gateway.Storing.
func (s *session) Storing() bool {
	if s.keeps == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keeps.storing != nil || s.keeps.blocked
}

// keepMessage keeps a message, and reports that it was taken when it is stored: until then the reader waits
// and hands it over again.
func (s *session) keepMessage(make func() event) (taken bool) {
	s.mu.Lock()
	if stored := s.keeps.storing; stored != nil {
		defer s.mu.Unlock()
		select {
		case <-stored:
			s.keeps.storing = nil
			return true
		default:
			return false
		}
	}
	e := make()
	if s.rejected {
		s.mu.Unlock()
		s.skip(&e, SkipRejected)
		return true
	}
	if s.fullLocked(&e) {
		s.keeps.blocked = true // until there is room, see next
		s.mu.Unlock()
		return false
	}
	s.keeps.blocked = false
	s.mu.Unlock()
	s.keep(e)
	return false
}

// keepEnd keeps the event of the client's end. Whether this node may tell it the store says.
func (s *session) keepEnd(e event) {
	if !s.backend.workers.start(func() {
		if !s.mayEnd(&e) {
			s.skip(&e, SkipHeld)
			return
		}
		s.keep(e)
	}) {
		s.skip(&e, SkipShutdown)
	}
}

// Adopted is an event of a dead node that this node has to deliver, its number in the outbox, and how often the
// dead node has tried it in vain.
type Adopted struct {
	Number   uint64
	Record   []byte
	Attempts int
}

// Adopt delivers events of a dead node, those of each connection in the order given.
func (b *Backend) Adopt(list []Adopted) {
	k := b.keeps
	for _, one := range list {
		if c, e, ok := b.readDelivery(one); ok {
			k.notes(c, e.kind)
			k.adopt(b, c, e)
		}
	}
}

// TellEnds tells of the ends of clients of which only the beginning was adopted, as they may have ended with their node. It is
// called when the events of all dead nodes were adopted. If an end cannot be kept now, or it is not known whether the client
// lives on another node, that is the error, and the next call tries again.
func (b *Backend) TellEnds(ctx context.Context) error {
	k := b.keeps
	for _, c := range k.unended() {
		lives, err := b.livesElsewhere(ctx, c.Identity())
		if err != nil {
			return fmt.Errorf("asking whether a client lives on another node: %w", err)
		}
		if !lives {
			if err := b.tellEnd(ctx, c, disconnectedBody(nodeLost)); err != nil {
				return err
			}
		}
		k.settle(c.Identity().ID)
	}
	return nil
}

// settle forgets the beginning of a client: its end is kept, or another node will tell it.
func (k *keeping) settle(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.begun, id)
}

// notes notes a client of a dead node of which there is the beginning, or the end.
func (k *keeping) notes(c conn, what kind) {
	id := c.Identity().ID
	if what == kindDisconnected {
		k.tells(id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch what {
	case kindConnected:
		k.begun[id] = c
	case kindDisconnected:
		delete(k.begun, id)
	}
}

func (k *keeping) unended() []conn {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.begun))
}

func (b *Backend) livesElsewhere(ctx context.Context, id *gateway.Identity) (bool, error) {
	if b.keeps.Lives == nil {
		return false, nil
	}
	return b.keeps.Lives(ctx, id.Hub, id.ID)
}

// Deliver delivers an event of the outbox that may have been delivered before, such as that of a dead letter.
func (b *Backend) Deliver(one Adopted) {
	if c, e, ok := b.readDelivery(one); ok {
		b.keeps.adopt(b, c, e)
	}
}

// readDelivery reads an event. One that cannot be read is given up.
func (b *Backend) readDelivery(one Adopted) (conn, event, bool) {
	c, e, since, err := parseDelivery(one.Record)
	if err != nil {
		b.log.Error("an event in the outbox cannot be read", "error", err)
		b.keeps.Outbox.Done(one.Number)
		return nil, event{}, false
	}
	stored := make(chan struct{})
	close(stored)
	e.kept = &kept{number: one.Number, stored: stored, since: since, attempt: one.Attempts, doubt: true}
	return c, e, true
}

// Keep is SendDisconnected with an outbox: it returns when the event is kept.
func (b *Backend) Keep(ctx context.Context, record []byte) error {
	gone, body, err := parseRecord(record)
	if err != nil {
		return err
	}
	return b.tellEnd(ctx, gone, body)
}

// tells notes that the end of a connection is kept, and reports whether that was known, or nobody wants to know.
func (k *keeping) tells(id string) (known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refused.has(id) || k.told.note(id)
}

// refuses notes that the application does not want a client of a dead node: neither what it has said nor its end.
func (k *keeping) refuses(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refused.note(id)
	delete(k.begun, id)
}

// closeTime bounds the wait until all nodes know that a client is to be closed.
const closeTime = 5 * time.Second

// closeElsewhere closes a client that is not here, wherever it lives.
func (b *Backend) closeElsewhere(id *gateway.Identity, cause gateway.Cause) {
	if b.keeps.Closes == nil {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, closeTime)
	defer cancel()
	if err := b.keeps.Closes(ctx, id.Hub, id.ID, cause); err != nil {
		b.log.Warn("a client that the application has rejected may live on: not all nodes were told", "connection", id.ID, "hub", id.Hub, "error", err)
	}
}

// startsTelling reports whether the caller has to keep the end of a connection, and says so with endsTelling. If somebody else
// is at it, it returns what is closed then.
func (k *keeping) startsTelling(id string) (mine bool, other <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if under := k.telling[id]; under != nil {
		return false, under
	}
	if k.refused.has(id) || k.told.note(id) {
		return false, nil
	}
	k.telling[id] = make(chan struct{})
	return true, nil
}

func (k *keeping) endsTelling(id string, kept bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !kept {
		k.told.forget(id)
	}
	close(k.telling[id])
	delete(k.telling, id)
}

// tellEnd keeps the end of a client that is not here, and returns when it is kept. It may have been told before, or be told by
// somebody else at this moment: several dead nodes may have noted the client.
func (b *Backend) tellEnd(ctx context.Context, c conn, body []byte) error {
	id := c.Identity().ID
	for {
		mine, other := b.keeps.startsTelling(id)
		switch {
		case mine:
			err := b.putEnd(ctx, c, body)
			b.keeps.endsTelling(id, err == nil)
			return err
		case other == nil:
			return nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// putEnd puts the end of a client into the outbox, and waits until it is there.
func (b *Backend) putEnd(ctx context.Context, c conn, body []byte) error {
	k := b.keeps
	if b.plan().match(names{hub: hubName(c.Identity()), category: categoryConnections, event: kindDisconnected.event("")}) == nil {
		return nil // There is no such webhook any more.
	}
	e := event{kind: kindDisconnected, body: body, id: eventID(c.Identity().ID, kindDisconnected)}
	e.kept = &kept{stored: make(chan struct{}), since: time.Now(), doubt: true}
	stored := e.kept.stored
	e.kept.number = k.Outbox.Put(appendDelivery(nil, c.Identity(), &e, e.kept.since), func() { close(stored) })
	select {
	case <-stored:
	case <-ctx.Done():
		k.Outbox.Done(e.kept.number)
		return context.Cause(ctx)
	}
	k.adopt(b, c, e)
	return nil
}

// adopt puts an event into the queue of a client that is not here.
func (k *keeping) adopt(b *Backend, c conn, e event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := c.Identity().ID
	s := k.adopted[id]
	if s == nil {
		s = newSession(b, c)
		s.opened, s.closed, s.rejected = true, true, k.refused.has(id)
		s.keeps.retire, s.keeps.refused = func() { k.retire(id, s) }, func(cause gateway.Cause) {
			k.refuses(id)
			b.closeElsewhere(c.Identity(), cause)
		}
		k.adopted[id] = s
	}
	if !s.put(e) {
		k.Outbox.Done(e.kept.number)
	}
	k.retireLocked(id, s) // A node that ends delivers nothing more.
}

// retire forgets a client that is not here when nothing is left to be delivered.
func (k *keeping) retire(id string, s *session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.retireLocked(id, s)
}

func (k *keeping) retireLocked(id string, s *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.working && k.adopted[id] == s {
		delete(k.adopted, id)
	}
}
