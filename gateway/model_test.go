//go:build unix

package gateway

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
)

// The model test makes schedules at random: everything that can happen to a few
// connections, in any order, one step at a time. Workers, pumps and readers move
// only when the schedule says so, so that a step is what the locks of the core make
// one. After each step the rules (modelrules_test.go) must hold, and at the end of a
// schedule everything that was promised must have come true.
//
// The same number makes the same schedule. By hand:
//
//	go test ./gateway -run TestModel -model.schedules 1000000 -model.first 5000
//	go test ./gateway -run TestModel -model.replay 4711
var (
	modelSchedules = flag.Int("model.schedules", 4000, "how many schedules the model test runs")
	modelFirst     = flag.Uint64("model.first", 1, "number of the first schedule")
	modelReplay    = flag.Uint64("model.replay", 0, "number of the one schedule to run, whose steps are printed")
)

// modelBatch is how many schedules share a bubble of fake time.
const modelBatch = 200

func TestModelOfAConnection(t *testing.T) {
	if *modelReplay != 0 {
		synctest.Test(t, func(t *testing.T) {
			m := newModel(*modelReplay, newModelSeen())
			m.run()
			t.Log(strings.Join(m.trace, "\n"))
			require.Empty(t, m.broken)
		})
		return
	}
	seen, schedules := newModelSeen(), *modelSchedules
	if testing.Short() { // the race detector looks at fewer of them
		schedules /= 10
	}
	for next, last := *modelFirst, *modelFirst+uint64(schedules); next < last && !t.Failed(); {
		synctest.Test(t, func(t *testing.T) {
			for n := 0; n < modelBatch && next < last; n++ {
				m := newModel(next, seen)
				m.run()
				if m.broken != "" {
					t.Fatalf("schedule %d: %s\nits last steps:\n%s\nreplay: go test ./gateway -run TestModel -model.replay %d",
						next, m.broken, strings.Join(m.trace[max(0, len(m.trace)-40):], "\n"), next)
				}
				next++
			}
		})
	}
	if schedules >= 4000 {
		t.Log(seen)
		seen.enough(t)
	}
}

// modelSeen is what has happened in any schedule. A model in which the interesting
// things do not happen shows nothing.
type modelSeen map[string]int

func newModelSeen() modelSeen { return modelSeen{} }

func (s modelSeen) enough(t *testing.T) {
	want := []string{
		"a worker left a tail", "the pump was inside at the handshake", "the reader waited", "the reader waited when it was ended",
		"an end during the handshake", "everything was delivered", "a close was early", "an id was used again", "the clock was set",
		"a producer waited", "held records were given up", "a panic of a session", "the peer was probed", "a drain",
		"a membership while arriving", "a polite end",
		"nothing was dropped", "lost during a write", "a client came back", "a fallback", "a fallback may have missed some", "messages were missed", "a former pump came out", "a silent transport was given up",
		"a return was told by another reader", "a client with numbers dialed again", "a client with numbers came back", "a record came again",
		"records of a client were acknowledged", "a partial record was forgotten",
		"a reader went on by itself", "a client ended before it was known", "records came before the client was known",
		"a panic of a reader that went on by itself",
	}
	for _, what := range []string{
		"a tail", "a batch", "a failed write", "what is given again", "what was held while away", "an early transport",
		"a transport that is there", "something unsettled", "something settled", "a mark",
	} {
		want = append(want, "replaced: "+what)
	}
	for s := announced; s <= gone; s++ {
		want = append(want, fmt.Sprint("state ", s))
	}
	for _, r := range []CloseReason{
		CloseNormal, CloseThrottled, ClosePingTimeout, CloseSlowClient, CloseHandshakeError, CloseBadRequest,
		CloseClosedByAppServer, CloseServiceReload, CloseUnauthorized, CloseServiceTransientError,
		CloseDisconnectTimeout, CloseMissedMessages,
	} {
		want = append(want, "reason "+string(r))
	}
	for _, what := range want {
		require.NotZero(t, s[what], "in no schedule: %s", what)
	}
}

// model is one schedule in progress.
type model struct {
	seed   uint64
	rand   *rand.Rand
	seen   modelSeen
	g      *Gateway
	queues [][]op      // what the workers have taken and not carried out
	plane  *modelPlane // nil if there are no other nodes
	conns  []*modelConn
	keys   map[*hubprotocol.Frames]string
	number int // of the last message
	// transports is how many there were.
	transports int
	// running is the connection whose reader moves.
	running *modelConn
	// set is how far the wall clock was set.
	set    time.Duration
	trace  []string
	broken string
}

