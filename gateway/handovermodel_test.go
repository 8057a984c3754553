package gateway_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// The model of the hand-over makes schedules at random: two to four nodes send to one client, have it
// join and leave a group, and the client loses its transport and comes back anywhere. What is on the
// links between the nodes is delivered one by one. In some schedules nodes crash. By hand:
//
//	go test ./gateway -run TestN43 -moves.schedules 100000 -moves.first 5000
var (
	movesSchedules = flag.Int("moves.schedules", 1000, "how many schedules the model of the hand-over runs")
	movesFirst     = flag.Uint64("moves.first", 1, "number of the first schedule")
)

// movesSeen is what has happened in any schedule.
type movesSeen map[string]int

// moveModel is one schedule.
type moveModel struct {
	t      *testing.T
	rand   *rand.Rand
	seen   movesSeen
	net    *moveNet
	client *gatewaytest.Client
	at     *moveNode        // that has the client's transport
	taking chan takeOutcome // nil while the client does not dial another node
	taker  *moveNode        // that it dials then
	trace  []string

	// must are the messages that have to come, may those that may, by the node that has sent them.
	must, may map[string][]string
	numbers   map[string]int
	// reader is how far the records of the present transport have been read.
	read int
	next uint64 // the number of the next record on this transport
	got  []string
	said int

	group groupModel
	crash bool
	lost  bool // with the node that had it

	mu    sync.Mutex
	heard []string // by the application
	// full, if it is set, says whether the application takes no record. change is what is different about the nodes.
	full   func() bool
	change []func(*gateway.Options)
}

type takeOutcome struct {
	conn *gateway.Conn
	err  error
}

// groupModel is whether the client is in the group.
type groupModel struct {
	// member and busy: an answer is awaited, and what is sent to the group may or may not come.
	member, busy bool
	answers      chan bool
	texts        []string // that were sent to it
}

const moveID = "x0123456789"

// N43: nothing is lost, nothing comes twice, and what one node sends stays in order.
func TestN43ModelOfTheHandOver(t *testing.T) {
	seen, schedules := movesSeen{}, *movesSchedules
	if testing.Short() { // the race detector looks at fewer of them
		schedules /= 10
	}
	for n := *movesFirst; n < *movesFirst+uint64(schedules) && !t.Failed(); n++ {
		synctest.Test(t, func(t *testing.T) {
			m := &moveModel{t: t, rand: rand.New(rand.NewPCG(n, 7)), seen: seen, must: map[string][]string{}, may: map[string][]string{}, numbers: map[string]int{}}
			defer func() {
				if t.Failed() {
					t.Logf("schedule %d:\n%s", n, strings.Join(m.trace, "\n"))
				}
			}()
			m.run()
		})
	}
	t.Log(seen)
	if schedules >= 1000 {
		for _, what := range []string{"moved", "not taken", "back at the same node", "crash", "lost", "the taker crashed"} {
			require.NotZero(t, seen[what], what)
		}
	}
}

func (m *moveModel) note(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

func (m *moveModel) run() {
	m.build()
	m.group.answers = make(chan bool, 1)
	steps := 40 + m.rand.IntN(160)
	m.crash = m.rand.IntN(3) == 0
	for range steps {
		m.step()
		m.check()
		if m.lost || m.t.Failed() {
			return
		}
	}
	m.finish()
}

func (m *moveModel) gateway(tag string) *gateway.Gateway {
	return start(m.t, func(o *gateway.Options, n *node) {
		o.Node, o.Backplane, n.backend.Moves = tag, m.net.node(tag), true
		n.backend.OnRecord = func(_ *gateway.Conn, r gateway.Record) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.heard = append(m.heard, r.Message.Target)
		}
		n.backend.Full = func() bool { return m.full != nil && m.full() }
		n.backend.Storing = n.backend.Full
		for _, change := range m.change {
			change(o)
		}
	}).Gateway
}

func (m *moveModel) build() {
	m.net = &moveNet{rand: m.rand, links: make(map[[2]string][]func())}
	for _, tag := range []string{"a", "b", "c", "d"}[:2+m.rand.IntN(3)] {
		one := m.net.add(tag)
		one.Gateway = m.gateway(tag)
	}
	m.net.meet()
	at := m.net.nodes[m.rand.IntN(len(m.net.nodes))]
	m.at = at
	m.client = gatewaytest.Connect(m.t, at.Gateway, gatewaytest.Options{ID: moveID, Hub: "chat", User: "u", Numbers: true, Raw: false})
	m.settle()
	require.NoError(m.t, m.client.SayPing())
	m.settle()
	m.next = 1
	m.note("connected at %s", at.tag)
}

// settle delivers everything.
func (m *moveModel) settle() {
	for {
		synctest.Wait()
		if !m.net.deliver() {
			return
		}
	}
}

