package cluster

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	modelSchedules = flag.Int("model.schedules", 1000, "schedules that the model of links tries out")
	modelReplay    = flag.Uint64("model.replay", 0, "the one schedule to run again")
)

// modelEnd is one end of a link in the model, with what it was told to send and what it got.
type modelEnd struct {
	link *link
	// queued is how many commands were handed over, got the numbers of those that came.
	handed, got []uint64
	refused     int
	// filter is the last Filter frame that came.
	filter uint64
	// inFlight are packets on their way to the other end.
	inFlight [][]byte
	// cut: what is produced is lost. held: what is in flight stays there.
	cut, held bool
	next      uint64
}

// modelLink is two ends of a link and what is between them.
type modelLink struct {
	r    *rand.Rand
	ends [2]*modelEnd
	now  time.Duration
	// log is what happened, for a schedule that failed.
	log []string
}

func newModelLink(seed uint64) *modelLink {
	m := &modelLink{r: rand.New(rand.NewPCG(seed, 1))}
	incs := [2]Inc{{"a", 1}, {"b", 2}}
	for i := range m.ends {
		cfg := testConfig(incs[i])
		m.ends[i] = &modelEnd{link: newLink(incs[1-i], cfg)}
	}
	return m
}

// testConfig is one of a node whose links are easily full.
func testConfig(self Inc) *linkConfig {
	cfg := &linkConfig{packet: 400, frame: 4 << 10, queue: 4 << 10, keys: [][]byte{[]byte("key")}}
	cfg.window.Store(1 << 10)
	cfg.hello = hello{versions: ourVersions, from: self, about: about{frame: 4 << 10}}
	return cfg
}

func (m *modelLink) note(format string, args ...any) {
	if *modelReplay == 0 {
		return
	}
	m.log = append(m.log, fmt.Sprintf("%v ", m.now)+fmt.Sprintf(format, args...))
}

// step does one thing at random.
func (m *modelLink) step() error {
	i := m.r.IntN(2)
	e := m.ends[i]
	switch n := m.r.IntN(100); {
	case n < 25:
		m.push(i)
	case n < 55:
		m.produce(i)
	case n < 85:
		return m.deliver(i)
	case n < 88: // a tail is lost without a word
		if len(e.inFlight) > 0 {
			keep := m.r.IntN(len(e.inFlight))
			m.note("%d loses %d of %d", i, len(e.inFlight)-keep, len(e.inFlight))
			e.inFlight = e.inFlight[:keep]
		}
	case n < 90:
		e.cut = !e.cut && m.r.IntN(4) == 0
		m.note("%d cut %v", i, e.cut)
	case n < 92:
		e.held = !e.held && m.r.IntN(4) == 0
		m.note("%d held %v", i, e.held)
	case n < 98 || m.r.IntN(8) > 0:
		m.pass(time.Duration(m.r.IntN(200)) * time.Millisecond)
	default:
		long := time.Duration(m.r.IntN(7000)) * time.Millisecond
		if m.r.IntN(4) == 0 {
			m.pass(long) // both ends stand still
			return nil
		}
		m.wait(long)
	}
	return nil
}

// push hands over a command, or queues a frame that is none.
func (m *modelLink) push(i int) {
	e := m.ends[i]
	e.next++
	size := 8 + m.r.IntN(100)
	if m.r.IntN(10) == 0 {
		size = 8 + m.r.IntN(2000)
	}
	body := make([]byte, size)
	for j := range body {
		body[j] = byte(e.next + uint64(j))
	}
	binary.BigEndian.PutUint64(body, e.next)
	if m.r.IntN(4) == 0 {
		e.link.push([]frameType{frameAnswer, frameFilter}[m.r.IntN(2)], body)
		return
	}
	e.handed = append(e.handed, e.next)
	if !e.link.pushCommand(body[:len(body)/3], body[len(body)/3:]) {
		e.refused++
	}
}

func (m *modelLink) produce(i int) {
	e := m.ends[i]
	worked := e.link.hasWork()
	p := e.link.produce(nil, m.now)
	switch {
	case worked != (len(p) > 0):
		panic(fmt.Sprintf("hasWork says %v, and %d bytes are produced", worked, len(p)))
	case len(p) > 400:
		panic("a packet that is too large")
	case len(p) > 0 && !e.cut:
		e.inFlight = append(e.inFlight, p)
	}
}

// deliver takes the first packet that is under way from one end to the other.
func (m *modelLink) deliver(from int) error {
	e, to := m.ends[from], m.ends[1-from]
	if len(e.inFlight) == 0 || e.held {
		return nil
	}
	p := e.inFlight[0]
	e.inFlight = e.inFlight[1:]
	var happened event
	if packetKind(p[1]) == packetHello {
		h, proven, err := parseHello(p, [][]byte{[]byte("key")})
		if err != nil || !proven {
			return fmt.Errorf("a Hello that cannot be read: %v", err)
		}
		happened = to.link.heardHello(&h, m.now)
	} else {
		happened = to.link.heard(p, m.now)
	}
	m.note("%d hears kind %d: event %d, %d frames; session %d of %d, newest %d, %d doubtful of session %d %d", 1-from, p[1], happened, len(to.link.in.ready), to.link.mine, to.link.theirs, to.link.newest, to.link.books.doubtful, to.link.books.doubt.mine, to.link.books.doubt.theirs)
	if happened&refused != 0 && to.link.their.bye != ByeSilent || to.link.wants.bye != nil && to.link.wants.bye.why != ByeSilent {
		return fmt.Errorf("end %d says Bye", 1-from)
	}
	for _, f := range to.link.taken() {
		if err := to.take(f); err != nil {
			return err
		}
	}
	to.link.carriedOut(0, m.r.IntN(10) == 0)
	return nil
}

