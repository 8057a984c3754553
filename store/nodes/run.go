package nodes

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hubgate/hubgate/store/stream"
)

// run does what the machine asks for, until the Lease ends.
func (l *Lease) run() {
	defer l.bury.cancel()
	tick := time.NewTicker(l.times.retry)
	defer tick.Stop()
	for {
		l.turn()
		select {
		case <-tick.C:
		case <-l.bury.done:
		case <-l.ctx.Done():
			return
		}
	}
}

// maxTurn bounds the questions of one turn: between two turns, time goes by for everything else.
const maxTurn = 16

// turn does what is due.
func (l *Lease) turn() {
	l.collect()
	if l.opts.Settings != nil {
		l.machine.self.Settings = l.opts.Settings()
	}
	for range maxTurn {
		r, ok := l.machine.next(l.clock.now())
		if !ok || l.ctx.Err() != nil {
			break
		}
		l.perform(r)
		l.look(l.clock.now())
	}
	l.look(l.clock.now())
}

// collect takes the outcome of work for dead nodes.
func (l *Lease) collect() {
	l.bury.mu.Lock()
	results := l.bury.results
	l.bury.results = nil
	l.bury.mu.Unlock()
	for _, b := range results {
		switch {
		case b.err == nil && b.request.verb == verbBury:
			l.counts.Add(EventBuried, 1)
		case b.err != nil:
			l.counts.Add(EventBuryFailed, 1)
			l.opts.Logger.Warn("what is to be done for a dead node could not be finished yet", "node", b.request.inc, "error", b.err)
		}
		l.machine.done(b.request, response{err: b.err}, l.clock.now())
	}
}

// perform asks the store for what the machine wants.
func (l *Lease) perform(r request) {
	switch r.verb {
	case verbTakeOver:
		l.startBurying(r, l.opts.Calls.TakeOver)
		return
	case verbBury:
		l.startBurying(r, l.opts.Calls.Bury)
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.times.attempt)
	defer cancel()
	var a response
	switch r.verb {
	case verbRenew, verbClaim:
		a.revision, a.err = l.stream.write(ctx, r.inc, &r.record, r.revision)
	case verbCheck:
		var e entry
		e, a.err = l.stream.read(ctx, r.inc)
		a.entries = []entry{e}
	case verbLook:
		a.entries, a.err = l.stream.all(ctx)
	case verbRelease:
		a.err = l.stream.bury(ctx, r.inc, r.revision)
	}
	l.count(r, a)
	l.machine.done(r, a, l.clock.now())
}

func (l *Lease) count(r request, a response) {
	switch {
	case r.verb == verbRenew && a.err == nil:
		l.counts.Add(EventRenewed, 1)
	case r.verb == verbRenew:
		l.counts.Add(EventRenewalFailed, 1)
	case r.verb == verbClaim && a.err == nil:
		l.counts.Add(EventClaim, 1)
		l.opts.Logger.Warn("a node has died: this one tells of the end of its clients", "node", r.inc)
	case r.verb == verbClaim:
		l.counts.Add(EventClaimFailed, 1)
	}
}

// startBurying does a part of what is to be done for a dead node, beside everything else.
func (l *Lease) startBurying(r request, part func(context.Context, string) error) {
	ctx := l.bury.ctx
	l.wg.Go(func() {
		err := part(ctx, r.inc)
		l.bury.mu.Lock()
		l.bury.results = append(l.bury.results, buried{r, err})
		l.bury.mu.Unlock()
		select {
		case l.bury.done <- struct{}{}:
		default: // it will be looked at
		}
	})
}

// look sees to what follows from how the node is.
func (l *Lease) look(now moment) {
	m, f := l.machine, &l.flags
	if m.own.lost != f.lost {
		f.lost = m.own.lost
		l.counts.Add(EventLost, 1)
		l.opts.Logger.Warn("the store has lost the record of this node, which writes it again")
	}
	if m.own.claimed {
		l.reborn()
		return
	}
	if fenced := m.fenced(now); fenced != f.fenced {
		f.fenced = fenced
		if fenced {
			l.counts.Add(EventFenced, 1)
			l.opts.Logger.Warn("this node could not renew its record in the store: it calls no webhook for the end of a client until it can")
			l.bury.cancel()
		} else {
			l.bury.ctx, l.bury.cancel = context.WithCancel(l.ctx)
			l.opts.Logger.Info("this node has its record in the store", "node", m.inc)
		}
	}
	l.compare(now)
	l.tellLeft(now)
	l.publish()
	reached := l.opts.Calls.Reached()
	f.others = f.others || reached > 0 || m.others.count(m.inc) > 0
	l.isolate(l.opts.Calls.Isolated != nil && f.fenced && m.own.held && reached == 0 && f.others)
}