const modelHub = "chat"

// modelLimits are small, so that schedules meet them.
var modelLimits = Limits{
	HandshakeBytes: 200, MessageBytes: 2000, UnfinishedBytes: 2500, MaxGroups: 2,
	Queues:  Queues{OutboxBytes: 3000, OutboxMaxBytes: 9000, HubQueuedBytes: 20_000},
	Periods: Periods{KeepAlive: 15 * time.Second, Timeout: 30 * time.Second, Handshake: 15 * time.Second, Detached: 15 * time.Second, Away: modelAway},
}

func newModel(seed uint64, seen modelSeen) *model {
	m := &model{seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), seen: seen, keys: make(map[*hubprotocol.Frames]string)}
	opts := Options{
		Node: "a", Backend: modelBackend{m}, UserGroups: modelStore{m}, Workers: 1 + m.rand.IntN(2),
		Limits: func() Limits { return modelLimits },
		Now:    func() time.Time { return time.Now().Add(m.set) },
	}
	if m.chance(50) {
		m.plane = &modelPlane{m: m, names: make(map[Name]*modelName)}
		opts.Backplane = m.plane
	}
	g, err := build(opts)
	if err != nil {
		panic(err)
	}
	g.keeping = modelKeeping
	if m.plane != nil {
		g.plane.start = m.plane.start
	}
	m.g, m.queues = g, make([][]op, len(g.workers))
	return m
}

