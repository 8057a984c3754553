package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// questions are those that wait for answers of peers.
type questions struct {
	bound time.Duration
	mu    sync.Mutex
	next  uint64
	open  map[uint64]*question
}

// question is one command whose results are summed up. Guarded by questions.mu.
type question struct {
	id uint64
	// missing are the peers that have not answered.
	missing []*peer
	sum     gateway.Result
	err     error
	page    gateway.Page
	// exists: the first part that is not zero is the answer.
	exists bool
	// expects is the name that peers have when they have answered, if expecting is set.
	expects   uint64
	expecting bool

	answered func(gateway.Result, error)
	timer    *time.Timer
	stop     func() bool // ends the wait for the context
}

func (qs *questions) init(bound time.Duration) { qs.bound, qs.open = bound, make(map[uint64]*question) }

// Ask implements gateway.Asker. Only peers with receivers for the command are asked, and without any
// it is answered at once. A peer that is gone counts as zero. An error that is ErrIncomplete says
// which peers did not answer in time.
func (b *Backplane) Ask(ctx context.Context, to []string, cmd *gateway.Command, answered func(gateway.Result, error)) {
	b.ask(ctx, to, cmd, &question{answered: answered})
}

// Exists is Ask for a caller that wants to know only whether there is anything: the first yes is the
// answer.
func (b *Backplane) Exists(ctx context.Context, to []string, cmd *gateway.Command, answered func(gateway.Result, error)) {
	b.ask(ctx, to, cmd, &question{answered: answered, exists: true})
}

func (b *Backplane) ask(ctx context.Context, to []string, cmd *gateway.Command, q *question) {
	list := b.route(to, cmd)
	if len(list) == 0 {
		q.answered(gateway.Result{}, nil)
		return
	}
	q.page = cmd.Page
	if cmd.Verb == gateway.VerbJoin {
		q.expecting, q.expects = true, b.keys.hash(NameGroup, cmd.Hub, cmd.Group)
	}
	for _, r := range list {
		q.missing = append(q.missing, r.to)
		if q.expecting {
			r.to.filter.expect(q.expects)
		}
	}
	qs := &b.questions
	qs.begin(ctx, q)
	missed := make(map[*peer]error)
	_ = b.hand(list, q.id, func(p *peer, err error) { missed[p] = err })
	for p, err := range missed {
		if err == errPeerGone {
			err = nil
		}
		qs.part(q.id, p, gateway.Result{}, err)
	}
}

// begin gives a question its number and its bounds.
func (qs *questions) begin(ctx context.Context, q *question) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	qs.next++
	q.id = qs.next
	qs.open[q.id] = q
	q.timer = time.AfterFunc(qs.bound, func() { qs.giveUp(q, nil) })
	if ctx.Done() != nil {
		q.stop = context.AfterFunc(ctx, func() { qs.giveUp(q, ctx.Err()) })
	}
}

// part adds the answer of one peer. One that has answered already, or that was not asked, is not
// listened to.
func (qs *questions) part(id uint64, p *peer, r gateway.Result, err error) {
	qs.mu.Lock()
	q := qs.open[id]
	if q == nil || !slices.Contains(q.missing, p) {
		qs.mu.Unlock()
		return
	}
	q.missing = slices.DeleteFunc(q.missing, func(one *peer) bool { return one == p })
	q.met(p)
	q.add(r, err)
	if len(q.missing) > 0 && (!q.exists || r.Matched == 0) {
		qs.mu.Unlock()
		return
	}
	qs.endLocked(q)
	qs.mu.Unlock()
	q.answered(q.sum, q.err)
}

// met ends the expectation of peers.
func (q *question) met(peers ...*peer) {
	if q.expecting {
		for _, p := range peers {
			p.filter.met(q.expects)
		}
	}
}

// add sums up. A list is cut to its page, so that it does not grow with the nodes.
func (q *question) add(r gateway.Result, err error) {
	q.sum.Add(r)
	if most := min(max(q.page.Max, 0), gateway.MaxPage); len(q.sum.Members) > most {
		slices.SortFunc(q.sum.Members, func(a, b gateway.Member) int { return strings.Compare(a.ID, b.ID) })
		q.sum.Members = q.sum.Members[:most]
	}
	if q.err == nil || errors.Is(q.err, gateway.ErrTooManyGroups) && err != nil {
		q.err = err // a refusal of one node says less than the failure of another
	}
}

// endLocked ends all waiting for a question, so that the caller may answer it.
func (qs *questions) endLocked(q *question) {
	delete(qs.open, q.id)
	q.met(q.missing...)
	q.timer.Stop()
	if q.stop != nil {
		q.stop()
	}
}

// giveUp answers a question with what is known, and an error: that of its context, or that peers did not answer in time.
func (qs *questions) giveUp(q *question, err error) {
	qs.mu.Lock()
	if qs.open[q.id] != q {
		qs.mu.Unlock()
		return
	}
	qs.endLocked(q)
	if err == nil {
		err = fmt.Errorf("%w: %s", ErrIncomplete, q.names())
	}
	qs.mu.Unlock()
	q.answered(q.sum, err)
}

// names lists those that did not answer.
func (q *question) names() string {
	names := make([]string, 0, len(q.missing))
	for _, p := range q.missing {
		names = append(names, p.inc.Tag)
	}
	return strings.Join(names, ", ")
}

// gone counts a peer as zero wherever it is missing.
func (qs *questions) gone(p *peer) {
	qs.mu.Lock()
	var waiting []uint64
	for id, q := range qs.open {
		if slices.Contains(q.missing, p) {
			waiting = append(waiting, id)
		}
	}
	qs.mu.Unlock()
	slices.Sort(waiting)
	for _, id := range waiting {
		qs.part(id, p, gateway.Result{}, nil)
	}
}

// close answers what is open.
func (qs *questions) close() {
	qs.mu.Lock()
	var open []*question
	for _, q := range qs.open {
		open = append(open, q)
	}
	qs.mu.Unlock()
	for _, q := range open {
		qs.giveUp(q, errLeft)
	}
}

// answer takes the answer of a peer.
func (p *peer) answer(body []byte) error {
	r := *newReader(body)
	id := r.Number()
	if r.Failed {
		return errMalformed
	}
	result, err := gateway.ParseResult(r.Rest)
	p.b.questions.part(id, p, result, err)
	return nil
}
