package gateway

import (
	"context"
	"sync"
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

// workAll carries out what is queued for the one worker of a node that build made.
func workAll(g *Gateway) {
	w := g.workers[0]
	w.look()
	for len(w.queue.ops) > 0 {
		ops, _ := w.queue.take(nil)
		for len(ops) > 0 {
			ops = ops[w.pass(ops):]
		}
	}
}

// A connection may end, and be removed from everything, while Announce is between its two halves.
func TestAnEndBetweenTheHalvesOfAnnounceLeavesNothingBehind(t *testing.T) {
	g, err := build(Options{Backend: nobody{}, Workers: 1})
	require.NoError(t, err)
	_, err = g.Attach(Identity{ID: "stays", Hub: "chat"}, silent{}) // so that the hub does
	require.NoError(t, err)
	c, err := g.Attach(Identity{ID: "1", Hub: "chat", User: "ann"}, silent{})
	require.NoError(t, err)
	c.setProtocol(hubprotocol.JSON)
	require.True(t, c.step(announced))
	c.Ended(Cause{Reason: CloseNormal})
	workAll(g)
	c.introduce()
	workAll(g)
	require.Empty(t, g.hubs.get("chat").users.appendConns(nil, "ann"))
	require.NoError(t, g.Check())
}

// fickle announces a client, to which something is sent at once, and then refuses it.
type fickle struct{ nobody }

func (fickle) Accept(c *Conn, _ Handshake) (Session, error) {
	c.Announce()
	cmd := &Command{Hub: "chat", Verb: VerbSend, Target: Target{Kind: TargetAll}, Frames: helloFrames}
	if _, err := c.g.Do(context.Background(), cmd); err != nil {
		return nil, err
	}
	return nil, Cause{Reason: CloseNoAvailableServerConnection, Text: "nobody is there"}
}

var helloFrames, _ = hubprotocol.NewFrames(map[string][]byte{"own": []byte("hello")})

// What was sent to a client of an unknown protocol between Announce and its refusal is given up with
// it, and is no fault.
func TestARefusalAfterAnnounce(t *testing.T) {
	g, err := build(Options{Backend: fickle{}, Workers: 1})
	require.NoError(t, err)
	c, err := g.Attach(Identity{ID: "1", Hub: "chat"}, silent{})
	require.NoError(t, err)
	require.Error(t, c.Feed([]byte("{\"protocol\":\"own\",\"version\":1}\x1e")))
	workAll(g)
	require.Zero(t, g.Stats().Panics)
	require.Empty(t, c.Protocol(), "the refusal is text")
	c.Ended(Cause{Reason: CloseNormal})
	workAll(g)
	require.NoError(t, g.Check())
}

// Whoever watches asks for the protocol of a connection at any time.
func TestTheProtocolMayBeAskedForAtAnyTime(t *testing.T) {
	g, err := build(Options{Backend: nobody{}, Workers: 1})
	require.NoError(t, err)
	c, err := g.Attach(Identity{ID: "1", Hub: "chat"}, silent{})
	require.NoError(t, err)
	var asking sync.WaitGroup
	asking.Go(func() { _ = c.Protocol() })
	_ = c.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e"))
	asking.Wait()
	require.Equal(t, hubprotocol.JSON, c.Protocol())
}