func (m *model) note(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

// breaks says that a rule does not hold. The first counts.
func (m *model) breaks(format string, args ...any) {
	if m.broken == "" {
		m.broken = fmt.Sprintf(format, args...)
	}
}

func (m *model) chance(percent int) bool { return m.rand.IntN(100) < percent }

func (m *model) run() {
	defer m.end()
	most := 70
	if m.chance(20) {
		most = 250
	}
	for range 10 + m.rand.IntN(most) {
		m.step()
		if m.check(); m.broken != "" {
			return
		}
	}
	m.finish()
}

// step takes steps at random until one was possible.
func (m *model) step() {
	for range 100 {
		n := m.rand.IntN(modelWeight)
		for i := range modelSteps {
			s := &modelSteps[i]
			if n -= s.weight; n >= 0 {
				continue
			}
			if m.try(s) {
				return
			}
			break
		}
	}
}

func (m *model) try(s *modelStep) bool {
	before, done := len(m.trace), false
	if s.alone != nil {
		m.note("%s", s.name)
		done = s.alone(m)
	} else if len(m.conns) > 0 {
		c := m.conns[m.rand.IntN(len(m.conns))]
		m.note("%d: %s", c.index, s.name)
		done = s.of(c)
	}
	if !done {
		m.trace = m.trace[:before]
	}
	return done
}

// finish lets everybody do what they should and sees that all comes to its end.
func (m *model) finish() {
	m.note("everybody does what they should")
	m.settle()
	for _, c := range m.conns {
		c.checkComplete()
	}
	m.checkNothingDropped()
	if m.check(); m.broken != "" {
		return
	}
	m.endAll()
	for range 4 {
		m.settle()
		for range 11 {
			m.pass(time.Second)
		}
	}
	m.settle()
	m.check()
	for _, c := range m.conns {
		c.checkGone()
	}
	m.checkEmpty()
}

// endAll ends what is left in one of several ways.
func (m *model) endAll() {
	switch m.rand.IntN(4) {
	case 0:
		m.note("the gateway closes")
		m.permit(CloseServiceReload)
		m.g.ending.draining.Store(true)
		m.g.conns.each(func(c *Conn) { c.cutOff(Cause{Reason: CloseServiceReload, AllowReconnect: true}) })
	case 1:
		m.note("drain")
		m.drain()
	case 2:
		m.note("all are closed by verb")
		m.permit(CloseClosedByAppServer)
		for _, c := range m.conns {
			m.verb(&Command{Hub: modelHub, Verb: VerbClose, Target: Target{Kind: TargetConnections, IDs: []string{c.conn.id.ID}}, Cause: goAway})
		}
	}
	for _, c := range m.conns {
		c.leave()
	}
}

// permit says that all connections may end for the reason from now on.
func (m *model) permit(why CloseReason) {
	for _, c := range m.conns {
		c.why[why] = true
	}
}

func (m *model) verb(cmd *Command) {
	m.g.Start(context.Background(), cmd, func(Result, error) {})
}

// drain does what Drain does to connections.
func (m *model) drain() {
	m.seen["a drain"]++
	m.permit(CloseServiceReload)
	m.g.ending.draining.Store(true)
	for _, c := range m.conns {
		c.conn.Close(reloadCause)
	}
}

// end leaves no goroutine and no socket behind.
func (m *model) end() {
	for _, c := range m.conns {
		c.stop(Cause{Reason: CloseNormal})
		for c.reader.feeding {
			c.session.full = false
			c.conn.Close(Cause{Reason: CloseNormal})
			c.conn.Resume()
			c.unpark(parkGo)
			synctest.Wait()
			c.fed()
		}
		c.raw.release()
		if r := c.comings; r != nil {
			for _, t := range r.former {
				t.raw.release()
			}
			for _, d := range r.dialed {
				d.t.raw.release()
			}
		}
	}
}

// settle lets everything go on until nothing moves any more.
func (m *model) settle() {
	for range 10_000 {
		moved := m.work(1 << 20)
		moved = m.plane.settle() || moved
		for _, c := range m.conns {
			moved = c.goOn() || moved
		}
		if m.check(); !moved || m.broken != "" {
			return
		}
	}
	m.breaks("it never comes to rest")
}

// work lets the workers carry out what waits for them, at most so many ops each.
func (m *model) work(most int) (moved bool) {
	for i, w := range m.g.workers {
		for n := 0; n < most; {
			if len(m.queues[i]) == 0 && len(w.queue.ops) == 0 {
				break
			}
			if len(w.queue.ops) > 0 {
				ops, _ := w.queue.take(nil)
				m.queues[i] = append(m.queues[i], ops...)
			}
			w.look()
			ops := m.queues[i][:min(len(m.queues[i]), most-n)]
			m.expect(ops[:max(1, joinable(ops))])
			if o, ok := ops[0].(*replaceOp); ok {
				m.sees(o)
			}
			done := w.pass(ops)
			m.arrivals()
			m.queues[i], n, moved = m.queues[i][done:], n+done, true
			m.seen["a close was early"] += len(w.early)
		}
	}
	return moved
}

// readers waits until no reader moves by itself.
func (m *model) readers() {
	for _, c := range m.conns {
		if c.reader.feeding {
			synctest.Wait()
			break
		}
	}
	m.running = nil
	for _, c := range m.conns {
		c.fed()
	}
}

// expect notes who has to get what the ops send.
func (m *model) expect(ops []op) {
	queued := map[*modelConn]int{}
	count := func(c *modelConn, size int) {
		if queued[c] += size; c.conn.held().bytes+c.conn.out.unacked+queued[c] > modelLimits.OutboxMaxBytes-500 {
			c.why[CloseSlowClient] = true
		}
	}
	for _, o := range ops {
		if f, ok := o.(*frameOp); ok {
			count(modelOf(f.conn), len(f.frame.Bytes))
		}
		s, ok := o.(*sendOp)
		if !ok {
			continue
		}
		key := m.keys[s.frames]
		if s.frames == nil {
			if s.one.control { // a ping may be what is too much
				s.to.each(func(to *Conn) { count(modelOf(to), len(s.one.Bytes)) })
				continue
			}
			key = modelKey(s.one.Bytes)
		}
		s.to.each(func(to *Conn) {
			c := modelOf(to)
			if c.isMarked() {
				record := s.one.Bytes
				if s.frames != nil {
					record, _ = s.frames.For(modelMarked)
				}
				if record == nil {
					return // it has no form for such a client
				}
				c.comings.records[key] = &modelSent{marked: record[0] != '|', size: len(record), at: m.g.now()}
			}
			c.client.expected = append(c.client.expected, key)
			count(c, s.size)
		})
	}
}

func modelOf(c *Conn) *modelConn { return c.transport.(interface{ self() *modelConn }).self() }

// pass lets time go by and looks at the deadlines.
func (m *model) pass(d time.Duration) {
	time.Sleep(d)
	for _, c := range m.conns {
		if c.comings != nil {
			for _, t := range c.comings.former {
				t.later()
			}
		}
		c.later()
	}
	m.sweep()
}

func (m *model) sweep() {
	at := moment{now: m.g.now(), wall: m.g.opts.Now(), limits: m.g.opts.Limits()}
	for _, c := range m.conns {
		c.expectSweep(&at)
		c.conn.sweep(&at)
		c.checkSwept(&at)
	}
	for _, w := range m.g.workers {
		if w.earlyCount.Load() > 0 {
			w.queue.push(earlyOp{})
		}
	}
	m.g.conns.forget(m.g.opts.Now())
}
