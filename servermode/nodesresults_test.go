package servermode_test

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// asking is a client, the hub server that has it and the one that invokes it, on nodes of choice.
type asking struct {
	ns            *nodes
	client        *gatewaytest.Client
	id            string
	server, asker *hubServer
}

// ask has a client of node a, its hub server and another one that asks. The names are those of nodes.
func ask(ns *nodes, server, asker string, d dial) *asking {
	q := &asking{ns: ns, server: ns.list[server].server(dial{id: "server"})}
	time.Sleep(time.Second)
	a := ns.list["a"]
	q.client = a.client(gatewaytest.Options{ID: ns.entrusted("a", cmp.Or(d.home, "a"))})
	q.id = idOf(q.client)
	d.id = "asker"
	q.asker = ns.list[asker].server(d)
	q.server.take(sp.TypeConnectionData)
	time.Sleep(time.Second)
	q.asker.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: q.id, CallerServerID: "asker", Payloads: question("i")})
	time.Sleep(10 * time.Millisecond)
	return q
}

// entrusted returns an id that one node has given out, and that another one has the connection of.
func (ns *nodes) entrusted(owner, home string) string {
	id := ns.list[home].newID()
	if home != owner {
		_, err := ns.list[home].gw.Entrust(id, owner, time.Now().Add(time.Hour))
		require.NoError(ns.t, err)
	}
	return id
}

// answered has the client and its hub server answer.
func (q *asking) answered(t *testing.T) {
	t.Helper()
	said(t, q.client, completion("i", "5"))
	require.Equal(t, completion("i", "5"), q.server.payloads(q.id))
	q.server.send(&sp.ClientCompletion{InvocationID: "i", ConnectionID: q.id, CallerServerID: "server", Protocol: "json", Payload: []byte(completion("i", "5"))})
	time.Sleep(10 * time.Millisecond)
}

// forgotten: no node waits for an answer.
func (q *asking) forgotten(t *testing.T) {
	t.Helper()
	for _, n := range q.ns.list {
		require.Zero(t, servermode.Waiting(n.Backend), "at %s", n.tag)
	}
}

func TestN18ResultsOfClientsOverNodes(t *testing.T) {
	for _, at := range []struct{ server, asker, home string }{{"a", "b", "a"}, {"b", "a", "a"}, {"b", "b", "a"}, {"b", "c", "a"},
		{"a", "b", "b"}, {"b", "c", "b"}, {"b", "c", "c"}, {"a", "b", "c"}, {"c", "a", "b"}} {
		for _, weak := range []bool{false, true} {
			t.Run(fmt.Sprintf("a client of a, negotiated on %s, with a server on %s, asked on %s, weak %v", at.home, at.server, at.asker, weak), func(t *testing.T) {
				inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
					d := dial{home: at.home}
					if weak {
						d.kind = sp.KindWeak
					}
					q := ask(ns, at.server, at.asker, d)
					require.Equal(t, 1, count(q.client, `"ask"`))
					require.Equal(t, "asker", q.server.next(sp.TypeClientInvocation).(*sp.ClientInvocation).CallerServerID)
					if weak {
						require.Empty(t, q.asker.take(sp.TypeServiceMapping))
					} else {
						require.Equal(t, &sp.ServiceMapping{InvocationID: "i", ConnectionID: q.id, InstanceID: "a"}, q.asker.next(sp.TypeServiceMapping))
					}
					q.answered(t)
					got := q.asker.next(sp.TypeClientCompletion).(*sp.ClientCompletion)
					require.Equal(t, "asker", got.CallerServerID)
					require.Equal(t, completion("i", "5"), string(got.Payload))
					q.forgotten(t)
				})
			})
		}
	}
}

// The hub server that asks has the client itself: it needs no answer from the gateway.
func TestN18TheAskerHasTheClient(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		server := ns.list["b"].server(dial{})
		time.Sleep(time.Second)
		c := ns.list["a"].client(gatewaytest.Options{})
		server.take(sp.TypeConnectionData)
		server.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: idOf(c), CallerServerID: "s1", Payloads: question("i")})
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, 1, count(c, `"ask"`))
		said(t, c, completion("i", "5"))
		require.Equal(t, completion("i", "5"), server.payloads(idOf(c)))
		server.send(&sp.ClientCompletion{InvocationID: "i", ConnectionID: idOf(c), CallerServerID: "s1", Protocol: "json"})
		time.Sleep(time.Second)
		for _, none := range []sp.Type{sp.TypeClientInvocation, sp.TypeServiceMapping, sp.TypeClientCompletion, sp.TypeErrorCompletion} {
			require.Empty(t, server.take(none))
		}
		(&asking{ns: ns}).forgotten(t)
	})
}