func (e *modelEnd) take(f frame) error {
	n := binary.BigEndian.Uint64(f.body)
	for j := 8; j < len(f.body); j++ {
		if f.body[j] != byte(n+uint64(j)) {
			return fmt.Errorf("frame %d has changed", n)
		}
	}
	if f.kind == frameCommand {
		if len(e.got) > 0 && e.got[len(e.got)-1] >= n {
			return fmt.Errorf("command %d behind %d", n, e.got[len(e.got)-1])
		}
		e.got = append(e.got, n)
	}
	if f.kind == frameFilter {
		if n <= e.filter {
			return fmt.Errorf("Filter frame %d behind %d", n, e.filter)
		}
		e.filter = n
	}
	return nil
}

func (m *modelLink) pass(d time.Duration) {
	m.now += d
	for i, e := range m.ends {
		if happened := e.link.tick(m.now); happened != 0 {
			m.note("%d: time makes event %d", i, happened)
		}
		if e.link.state == idle && m.r.IntN(3) == 0 {
			e.link.greet(m.now) // it hears a beacon
		}
	}
}

// wait lets time go by as in processes that run.
func (m *modelLink) wait(d time.Duration) {
	for ; d > 0; d -= standstill / 2 {
		m.pass(min(d, standstill/2))
	}
}

// check holds at any moment.
func (m *modelLink) check() error {
	for i, e := range m.ends {
		b := &e.link.books
		sent, unsent := e.link.out.undone()
		dropped := b.dropped.Get(DropPeerBehind) + b.dropped.Get(DropPeerLost)
		if b.handed != uint64(len(e.handed)) || b.handed != b.acknowledged+dropped+sent+unsent+b.doubtful {
			return fmt.Errorf("books of %d: %d handed, %d acknowledged, %d dropped, %d and %d queued, %d doubtful", i, b.handed, b.acknowledged, dropped, sent, unsent, b.doubtful)
		}
		cost := [2]int{}
		for at, number := e.link.out.head, e.link.out.first; at < len(e.link.out.units); at, number = at+1, number+1 {
			waits := 0
			if number >= e.link.out.next {
				waits = 1
			}
			cost[waits] += e.link.out.units[at].cost()
		}
		for j := range e.link.out.urgent {
			cost[1] += e.link.out.urgent[j].cost()
		}
		if cost != [2]int{e.link.out.unacked, e.link.out.waiting} {
			return fmt.Errorf("%d: %d and %d bytes are kept, %d and %d counted", i, cost[0], cost[1], e.link.out.unacked, e.link.out.waiting)
		}
		if got := uint64(len(m.ends[1-i].got)); got > b.handed || b.acknowledged > got {
			return fmt.Errorf("%d: %d acknowledged, %d came", i, b.acknowledged, got)
		}
	}
	return nil
}

// rest lets everything go its way without faults, and then compares both ends.
func (m *modelLink) rest() error {
	for i := range 400 {
		m.pass(50 * time.Millisecond)
		for j, e := range m.ends {
			e.cut, e.held = false, false
			for e.link.hasWork() {
				m.produce(j)
			}
			for len(e.inFlight) > 0 {
				if err := m.deliver(j); err != nil {
					return err
				}
			}
		}
		if i > 150 && m.ends[0].link.out.total()+m.ends[1].link.out.total() == 0 {
			break
		}
	}
	for i, e := range m.ends {
		b, other := &e.link.books, m.ends[1-i]
		dropped := b.dropped.Get(DropPeerBehind) + b.dropped.Get(DropPeerLost)
		if b.doubtful != 0 || e.link.out.total() != 0 || e.link.state != open {
			return fmt.Errorf("%d is not at rest: state %d, %d doubtful, %d bytes", i, e.link.state, b.doubtful, e.link.out.total())
		}
		if b.acknowledged != uint64(len(other.got)) || b.acknowledged != other.link.books.received || b.handed != b.acknowledged+dropped {
			return fmt.Errorf("%d: %d handed, %d acknowledged, %d dropped; %d came", i, b.handed, b.acknowledged, dropped, len(other.got))
		}
	}
	return nil
}

func runModelLink(seed uint64) (m *modelLink, err error) {
	m = newModelLink(seed)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	m.ends[0].link.greet(m.now)
	for range 100 + m.r.IntN(600) {
		if err := m.step(); err != nil {
			return m, err
		}
		if err := m.check(); err != nil {
			return m, err
		}
	}
	return m, m.rest()
}

// Commands come exactly once and in order, whatever gets lost, is cut, comes late or begins anew,
// and the books of both ends agree in the end.
func TestN12ModelOfLinks(t *testing.T) {
	lost, behind, came := uint64(0), uint64(0), 0
	first, count := uint64(1), uint64(*modelSchedules)
	if *modelReplay > 0 {
		first, count = *modelReplay, 1
	}
	for seed := first; seed < first+count; seed++ {
		m, err := runModelLink(seed)
		if err != nil {
			if *modelReplay > 0 {
				for _, line := range m.log {
					t.Log(line)
				}
			}
			t.Fatalf("schedule %d: %v", seed, err)
		}
		for _, e := range m.ends {
			lost += e.link.books.dropped.Get(DropPeerLost)
			behind += e.link.books.dropped.Get(DropPeerBehind)
			came += len(e.got)
		}
	}
	t.Logf("%d schedules: %d commands came, %d were lost with a session, %d found their peer behind", count, came, lost, behind)
	if *modelReplay == 0 && (came == 0 || lost == 0 || behind == 0) {
		t.Fatal("the schedules do not reach what they are about")
	}
}
