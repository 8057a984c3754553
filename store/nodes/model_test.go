package nodes

import (
	"container/heap"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/store/stream"
)

var (
	modelRuns   = flag.Int("model.schedules", 300, "how many schedules the model tries")
	modelReplay = flag.Uint64("model.replay", 0, "the one schedule that the model runs again")
)

// world is a store and some nodes in a time of their own. Nodes are killed, hang for up to 30 s, are cut
// off for up to 40 s; their clocks are wrong by 1 % and are set now and then; the store has outages of
// up to 9 s, loses answers, delays writes, refuses right ones, and copies of it are old.
type world struct {
	rng    *rand.Rand
	now    time.Duration // the true time
	queue  simEvents
	serial int
	change changes

	rows     map[string]entry
	revision uint64
	old      []entry // what an old copy has
	down     time.Duration
	claimed  map[string]time.Duration
	buried   map[string]int
	// events are those of whose clients, by the incarnation that has them.
	events map[string]map[string]bool

	unlike bool // the nodes' leases differ
	nodes  []*simNode
	claims int
	wrong  []string
}

// changes are mutations of the rules that have to be noticed.
type changes struct {
	exchanged  bool // the times of fence and staleness
	fromAnswer bool // a renewal counts from its answer
	blind      bool // a claim does not say what it has seen
	ownLease   bool // who looks takes its own lease for that of the others
	noHeir     bool // anybody claims what a dead node had claimed
	hasty      bool // ends are told when what one dead node had was taken over
}

type simEvent struct {
	at     time.Duration
	serial int
	do     func()
}

type simEvents []simEvent