func TestN18ResultsThatDoNotCome(t *testing.T) {
	wantError := func(t *testing.T, q *asking) string {
		t.Helper()
		time.Sleep(100 * time.Millisecond)
		failed := q.asker.next(sp.TypeErrorCompletion).(*sp.ErrorCompletion)
		require.Equal(t, "i", failed.InvocationID)
		require.Equal(t, "asker", failed.CallerServerID)
		q.forgotten(t)
		return failed.Error
	}
	for name, end := range map[string]func(ns *nodes, q *asking){
		"the client goes":            func(_ *nodes, q *asking) { q.client.Leave() },
		"the client does not answer": func(*nodes, *asking) { time.Sleep(11 * time.Minute) },
		"the hub server fails it": func(_ *nodes, q *asking) {
			q.server.send(&sp.ErrorCompletion{InvocationID: "i", ConnectionID: q.id, Error: "no"})
		},
		"the client's node is killed": func(ns *nodes, _ *asking) { ns.kill("a"); time.Sleep(5 * time.Second) },
	} {
		for _, server := range []string{"a", "b", "c"} {
			if server == "a" && name == "the client's node is killed" {
				continue // the fixture's hub server there goes on
			}
			t.Run(name+" with a server on "+server, func(t *testing.T) {
				inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
					q := ask(ns, server, "b", dial{})
					end(ns, q)
					if name == "the client's node is killed" {
						time.Sleep(100 * time.Millisecond)
						require.Contains(t, q.asker.next(sp.TypeErrorCompletion).(*sp.ErrorCompletion).Error, "node")
						require.Zero(t, servermode.Waiting(ns.list["b"].Backend))
						return
					}
					require.NotEmpty(t, wantError(t, q))
				})
			})
		}
	}
	t.Run("there is no such client", func(t *testing.T) {
		inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
			asker := ns.list["b"].server(dial{id: "asker"})
			asker.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: ns.list["a"].newID(), CallerServerID: "asker", Payloads: question("i")})
			time.Sleep(time.Second)
			wantError(t, &asking{ns: ns, asker: asker})
		})
	})
	t.Run("the asker goes", func(t *testing.T) {
		inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
			q := ask(ns, "a", "b", dial{})
			require.NoError(t, q.asker.ws.Close())
			time.Sleep(time.Second)
			q.forgotten(t)
		})
	})
	t.Run("the node of the asker is killed", func(t *testing.T) {
		inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
			ask(ns, "a", "b", dial{})
			ns.kill("b")
			time.Sleep(5 * time.Second)
			require.Zero(t, servermode.Waiting(ns.list["a"].Backend))
		})
	})
	t.Run("the client moves to another node's hub server", func(t *testing.T) {
		inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
			q := ask(ns, "b", "c", dial{})
			next := ns.list["a"].server(dial{id: "next", level: 1})
			time.Sleep(time.Second)
			q.server.send(sp.ShutdownPing(sp.FinMigrate))
			time.Sleep(100 * time.Millisecond)
			require.Equal(t, "i", next.next(sp.TypeClientInvocation).(*sp.ClientInvocation).InvocationID)
			q.server = next
			next.take(sp.TypeConnectionData)
			q.answered(t)
			require.Equal(t, completion("i", "5"), string(q.asker.next(sp.TypeClientCompletion).(*sp.ClientCompletion).Payload))
			q.forgotten(t)
		})
	})
	t.Run("the asker's other connection is on another node", func(t *testing.T) {
		inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
			q := ask(ns, "a", "b", dial{})
			other := ns.list["c"].server(dial{id: "asker"})
			time.Sleep(time.Second)
			require.NoError(t, q.asker.ws.Close())
			time.Sleep(time.Second)
			q.answered(t)
			require.Equal(t, completion("i", "5"), string(other.next(sp.TypeClientCompletion).(*sp.ClientCompletion).Payload))
			q.forgotten(t)
		})
	})
}

// A client of webhooks answers a hub server of another node.
func TestN18AClientOfWebhooks(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		a.mode, b.mode = modes.Serverless, modes.Serverless
		c := a.client(gatewaytest.Options{})
		asker := b.server(dial{id: "asker", kind: sp.KindWeak})
		asker.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: idOf(c), CallerServerID: "asker", Payloads: question("i")})
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, 1, count(c, `"ask"`))
		said(t, c, completion("i", "5"))
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, completion("i", "5"), string(asker.next(sp.TypeClientCompletion).(*sp.ClientCompletion).Payload))
		(&asking{ns: ns}).forgotten(t)
	})
}
