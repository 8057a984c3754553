package servermode_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// N43: a client of hub servers goes from node to node while both sides talk. Its hub server notices
// nothing, wherever its connection is.
func TestN43AClientOfAHubServerIsHandedOver(t *testing.T) {
	for _, server := range []string{"a", "b", "c"} {
		for _, way := range []string{"ab", "ac", "abc", "abcabca", "abab"} {
			t.Run(fmt.Sprintf("%s with a hub server at %s", way, server), func(t *testing.T) {
				inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
					s := ns.list[server].server(dial{})
					time.Sleep(time.Second)
					w := ns.wander(t, "a")
					s.wantAck(sp.AckOK, 1, &sp.JoinGroupWithAck{ConnectionID: w.id, Group: "g", AckID: 1})
					talks := s.talks(t, w.id, time.Millisecond)
					for i, to := range strings.Split(way, "")[1:] {
						time.Sleep(20 * time.Millisecond)
						w.say(invocation(fmt.Sprint("up", i)))
						w.say(call(fmt.Sprint(i), "open"))
						require.NoError(t, w.goes(to), "from %s to %s: %v", w.at, to, w.Conn.CloseRequested())
					}
					time.Sleep(20 * time.Millisecond)
					n := talks.ends()
					time.Sleep(50 * time.Millisecond)
					w.wantAll("n", n)
					require.Equal(t, `{"protocol":"json","version":1}`+"\x1e"+`{"type":6}`+"\x1e"+strings.Join(w.said, ""), s.payloads(w.id))
					require.Len(t, s.take(sp.TypeOpenConnection), 1)
					require.Empty(t, s.take(sp.TypeCloseConnection))

					// The hub server's answers find it, and its end is told once.
					s.data(w.id, completion("0", "1"))
					time.Sleep(10 * time.Millisecond)
					w.reads()
					require.Contains(t, w.got[len(w.got)-1], `"result":1`)
					w.Leave()
					ns.list[w.at].endAll()
					time.Sleep(time.Second)
					require.Len(t, s.take(sp.TypeCloseConnection), 1)
				})
			})
		}
	}
}

// The hub server ends its client, or its connection ends, at about the moment of a hand-over: the client is
// closed once, and nothing is left of it.
func TestN43AClientEndsWhileItIsHandedOver(t *testing.T) {
	ends := map[string]func(s *hubServer, id string){
		"closed":          func(s *hubServer, id string) { s.send(&sp.CloseConnection{ConnectionID: id}) },
		"connection lost": func(s *hubServer, _ string) { _ = s.ws.Close() },
	}
	for how, end := range ends {
		for _, server := range []string{"a", "b", "c"} {
			for pause := range 12 {
				t.Run(fmt.Sprintf("%s at %s, %d", how, server, pause), func(t *testing.T) {
					inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
						s := ns.list[server].server(dial{})
						time.Sleep(time.Second)
						w := ns.wander(t, "a")
						ns.net.Set("", "", func(f *clustertest.Fault) { f.Delay = time.Millisecond })
						s.data(w.id, invocation("n:1"))
						go func() {
							time.Sleep(time.Duration(pause) * time.Millisecond)
							end(s, w.id)
						}()
						err := w.goes("b")
						time.Sleep(time.Second)
						if err == nil {
							require.NotNil(t, w.Conn.CloseRequested())
						}
						for _, n := range ns.list {
							c, dead := n.gw.Lookup(w.id)
							require.True(t, c == nil || dead, "it lives at %s", n.tag)
						}
						require.Empty(t, s.take(sp.TypeCloseConnection))
					})
				})
			}
		}
	}
}

// A node hears of a hand-over when it is over already, or never hears what has become of it: the client
// stays where it was.
func TestN43AHandOverOfWhichNothingMoreIsHeard(t *testing.T) {
	for _, server := range []string{"a", "b", "c"} {
		t.Run("a server on "+server, func(t *testing.T) {
			inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
				s := ns.list[server].server(dial{})
				time.Sleep(time.Second)
				w := ns.wander(t, "a")
				for _, n := range ns.list {
					n.Switch(gateway.Switching{Number: 7, ID: w.id, From: "a", To: "b"})
				}
				require.NotZero(t, servermode.HandedOver(ns.list[server].Backend))
				s.data(w.id, invocation("n:1"))
				for range 4 {
					time.Sleep(10 * time.Second)
					s.send(&sp.Ping{})
					require.NoError(t, w.SayPing())
				}
				for _, n := range ns.list {
					require.Zero(t, servermode.HandedOver(n.Backend), "at %s", n.tag)
				}
				s.data(w.id, invocation("n:2"))
				time.Sleep(10 * time.Millisecond)
				w.wantAll("n", 2)
				require.NoError(t, w.goes("b"))
				s.data(w.id, invocation("n:3"))
				time.Sleep(10 * time.Millisecond)
				w.wantAll("n", 3)
			})
		})
	}
}