func (e simEvents) Len() int { return len(e) }
func (e simEvents) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e simEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *simEvents) Push(x any)   { *e = append(*e, x.(simEvent)) }
func (e *simEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (w *world) after(d time.Duration, do func()) {
	w.serial++
	heap.Push(&w.queue, simEvent{w.now + d, w.serial, do})
}

func (w *world) upTo(d time.Duration) time.Duration {
	return time.Duration(w.rng.Int64N(int64(d) + 1))
}

func (w *world) oneIn(n int) bool { return w.rng.IntN(n) == 0 }

// simNode is a node with a clock that is wrong.
type simNode struct {
	w      *world
	tag    string
	m      *machine
	lease  time.Duration
	drift  float64
	wall   time.Duration
	hangs  time.Duration // until then
	cut    time.Duration
	dead   bool
	busy   bool
	asked  int
	number int
}

func (n *simNode) clock() moment {
	mono := time.Duration(float64(n.w.now) * (1 + n.drift))
	return moment{mono, mono + n.wall}
}

// soon has the node do something, when it does not hang.
func (n *simNode) soon(d time.Duration, do func()) {
	n.w.after(d, func() {
		switch {
		case n.dead:
		case n.hangs > n.w.now:
			n.soon(n.hangs-n.w.now, do)
		default:
			do()
		}
	})
}

func (n *simNode) begin() {
	n.number++
	n.m = newMachine(timesOf(n.lease), fmt.Sprintf("%s-%d", n.tag, n.number), Record{Node: n.tag, Lease: n.lease, Keeps: !n.w.change.noHeir}, func(string) bool { return true }, n.clock())
	n.w.events[n.m.inc] = map[string]bool{n.m.inc: true}
	if n.w.change.ownLease {
		n.m.self.Lease = 0
	}
	if n.w.change.exchanged {
		n.m.times.fence, n.m.times.stale = n.m.times.stale, n.m.times.fence
		n.m.self.Lease = n.m.times.stale
	}
}

// lease is how long a node's lease lasts. Half of the worlds have nodes whose options differ.
func (w *world) lease() time.Duration {
	if !w.unlike {
		return DefaultLease
	}
	return DefaultLease + time.Duration(w.rng.IntN(3))*DefaultLease/2
}

// tick is the loop of a node.
func (n *simNode) tick() {
	n.soon(n.m.times.retry*2, n.tick)
	if n.m.own.claimed {
		n.begin()
	}
	if n.busy {
		return
	}
	r, ok := n.m.next(n.clock())
	if !ok {
		return
	}
	switch r.verb {
	case verbTakeOver:
		n.takeOver(n.m, r)
		return
	case verbBury:
		n.bury(n.m, r)
		return
	}
	n.busy = true
	n.asked++
	asked := n.asked
	answer := func(a response) {
		if n.asked != asked || !n.busy {
			return
		}
		n.busy = false
		if n.w.change.fromAnswer {
			r.began = n.clock()
			if n.m.own.doubt != nil {
				n.m.own.doubt.began = n.clock()
			}
		}
		n.m.done(r, a, n.clock())
	}
	n.soon(n.w.upTo(20*time.Millisecond), func() { n.send(r, answer) })
	n.soon(n.m.times.attempt, func() { answer(response{err: stream.ErrUnavailable}) })
}

// send gives a question to the network.
func (n *simNode) send(r request, answer func(response)) {
	w := n.w
	arrives := w.upTo(30 * time.Millisecond)
	switch {
	case n.cut > w.now || w.oneIn(100):
		return // lost
	case w.oneIn(50):
		arrives += w.upTo(10 * time.Second)
	}
	w.after(arrives, func() {
		if w.down > w.now {
			if w.oneIn(2) {
				return
			}
			w.after(w.down-w.now, func() { n.reply(w.serve(r), answer) })
			return
		}
		n.reply(w.serve(r), answer)
	})
}

func (n *simNode) reply(a response, answer func(response)) {
	if n.cut > n.w.now || n.w.oneIn(100) {
		return
	}
	n.soon(n.w.upTo(30*time.Millisecond), func() { answer(a) })
}

// serve is the store.
func (w *world) serve(r request) response {
	switch r.verb {
	case verbCheck:
		if e, ok := w.rows[r.inc]; ok {
			return response{entries: []entry{e}}
		}
		return response{err: stream.ErrNotFound}
	case verbLook:
		if w.oneIn(10) {
			return response{entries: w.old}
		}
		return response{entries: w.all()}
	}
	right := w.rows[r.inc].revision == r.revision || r.verb == verbClaim && w.change.blind
	if !right || w.oneIn(300) {
		return response{err: stream.ErrConflict}
	}
	w.revision++
	w.rows[r.inc] = entry{inc: r.inc, revision: w.revision, record: r.record, tombstone: r.verb == verbRelease}
	switch r.verb {
	case verbClaim:
		if _, again := w.claimed[r.inc]; !again {
			w.claimed[r.inc] = w.now
		}
		w.claims++
	case verbRelease:
		w.buried[r.inc]++
	}
	if w.oneIn(300) {
		return response{err: errors.New("the answer is wrong")}
	}
	return response{revision: w.revision}
}

func (w *world) all() (list []entry) {
	for _, e := range w.rows {
		list = append(list, e)
	}
	return list
}

// takeOver takes a while. It may fail when a part is done.
func (n *simNode) takeOver(m *machine, r request) {
	n.soon(n.w.upTo(3*time.Second), func() {
		if m.fenced(n.clock()) {
			m.done(r, response{err: stream.ErrUnavailable}, n.clock())
			return
		}
		maps.Copy(n.w.events[m.inc], n.w.events[r.inc])
		if n.w.oneIn(4) {
			m.done(r, response{err: stream.ErrUnavailable}, n.clock())
			return
		}
		clear(n.w.events[r.inc])
		m.done(r, response{}, n.clock())
		if n.w.change.hasty {
			for _, w := range m.others.work {
				w.state, w.revision = max(w.state, workTaken), 0
			}
		}
	})
}

// bury takes a while. Who tells that a client has ended has all that is to be told of it before.
func (n *simNode) bury(m *machine, r request) {
	n.soon(n.w.upTo(3*time.Second), func() {
		fenced := m.fenced(n.clock())
		for inc, of := range n.w.events {
			if !fenced && inc != m.inc && of[r.inc] {
				n.w.wrong = append(n.w.wrong, fmt.Sprintf("%s tells that the clients of %s have ended, and %s has events of theirs", m.inc, r.inc, inc))
			}
		}
		var err error
		if n.w.oneIn(4) || fenced {
			err = stream.ErrUnavailable
		}
		m.done(r, response{err: err}, n.clock())
	})
}

// report is what a node may do only if nobody else does it.
func (n *simNode) report() {
	n.soon(n.w.upTo(time.Second), n.report)
	if n.m == nil || n.m.fenced(n.clock()) {
		return
	}
	if at, claimed := n.w.claimed[n.m.inc]; claimed {
		n.w.wrong = append(n.w.wrong, fmt.Sprintf("%s reported at %v, and was claimed at %v", n.m.inc, n.w.now, at))
	}
}

// trouble is what goes wrong until end.
func (w *world) trouble(end time.Duration) {
	if w.now > end {
		return
	}
	w.after(w.upTo(10*time.Second), func() { w.trouble(end) })
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(6) {
	case 0, 1:
		n.hangs = max(n.hangs, w.now+w.upTo(30*time.Second))
	case 2:
		n.cut = max(n.cut, w.now+w.upTo(40*time.Second))
	case 3:
		w.down = max(w.down, w.now+w.upTo(9*time.Second))
	case 4:
		n.wall += w.upTo(20*time.Second) - 10*time.Second
	case 5:
		if w.oneIn(3) {
			n.die()
		}
	}
	w.old = w.all()
}

// die ends a node, which starts again later under its name.
func (n *simNode) die() {
	if n.dead {
		return
	}
	n.dead = true
	n.w.after(time.Second+n.w.upTo(30*time.Second), func() {
		n.dead, n.busy, n.hangs = false, false, 0
		n.begin()
		n.tick()
		n.report()
	})
}

// run lets a world go by, and checks it.
func run(seed uint64, change changes) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 1)), change: change, rows: make(map[string]entry),
		claimed: make(map[string]time.Duration), buried: make(map[string]int), events: make(map[string]map[string]bool),
	}
	w.unlike = w.oneIn(2)
	for i := range 2 + w.rng.IntN(4) {
		n := &simNode{w: w, tag: string(rune('a' + i)), lease: w.lease(), drift: (w.rng.Float64()*2 - 1) / 100}
		w.nodes = append(w.nodes, n)
		n.begin()
		n.soon(w.upTo(time.Second), n.tick)
		n.soon(w.upTo(time.Second), n.report)
	}
	const busy, calm = 90 * time.Second, 150 * time.Second
	w.after(10*time.Second, func() { w.trouble(busy) })
	for len(w.queue) > 0 {
		e := heap.Pop(&w.queue).(simEvent)
		if e.at > busy+calm {
			break
		}
		w.now = e.at
		e.do()
	}
	w.finish()
	return w
}

