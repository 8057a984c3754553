package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// whole is three gateways, clients that come, join, leave and go on all of them, and everybody sending
// to everybody, while links are slow, lose packets and are cut. It knows which message each client has
// to get, and which it must not get.
type whole struct {
	*nodes
	random *rand.Rand

	mu      sync.Mutex // guards what follows; most of it happens in goroutines that wait for answers
	wg      sync.WaitGroup
	clients []*wholeClient
	number  int
	// sent are the messages by their text: the node that sent each, and its number there.
	sent map[string]sentBy
	by   map[string]int
	// faulty is set while something is wrong with a link, and for a while after.
	faulty bool
	calm   time.Time
}

type sentBy struct {
	node   string
	number int
	target gateway.Target
}

// wholeClient is one client, and what is certain of it.
type wholeClient struct {
	*gatewaytest.Client
	node     *node
	id, user string
	// ready: its handshake was answered. known: and no link was faulty, so that all nodes know it.
	ready, known, left bool
	// in are groups in which it is for certain, maybe those in which it may be.
	in, maybe map[string]bool
	// out are groups that it has left, with the number of messages that were sent before that was
	// answered.
	out map[string]int
	// must are messages that it has to get.
	must map[string]bool
}

// mayGet reports whether a message can reach the client. What was sent before it came or joined may
// have been under way.
func (c *wholeClient) mayGet(text string, target gateway.Target) bool {
	name := target.IDs
	switch target.Kind {
	case gateway.TargetConnections:
		return name[0] == c.id
	case gateway.TargetUsers:
		return name[0] == c.user
	case gateway.TargetGroups:
		var number int
		_, _ = fmt.Sscanf(text, "m%d", &number)
		out, left := c.out[name[0]]
		return c.maybe[name[0]] || left && number < out
	}
	return target.Except[0] != c.id
}

// wholeGroups are groups with members on all nodes.
var wholeGroups = []string{"everywhere", "everywhere else"}

// group chooses one of these, or one of those that are of interest for a while.
func (w *whole) group() string {
	if n := w.random.IntN(10); n < 2 {
		return wholeGroups[n]
	}
	return fmt.Sprint("group", len(w.sent)/100*5+w.random.IntN(8))
}

func TestN12EverythingAtOnce(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &whole{nodes: startNodes(t, 3), random: rand.New(rand.NewPCG(seed, 5)), sent: make(map[string]sentBy), by: make(map[string]int)}
				steps := 2500
				if raced {
					steps = 400
				}
				w.run(steps)
			})
		})
	}
}

func (w *whole) run(steps int) {
	for _, n := range w.list { // the hub and two groups are known everywhere, whatever comes
		c := w.connect(n)
		w.wg.Wait()
		for _, group := range wholeGroups {
			w.join(c, group)
		}
	}
	w.wg.Wait()
	for range steps {
		w.step()
		if w.random.IntN(3) > 0 {
			time.Sleep(time.Duration(w.random.IntN(3000)) * time.Microsecond)
		}
	}
	w.heal()
	w.wg.Wait()
	time.Sleep(6 * time.Second)
	w.meet()
	for range 20 {
		w.send()
	}
	w.atRest()
	synctest.Wait()
	w.check()
	w.end()
}

func (w *whole) one() *wholeClient {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clients[w.random.IntN(len(w.clients))]
}

func (w *whole) step() {
	switch n := w.random.IntN(100); {
	case n < 60:
		w.send()
	case n < 68:
		w.connect(w.list[w.random.IntN(len(w.list))])
	case n < 80:
		w.join(w.one(), w.group())
	case n < 85:
		w.leaveGroup(w.one(), w.group())
	case n < 89:
		if i := w.random.IntN(len(w.clients)); i >= len(w.list) {
			w.leave(w.clients[i])
		}
	case n < 94:
		w.count()
	default:
		w.fault()
	}
}

