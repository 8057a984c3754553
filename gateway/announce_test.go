package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
)

// silent is a transport that does nothing.
type silent struct{}

func (silent) Name() string         { return WebSockets }
func (silent) Abilities() Abilities { return Abilities{} }
func (silent) Wake()                {}
func (silent) Abort(Cause)          {}

type nobody struct{}

func (nobody) Supports(string) bool                     { return true }
func (nobody) Accept(*Conn, Handshake) (Session, error) { return nil, Cause{} }

// A connection may end, and be removed from everything, while Announce is between its two halves.
func TestAnEndBetweenTheHalvesOfAnnounceLeavesNothingBehind(t *testing.T) {
	g, err := build(Options{Backend: nobody{}, Workers: 1})
	require.NoError(t, err)
	work := func() {
		w := g.workers[0]
		w.look()
		for len(w.queue.ops) > 0 {
			ops, _ := w.queue.take(nil)
			for len(ops) > 0 {
				ops = ops[w.pass(ops):]
			}
		}
	}
	_, err = g.Attach(Identity{ID: "stays", Hub: "chat"}, silent{}) // so that the hub does
	require.NoError(t, err)
	c, err := g.Attach(Identity{ID: "1", Hub: "chat", User: "ann"}, silent{})
	require.NoError(t, err)
	c.setProtocol(hubprotocol.JSON)
	require.True(t, c.step(announced))
	c.Ended(Cause{Reason: CloseNormal})
	work()
	c.introduce()
	work()
	require.Empty(t, g.hubs.get("chat").users.appendConns(nil, "ann"))
	require.NoError(t, g.Check())
}
