package servermode_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// march is clients that go from node to node while their hub servers and they talk, and links break, at
// random.
type march struct {
	t       *testing.T
	ns      *nodes
	rand    *rand.Rand
	tags    []string
	clients []*marcher
	servers []*hubServer
	// broken: some node may have taken another one for gone.
	broken bool
}

// marcher is one client, and what its hub server says to it.
type marcher struct {
	*wanderer
	said   int          // by the hub server
	cast   map[int]bool // of that, what was a command
	record int          // by the client
	// going is not nil while the client dials another node, and got then what came of it.
	going chan error
	conn  atomic.Pointer[gateway.Conn]
	to    string
}

func (m *march) any() string { return m.tags[m.rand.IntN(len(m.tags))] }

// serverOf returns the hub server that has the client.
func (m *march) serverOf(id string) *hubServer {
	for _, s := range m.servers {
		s.mu.Lock()
		_, has := s.answered[id]
		s.mu.Unlock()
		if has {
			return s
		}
	}
	return nil
}

func (m *march) step() {
	c := m.clients[m.rand.IntN(len(m.clients))]
	switch n := m.rand.IntN(100); {
	case n < 40:
		m.tell(c)
	case n < 60:
		c.record++
		c.say(invocation(fmt.Sprint("up:", c.record)))
	case n < 75:
		m.leads(c)
	case n < 80:
		c.Leave()
	case n < 84:
		from, to := m.any(), m.any()
		if from != to {
			m.ns.net.Set(from, to, func(f *clustertest.Fault) { f.Cut = true })
			if m.rand.IntN(20) == 0 {
				m.broken = true
				time.Sleep(time.Duration(3+m.rand.IntN(4)) * time.Second)
			}
		}
	case n < 90:
		m.ns.net.Heal()
	}
	time.Sleep(time.Duration(m.rand.IntN(20)) * time.Millisecond)
	m.ping()
	m.look()
}

// ping has the hub servers show that they live.
func (m *march) ping() {
	for _, s := range m.servers {
		s.send(&sp.Ping{})
	}
}

// tell has the hub server say something to the client.
func (m *march) tell(c *marcher) {
	s := m.serverOf(c.id)
	if s == nil || s.end() != nil {
		return
	}
	c.said++
	record := invocation(fmt.Sprint("n:", c.said))
	switch m.rand.IntN(3) {
	case 0:
		c.cast[c.said] = true
		s.send(&sp.MultiConnectionData{Connections: []string{c.id}, Payloads: payload(strings.TrimSuffix(record, "\x1e"))})
	case 1:
		s.data(c.id, record[:9])
		s.data(c.id, record[9:])
	default:
		s.data(c.id, record)
	}
}

// leads has the client dial another node.
func (m *march) leads(c *marcher) {
	to := m.any()
	if c.going != nil {
		return
	}
	if to == c.at {
		if conn, dead := m.ns.list[to].gw.Lookup(c.id); conn != nil && !dead && conn.MayReturn() == nil {
			c.returns(conn)
		}
		return
	}
	c.to, c.going = to, make(chan error, 1)
	going, client := c.going, c.Client
	go func() {
		conn, err := m.ns.list[to].gw.TakeOver(m.t.Context(), gateway.Taking{ID: c.id, Owner: c.at, Transport: client})
		c.conn.Store(conn)
		going <- err
	}()
}

// look gives clients their transport that were handed over.
func (m *march) look() {
	for _, c := range m.clients {
		select {
		case err := <-c.going:
			c.going = nil
			if err == nil {
				c.at = c.to
				if conn := c.conn.Load(); conn.MayReturn() == nil {
					c.returns(conn)
				}
			}
		default:
		}
	}
}

// rest lets all come to rest, and every client come back that lives.
func (m *march) rest() {
	m.ns.net.Heal()
	for range 30 {
		time.Sleep(time.Second)
		m.ping()
		synctest.Wait()
		m.look()
		for _, c := range m.clients {
			if conn, dead := m.ns.list[c.at].gw.Lookup(c.id); c.going == nil && conn != nil && !dead && conn.IsAway() {
				c.returns(conn)
			}
		}
	}
}

// check looks at what a client and its hub server have got.
func (m *march) check(c *marcher) {
	cause := c.Conn.CloseRequested()
	conn, dead := m.ns.list[c.at].gw.Lookup(c.id)
	lives := conn != nil && !dead && cause == nil
	if !lives && !m.broken {
		m.t.Errorf("client %s at %s has ended: %v", c.id, c.at, cause)
	}
	c.reads()
	got, want := c.numbered("n"), 1
	for _, n := range got {
		for m.broken && want < n && (c.cast[want] || !lives) {
			want++ // a command between nodes that have taken each other for gone, or behind the loss of the hub server
		}
		require.Equal(m.t, want, n, "of %s, which has got %v", c.id, got)
		want++
	}
	for m.broken && c.cast[want] {
		want++
	}
	if lives {
		require.Equal(m.t, c.said+1, want, "of %s", c.id)
	}
	s := m.serverOf(c.id)
	heard := strings.TrimPrefix(s.heard(c.id), `{"protocol":"json","version":1}`+"\x1e"+`{"type":6}`+"\x1e")
	all := strings.Join(c.wanderer.said, "")
	if lives {
		require.Equal(m.t, all, heard)
	}
	require.True(m.t, strings.HasPrefix(all, heard), heard)
}

// N43, N12: while links break for less than five seconds, nothing is lost, nothing comes twice, all stays in
// order, and hub servers hear nothing. If they break for longer, clients may end, and nothing is left of them.
func TestN43ClientsOfHubServersGoFromNodeToNode(t *testing.T) {
	runs := 60
	if testing.Short() {
		runs = 10
	}
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			inNodes(t, []string{"a", "b", "c", "d"}[:3+run%2], func(t *testing.T, ns *nodes) {
				m := &march{t: t, ns: ns, rand: rand.New(rand.NewPCG(2, uint64(run))), tags: []string{"a", "b", "c", "d"}[:3+run%2]}
				for i := range 1 + run%3 {
					m.servers = append(m.servers, ns.list[m.any()].server(dial{id: fmt.Sprint("s", i)}))
				}
				time.Sleep(time.Second)
				for range 4 {
					m.clients = append(m.clients, &marcher{wanderer: ns.wander(t, m.any()), cast: make(map[int]bool)})
				}
				for range 400 {
					m.step()
				}
				m.rest()
				for _, c := range m.clients {
					m.check(c)
				}
				if !m.broken {
					for _, s := range m.servers {
						require.Empty(t, s.take(sp.TypeCloseConnection))
					}
				}
			})
		})
	}
}