func (m *moveModel) step() {
	switch n := m.rand.IntN(100); {
	case n < 45:
		m.net.deliver()
	case n < 65:
		m.send()
	case n < 70:
		m.membership()
	case n < 77:
		m.say()
	case n < 80:
		if !m.at.dead {
			_ = m.client.SayAck(uint64(len(m.got)))
		}
	case n < 85:
		m.client.Leave()
		m.note("the transport is lost")
	case n < 93:
		m.redial()
	case n < 94 && m.crash:
		m.crashOne()
	default:
		synctest.Wait()
	}
	m.look()
}

func (m *moveModel) any() *moveNode {
	list := m.net.others(nil)
	return list[m.rand.IntN(len(list))]
}

// send sends a numbered message of a node.
func (m *moveModel) send() {
	from := m.any()
	m.numbers[from.tag]++
	text := fmt.Sprint(from.tag, m.numbers[from.tag])
	to, certain := m.target()
	err := func() error {
		_, err := from.Do(m.t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: to, Frames: message(m.t, text)})
		return err
	}()
	require.NoError(m.t, err)
	m.note("%s sends %s to %v, certain %v", from.tag, text, to, certain)
	m.may[from.tag] = append(m.may[from.tag], text)
	if certain {
		m.must[from.tag] = append(m.must[from.tag], text)
	}
	if to.Kind == gateway.TargetGroups {
		m.group.texts = append(m.group.texts, text)
	}
}

// target is where a message goes, and whether it has to come.
func (m *moveModel) target() (to gateway.Target, certain bool) {
	switch m.rand.IntN(5) {
	case 0:
		return gateway.Target{Kind: gateway.TargetConnections, IDs: []string{moveID}}, true
	case 1:
		return gateway.Target{Kind: gateway.TargetUsers, IDs: []string{"u"}}, true
	case 2:
		return all("another"), true
	}
	return gateway.Target{Kind: gateway.TargetGroups, IDs: []string{"g"}}, m.group.member && !m.group.busy
}

// membership has the client join or leave the group.
func (m *moveModel) membership() {
	if m.group.busy {
		return
	}
	m.group.busy = true
	verb := gateway.VerbJoin
	if m.group.member {
		verb = gateway.VerbLeave
		// What other nodes have sent to the group may come behind it.
		for from, texts := range m.must {
			m.must[from] = slices.DeleteFunc(texts, func(text string) bool { return slices.Contains(m.group.texts, text) })
		}
	}
	from, answers := m.any(), m.group.answers
	m.note("%s: verb %d", from.tag, verb)
	from.Start(m.t.Context(), &gateway.Command{Hub: "chat", Verb: verb, Target: conns(moveID), Group: "g"}, func(r gateway.Result, err error) {
		answers <- err == nil && r.Matched == 1
	})
}

func (m *moveModel) say() {
	if m.at.dead || m.client.Conn.IsAway() {
		return
	}
	m.said++
	_ = m.client.Feed(call(fmt.Sprint("s", m.said)))
}

// redial has the client come back to a node at random.
func (m *moveModel) redial() {
	if m.taking != nil {
		return
	}
	at := m.any()
	if c, dead := at.Lookup(moveID); c != nil && !dead {
		m.note("back at %s", at.tag)
		m.comes(at, c, nil)
		m.seen["back at the same node"]++
		return
	}
	var owners []string
	for _, o := range m.net.others(at) {
		if c, dead := o.Lookup(moveID); c != nil && !dead {
			owners = append(owners, o.tag)
		}
	}
	if len(owners) == 0 {
		return
	}
	owner := owners[m.rand.IntN(len(owners))]
	m.note("dials %s, which takes from %s", at.tag, owner)
	taking := make(chan takeOutcome, 1)
	m.taking, m.taker = taking, at
	placeholder := m.client
	go func() {
		c, err := at.TakeOver(m.t.Context(), gateway.Taking{ID: moveID, Owner: owner, Transport: placeholder})
		taking <- takeOutcome{c, err}
	}()
}

// look takes what has come meanwhile.
func (m *moveModel) look() {
	select {
	case o := <-m.taking:
		m.taking = nil
		m.comes(m.taker, o.conn, o.err)
	default:
	}
	select {
	case ok := <-m.group.answers:
		m.group.busy = false
		if ok {
			m.group.member = !m.group.member
		}
		m.note("answered %v, member %v", ok, m.group.member)
		if !ok && !m.crashed() {
			m.t.Errorf("a verb has not found the client")
		}
		if !ok { // the node that would have answered has crashed: nobody knows
			m.group.busy = true
		}
	default:
	}
	m.readAll()
}

func (m *moveModel) crashed() bool { return len(m.net.others(nil)) < len(m.net.nodes) }