// finish checks that everything has come to its end.
func (w *world) finish() {
	for _, n := range w.nodes {
		if n.m.fenced(n.clock()) {
			w.wrong = append(w.wrong, n.m.inc+" is fenced at the end")
		}
		if _, claimed := w.claimed[n.m.inc]; claimed {
			w.wrong = append(w.wrong, n.m.inc+" lives and was claimed")
		}
	}
	for inc, e := range w.rows {
		live := false
		for _, n := range w.nodes {
			live = live || n.m.inc == inc
		}
		if !live && !e.tombstone {
			w.wrong = append(w.wrong, inc+" is dead and was not buried")
		}
		if w.buried[inc] > 1 {
			w.wrong = append(w.wrong, inc+" was buried twice")
		}
	}
}

func TestModelOfLeases(t *testing.T) {
	if *modelReplay != 0 {
		require.Empty(t, run(*modelReplay, changes{}).wrong)
		return
	}
	claims := 0
	for seed := range uint64(*modelRuns) {
		w := run(seed+1, changes{})
		require.Empty(t, w.wrong, "-model.replay %d", seed+1)
		claims += w.claims
	}
	require.NotZero(t, claims)
	t.Log(*modelRuns, "schedules,", claims, "claims")
}

// The model notices what it is there for.
func TestModelNoticesWrongRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		change changes
	}{
		{"fence and staleness exchanged", changes{exchanged: true}},
		{"a renewal counts from its answer", changes{fromAnswer: true}},
		{"a claim does not say what it has seen", changes{blind: true}},
		{"who looks takes its own lease for that of the others", changes{ownLease: true}},
		{"anybody claims what a dead node had claimed", changes{noHeir: true}},
		{"ends are told when what one dead node had was taken over", changes{hasty: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(2000) {
				if w := run(seed+1, c.change); len(w.wrong) > 0 {
					t.Log("noticed by schedule", seed+1, w.wrong[0])
					return
				}
			}
			require.Fail(t, "not noticed")
		})
	}
}