// tellLeft says once of each dead node that nobody takes over its events.
func (l *Lease) tellLeft(now moment) {
	left := l.machine.left(now)
	for _, inc := range left {
		if !slices.Contains(l.flags.left, inc) {
			l.opts.Logger.Error("a node that kept events is dead, and no node takes them over: start one with --upstream-outbox", "node", inc)
		}
	}
	l.flags.left = left
}

func (l *Lease) isolate(isolated bool) {
	if isolated == l.flags.isolated {
		return
	}
	l.flags.isolated = isolated
	if isolated {
		l.counts.Add(EventIsolated, 1)
		l.opts.Logger.Error("this node reaches neither the store nor another node: it is isolated")
	} else {
		l.opts.Logger.Info("this node is not isolated any more")
	}
	l.publish()
	l.opts.Calls.Isolated(isolated)
}

// reborn begins a new incarnation after the former one was claimed.
func (l *Lease) reborn() {
	former, next := l.machine.inc, l.newInc()
	l.counts.Add(EventClaimed, 1)
	l.opts.Logger.Error("the other nodes have given this one up, and have told of the end of its clients: it closes them and begins anew",
		"node", former, "next", next)
	l.bury.cancel()
	l.publish() // fenced
	l.opts.Calls.Claimed(former, next)
	lost, number := l.machine.own.lost, l.machine.number
	l.begin(next)
	l.machine.own.lost, l.machine.number = lost, number
	l.flags.fenced = true
}

// count returns how many other nodes live as far as their records say.
func (o *others) count(self string) int {
	n := 0
	for inc, s := range o.seen {
		if inc != self && s.record.Claimant == "" {
			n++
		}
	}
	return n
}

// newBucket describes the bucket of records.
func newBucket(opts Options) records {
	name := opts.Prefix + "_nodes"
	config := stream.Bucket(name, maxBytes, maxRecord)
	config.Storage, config.Replicas = opts.Storage, opts.Replicas
	return &bucket{stream: stream.New(opts.JetStream, config), prefix: "$KV." + name + "."}
}

// maxBytes bounds the bucket: some thousand nodes.
const maxBytes = 4 << 20

// records are all records; tests put something in their place.
type records interface {
	write(ctx context.Context, inc string, r *Record, revision uint64) (uint64, error)
	read(ctx context.Context, inc string) (entry, error)
	all(ctx context.Context) ([]entry, error)
	bury(ctx context.Context, inc string, revision uint64) error
}

// bucket is records in JetStream.
type bucket struct {
	stream  *stream.Stream
	prefix  string
	ensured bool
}

// write makes the bucket if it is not there. It is called from one goroutine.
func (b *bucket) write(ctx context.Context, inc string, r *Record, revision uint64) (uint64, error) {
	if !b.ensured {
		if err := b.stream.Ensure(ctx); err != nil {
			return 0, err
		}
		b.ensured = true
	}
	written, err := b.stream.Write(ctx, b.prefix+inc, r.append(nil), revision, 0)
	if errors.Is(err, stream.ErrNoStream) || errors.Is(err, stream.ErrUnavailable) {
		b.ensured = false // it costs one question to find out
	}
	return written, err
}

func (b *bucket) read(ctx context.Context, inc string) (entry, error) {
	m, err := b.stream.Last(ctx, b.prefix+inc)
	if err != nil {
		return entry{}, err
	}
	return b.entry(m)
}

// entry reads a message. What cannot be read is somebody else's, of a version to come.
func (b *bucket) entry(m stream.Message) (entry, error) {
	e := entry{inc: m.Subject[min(len(b.prefix), len(m.Subject)):], revision: m.Sequence, tombstone: len(m.Data) == 0}
	if e.tombstone {
		return e, nil
	}
	var err error
	e.record, err = parseRecord(m.Data)
	return e, err
}

func (b *bucket) all(ctx context.Context) ([]entry, error) {
	messages, err := b.stream.AllLast(ctx, b.prefix+">")
	if err != nil {
		return nil, err
	}
	list := make([]entry, 0, len(messages))
	for _, m := range messages {
		if e, err := b.entry(m); err == nil {
			list = append(list, e)
		}
	}
	return list, nil
}

func (b *bucket) bury(ctx context.Context, inc string, revision uint64) error {
	_, err := b.stream.Write(ctx, b.prefix+inc, nil, revision, tombstoneLasts)
	return err
}