// comes gives the connection the client's next transport.
func (m *moveModel) comes(at *moveNode, c *gateway.Conn, err error) {
	if err != nil {
		m.note("not taken: %v", err)
		m.seen["not taken"]++
		if !m.crashed() && !errors.Is(err, gateway.ErrMoving) && !errors.Is(err, gateway.ErrConnectionEnded) {
			m.t.Errorf("not taken: %v", err)
		}
		return
	}
	m.readAll() // what the former transport has brought
	if c.MayReturn() != nil {
		return
	}
	next, err := m.client.ReturnTo(c, gatewaytest.Options{})
	if err != nil {
		m.note("not back: %v", err)
		return
	}
	if m.client.Conn != c {
		m.seen["moved"]++
		m.note("taken")
	}
	m.readAll()
	m.client.Leave()
	m.client, m.at, m.read, m.next = next, at, 0, 0
	_ = m.client.SaySequence(1)
	for i := range m.said {
		_ = m.client.Feed(call(fmt.Sprint("s", i+1)))
	}
}

// readAll reads what the client has got.
func (m *moveModel) readAll() {
	if m.at.dead {
		return
	}
	records := m.client.Records()
	for _, r := range records[m.read:] {
		p, err := hubprotocol.Parse(hubprotocol.JSON, []byte(r))
		switch {
		case err != nil: // the answer to the handshake
		case p.Type == hubprotocol.Sequence:
			m.next = p.SequenceID
		case p.Type == hubprotocol.Invocation:
			m.record(p.Target)
		}
	}
	m.read = len(records)
}

// record takes a record of the client that has the next number.
func (m *moveModel) record(text string) {
	number := m.next
	m.next++
	switch have := uint64(len(m.got)); {
	case number == have+1:
		m.got = append(m.got, text)
	case number > have+1 || number == 0:
		m.t.Errorf("record %d, %s, comes behind %d records", number, text, have)
	case m.got[number-1] != text:
		m.t.Errorf("record %d was %s and is %s", number, m.got[number-1], text)
	}
}

// crashOne crashes a node.
func (m *moveModel) crashOne() {
	if len(m.net.others(nil)) < 3 {
		return
	}
	n := m.any()
	m.seen["crash"]++
	m.note("%s crashes", n.tag)
	m.readAll()
	if m.net.crash(n); m.taking != nil && m.taker == n {
		m.taking = nil
		m.seen["the taker crashed"]++
	}

	synctest.Wait()
	survives := false
	for _, o := range m.net.others(nil) {
		if c, dead := o.Lookup(moveID); c != nil && !dead {
			survives = true
		}
	}
	if !survives {
		m.seen["lost"]++
		m.lost = true
	}
	m.must[n.tag] = nil
	if m.group.busy {
		m.group.busy, m.group.member = true, false // nobody knows; it stays so
		m.group.answers = make(chan bool, 2)
	}
}

// check looks whether what has come is in order, and once.
func (m *moveModel) check() {
	last := map[string]int{}
	for _, text := range m.got {
		var n int
		from := text[:1]
		_, _ = fmt.Sscan(text[1:], &n)
		if n <= last[from] {
			m.t.Errorf("%s comes behind %s%d", text, from, last[from])
		}
		last[from] = n
		if !slices.Contains(m.may[from], text) {
			m.t.Errorf("%s must not come", text)
		}
	}
}

// finish lets everything come to rest, and looks for what is missing.
func (m *moveModel) finish() {
	for range 50 {
		m.settle()
		if m.look(); m.taking != nil {
			time.Sleep(time.Second)
			continue
		}
		if !m.at.dead && !m.client.Conn.IsAway() && m.client.Conn.IsOpen() && m.client.Conn.CloseRequested() == nil {
			break
		}
		m.redial()
		m.settle()
		m.look()
	}
	for range 4 {
		time.Sleep(time.Second)
		m.settle()
		m.look()
	}
	m.check()
	for from, texts := range m.must {
		for _, text := range texts {
			if !slices.Contains(m.got, text) {
				m.t.Errorf("%s of %s is missing; came: %v", text, from, m.got)
			}
		}
	}
	m.mu.Lock()
	for i, text := range m.heard {
		if text != fmt.Sprint("s", i+1) {
			m.t.Errorf("the application heard %v", m.heard)
			break
		}
	}
	if len(m.heard) != m.said {
		m.t.Errorf("the application heard %d of %d", len(m.heard), m.said)
	}
	m.mu.Unlock()
	found := 0
	for _, o := range m.net.others(nil) {
		if c, dead := o.Lookup(moveID); c != nil && !dead {
			found++
		}
		require.NoError(m.t, o.Check())
	}
	require.Equal(m.t, 1, found, "nodes that have it")
}