// fault breaks a way, or mends all.
func (w *whole) fault() {
	if w.faulty && time.Since(w.calm) > 0 || w.random.IntN(3) == 0 {
		w.heal()
		return
	}
	from, to := w.list[w.random.IntN(3)].tag, w.list[w.random.IntN(3)].tag
	if from == to {
		return
	}
	kind := w.random.IntN(4)
	w.net.Set(from, to, func(f *clustertest.Fault) {
		switch kind {
		case 0:
			f.Cut = true
		case 1:
			f.Held = true
		case 2:
			f.Lose = 1 + w.random.IntN(20)
		default:
			f.Delay = time.Duration(w.random.IntN(30)) * time.Millisecond
			return // slow is not faulty
		}
		if !w.faulty {
			w.mu.Lock()
			w.faulty = true
			w.mu.Unlock()
		}
		// A link that is cut for four seconds loses nothing.
		if w.calm.IsZero() {
			w.calm = time.Now().Add(time.Duration(w.random.IntN(3500)) * time.Millisecond)
			time.AfterFunc(time.Until(w.calm), w.net.Heal)
		}
	})
}

func (w *whole) heal() {
	w.net.Heal()
	w.mu.Lock()
	w.faulty, w.calm = false, time.Time{}
	w.mu.Unlock()
	time.Sleep(2 * time.Second) // whoever was late has caught up
}

// waits does something that has to be answered by other nodes, beside what goes on.
func (w *whole) waits(do func()) { w.wg.Go(do) }

