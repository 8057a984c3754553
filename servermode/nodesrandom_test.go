package servermode_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// storm is clients that call, hub servers that answer, come and go, and links that break, all at
// random.
type storm struct {
	ns      *nodes
	rand    *rand.Rand
	tags    []string
	clients []*stormClient
	servers []*hubServer
	made    int
}

// stormClient numbers its calls.
type stormClient struct {
	*gatewaytest.Client
	calls int
}

// server connects a hub server that answers every call at once, and says a number of its own before.
func (st *storm) server() {
	st.made++
	numbers, times := make(map[string]int), make(map[string]int)
	name := fmt.Sprint("s", st.made)
	s := st.ns.list[st.tags[st.rand.IntN(len(st.tags))]].server(dial{id: name, level: 1, on: func(s *hubServer, m sp.Message) {
		if open, ok := m.(*sp.OpenConnection); ok {
			// What it said to a client that has got lost is not what it says to it now.
			numbers[open.ConnectionID] = 0
			times[open.ConnectionID]++
		}
		d, ok := m.(*sp.ConnectionData)
		if !ok {
			return
		}
		for record := range strings.SplitSeq(strings.TrimSuffix(string(d.Payload), "\x1e"), "\x1e") {
			var call struct{ InvocationID string }
			if json.Unmarshal([]byte(record), &call) != nil || call.InvocationID == "" {
				continue
			}
			numbers[d.ConnectionID]++
			s.data(d.ConnectionID, invocation(fmt.Sprintf("%s-%d:%d", name, times[d.ConnectionID], numbers[d.ConnectionID]))+completion(call.InvocationID, "1"))
		}
	}})
	st.servers = append(st.servers, s)
}

func (st *storm) step() {
	switch n := st.rand.IntN(100); {
	case n < 10:
		node := st.ns.list[st.tags[st.rand.IntN(len(st.tags))]]
		c, err := gatewaytest.TryConnect(st.ns.t, node.gw, gatewaytest.Options{ID: node.newID(), Hub: "chat"})
		require.NoError(st.ns.t, err)
		st.clients = append(st.clients, &stormClient{Client: c})
	case n < 80 && len(st.clients) > 0:
		c := st.clients[st.rand.IntN(len(st.clients))]
		c.calls++
		_ = c.Feed([]byte(call(fmt.Sprint(c.calls), "echo"))) // refused if it is ending
	case n < 83 && len(st.clients) > 0:
		i := st.rand.IntN(len(st.clients))
		st.clients[i].Leave()
		st.clients = slices.Delete(st.clients, i, i+1)
	case n < 86 && len(st.servers) < 8:
		st.server()
	case n < 88 && len(st.servers) > 2:
		i := st.rand.IntN(len(st.servers))
		_ = st.servers[i].ws.Close()
		st.servers = slices.Delete(st.servers, i, i+1)
	case n < 90 && len(st.servers) > 2:
		i := st.rand.IntN(len(st.servers))
		go st.servers[i].send(sp.ShutdownPing(sp.FinMigrate))
		st.servers = slices.Delete(st.servers, i, i+1)
	case n < 92:
		from, to := st.tags[st.rand.IntN(len(st.tags))], st.tags[st.rand.IntN(len(st.tags))]
		if from != to {
			st.ns.net.Set(from, to, func(f *clustertest.Fault) { f.Cut = true })
		}
	case n < 94:
		st.ns.net.Heal()
	}
	time.Sleep(time.Duration(st.rand.IntN(300)) * time.Millisecond)
}

// check looks at what a client has got: each call has one answer, unless the client was closed, and
// what a hub server has said came in order and without a hole.
func (st *storm) check(c *stormClient) {
	answers, numbers := make(map[string]int), make(map[string]int)
	for _, record := range c.Got() {
		var m struct{ Target, InvocationID string }
		_ = json.Unmarshal([]byte(strings.TrimSuffix(record, "\x1e")), &m)
		if m.InvocationID != "" && m.Target == "" {
			answers[m.InvocationID]++
		}
		if name, number, ok := strings.Cut(m.Target, ":"); ok {
			numbers[name]++
			require.Equal(st.ns.t, fmt.Sprint(numbers[name]), number, "of %s", name)
		}
	}
	closed := c.Conn.CloseRequested() != nil
	for i := range c.calls {
		n := answers[fmt.Sprint(i+1)]
		require.True(st.ns.t, n == 1 || closed && n == 0, "call %d of %d of a client has %d answers, closed: %v", i+1, c.calls, n, closed)
	}
}

func TestN12ClientsAndHubServersInAStorm(t *testing.T) {
	runs := 40
	if testing.Short() {
		runs = 5
	}
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
				st := &storm{ns: ns, rand: rand.New(rand.NewPCG(1, uint64(run))), tags: slices.Sorted(maps.Keys(ns.list))}
				for _, n := range ns.list {
					if run%2 == 0 {
						n.limits.Grace = 10 * time.Second
					}
				}
				st.server()
				st.server()
				time.Sleep(time.Second)
				var all []*stormClient
				for range 300 {
					before := len(st.clients)
					st.step()
					if len(st.clients) > before {
						all = append(all, st.clients[before])
					}
					for _, s := range st.servers {
						s.forget()
					}
				}
				ns.net.Heal()
				time.Sleep(15 * time.Second)
				for _, c := range all {
					st.check(c)
				}
				for _, c := range all {
					if end := c.Conn.CloseRequested(); end != nil {
						if end.Reason == gateway.CloseHandshakeError && run%2 == 0 {
							continue // it has waited twice before its handshake was answered
						}
						require.Contains(t, []gateway.CloseReason{gateway.CloseNormal, gateway.CloseServerConnectionClosed, gateway.CloseNoAvailableServerConnection}, end.Reason, "%+v of %v", end, c.Got())
					}
				}
			})
		})
	}
}