func (w *whole) connect(n *node) *wholeClient {
	w.number++
	c := &wholeClient{node: n, id: fmt.Sprint(n.tag, w.number), user: fmt.Sprint("user", w.random.IntN(8)),
		in: make(map[string]bool), maybe: make(map[string]bool), out: make(map[string]int), must: make(map[string]bool)}
	w.mu.Lock()
	w.clients = append(w.clients, c)
	calm := !w.faulty
	w.mu.Unlock()
	begin := time.Now()
	c.Client = gatewaytest.Connect(w.t, n.Gateway, gatewaytest.Options{ID: c.id, Hub: "chat", User: c.user})
	w.waits(func() {
		c.Want(w.t.Context(), "{}")
		if waited := time.Since(begin); waited > 600*time.Millisecond {
			w.t.Errorf("a client waited %v for its handshake", waited)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		c.ready, c.known = true, calm && !w.faulty
	})
	return c
}

func (w *whole) join(c *wholeClient, group string) {
	w.mu.Lock()
	calm := !w.faulty
	if !c.ready || c.left || c.maybe[group] {
		w.mu.Unlock()
		return
	}
	c.maybe[group] = true
	delete(c.out, group)
	w.mu.Unlock()
	by := w.list[w.random.IntN(len(w.list))]
	target := conns(c.id)
	if !c.known {
		by = c.node // others may not know it
	}
	w.waits(func() {
		n, err := by.ask(gateway.Command{Verb: gateway.VerbJoin, Target: target, Group: group})
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil {
			require.ErrorIs(w.t, err, gateway.ErrIncomplete)
			return
		}
		if !c.left {
			require.Equal(w.t, 1, n)
		}
		c.in[group] = calm && !w.faulty || slices.Contains(wholeGroups, group)
	})
}

func (w *whole) leaveGroup(c *wholeClient, group string) {
	w.mu.Lock()
	if !c.ready || c.left || !c.in[group] || slices.Index(w.clients, c) < len(w.list) {
		w.mu.Unlock()
		return
	}
	delete(c.in, group)
	// What another node has sent to the group may come behind the leave.
	has := got(c.Client)
	for text := range c.must {
		if to := w.sent[text].target; to.Kind == gateway.TargetGroups && to.IDs[0] == group && !slices.Contains(has, text) {
			delete(c.must, text)
		}
	}
	w.mu.Unlock()
	by := w.list[w.random.IntN(len(w.list))]
	if !c.known {
		by = c.node
	}
	w.waits(func() {
		_, err := by.ask(gateway.Command{Verb: gateway.VerbLeave, Target: conns(c.id), Group: group})
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil {
			delete(c.maybe, group)
			c.out[group] = len(w.sent)
		}
	})
}

func (w *whole) leave(c *wholeClient) {
	w.mu.Lock()
	if !c.ready || c.left {
		w.mu.Unlock()
		return
	}
	c.left = true
	c.must = nil // what is under way is given up
	w.mu.Unlock()
	c.Leave()
}

// send sends from a node to somebody, and notes who has to get it.
func (w *whole) send() {
	n := w.list[w.random.IntN(len(w.list))]
	to, group := w.one(), w.group()
	var target gateway.Target
	var must func(c *wholeClient) bool
	w.mu.Lock()
	switch w.random.IntN(5) {
	case 0:
		target = gateway.Target{Kind: gateway.TargetAll, Except: []string{to.id}}
		must = func(c *wholeClient) bool { return c.ready && c != to }
	case 1:
		target = conns(to.id, "nobody")
		must = func(c *wholeClient) bool { return c == to && (c.known || c.node == n && c.ready) }
	case 2:
		target = users(to.user)
		must = func(c *wholeClient) bool { return c.user == to.user && (c.known || c.node == n && c.ready) }
	default:
		target = groups(group)
		must = func(c *wholeClient) bool { return c.in[group] }
	}
	w.by[n.tag]++
	text := fmt.Sprint("m", len(w.sent))
	w.sent[text] = sentBy{n.tag, w.by[n.tag], target}
	for _, c := range w.clients {
		if must(c) && !c.left {
			c.must[text] = true
		}
	}
	w.mu.Unlock()
	n.do(gateway.Command{Verb: gateway.VerbSend, Target: target, Frames: message(text, w.random.IntN(300))})
}

// count asks how many clients there are. The answer is right, or there is none.
func (w *whole) count() {
	n := w.list[w.random.IntN(len(w.list))]
	w.mu.Lock()
	began := len(w.clients)
	var there []*wholeClient
	gone := 0
	for _, c := range w.clients {
		if c.ready && !c.left {
			there = append(there, c)
		}
		if c.left {
			gone++
		}
	}
	w.mu.Unlock()
	w.waits(func() {
		got, err := n.ask(gateway.Command{Verb: gateway.VerbCount, Target: all()})
		if err != nil {
			require.ErrorIs(w.t, err, gateway.ErrIncomplete)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		least := 0
		for _, c := range there {
			if !c.left {
				least++
			}
		}
		most := len(w.clients)
		if got < least || got > most {
			w.t.Errorf("%d clients are counted: there were %d to %d (%d when it was asked, %d had gone)", got, least, most, began, gone)
		}
	})
}

// check compares what clients have got with what was sent, and the books with both.
func (w *whole) check() {
	written := uint64(0)
	missed, expected := 0, 0
	for _, c := range w.clients {
		last := make(map[string]int)
		seen := make(map[string]bool)
		list := got(c.Client)
		written += uint64(len(list))
		for _, text := range list {
			from := w.sent[text]
			switch {
			case seen[text]:
				w.t.Errorf("%s has got %s twice", c.id, text)
			case !c.mayGet(text, from.target):
				w.t.Errorf("%s has got %s, which was not for it", c.id, text)
			case from.number <= last[from.node]:
				w.t.Errorf("%s has got %s, number %d of %s, behind number %d", c.id, text, from.number, from.node, last[from.node])
			}
			seen[text], last[from.node] = true, from.number
		}
		if c.left {
			continue
		}
		for text := range c.must {
			if expected++; !seen[text] {
				missed++
				if missed < 10 {
					w.t.Errorf("%s (known %v) has not got %s: %+v", c.id, c.known, text, w.sent[text])
				}
			}
		}
	}
	require.Zero(w.t, missed, "of %d", expected)
	require.Greater(w.t, expected, len(w.sent))
	var sum gateway.Books
	for _, n := range w.list {
		require.NoError(w.t, n.Check())
		total := n.Stats().Total
		sum.Attempted += total.Attempted
		sum.Written += total.Written
		for _, dropped := range total.Dropped {
			sum.Queued += dropped // all that is missing
		}
		for _, p := range n.plane.Stats().Peers {
			require.Zero(w.t, p.Books.Dropped[cluster.DropPeerLost]+p.Books.Dropped[cluster.DropPeerBehind])
			require.Equal(w.t, p.Books.Handed, p.Books.Acknowledged)
		}
	}
	require.Equal(w.t, written, sum.Written, "the books of three gateways say what their clients have got")
	require.Equal(w.t, sum.Attempted, sum.Written+sum.Queued)
}

// end ends all clients, of whom nothing is left anywhere.
func (w *whole) end() {
	live := 0
	for _, c := range w.clients {
		if !c.left {
			live++
		}
		c.Leave()
	}
	require.Less(w.t, live, len(w.clients), "some have left before")
	synctest.Wait()
	for _, n := range w.list {
		require.Zero(w.t, n.plane.Stats().Names)
		require.Zero(w.t, n.count(all()))
	}
}
