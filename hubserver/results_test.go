package hubserver

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
)

type invoked struct {
	value int
	err   error
}

func invokeLater(hub *Hub, id string) <-chan invoked {
	done := make(chan invoked, 1)
	go func() {
		value, err := Invoke[int](context.Background(), hub.Clients().Client(id), "ask", "x")
		done <- invoked{value, err}
	}()
	return done
}

func TestResultsOfOwnClients(t *testing.T) {
	for protocol, answers := range map[string]func(c *fakeClient, id string){
		"json":        func(c *fakeClient, id string) { c.say(`{"type":3,"invocationId":"` + id + `","result":7}`) },
		"messagepack": func(c *fakeClient, id string) { c.raw(packed(c.t, `[3,{},"`+id+`",3,7]`)) },
	} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				g, _ := serve(t, hub)
				p := g.peer()
				c := p.opening("C1", protocol)
				require.Equal(t, "{}\x1e", c.record())
				done := invokeLater(hub, "C1")
				m := want[*serviceprotocol.ClientInvocation](p)
				require.Equal(t, "here", m.CallerServerID)
				require.Len(t, m.Payloads, 1)
				record, ok := m.Payloads.For(protocol)
				require.True(t, ok)
				require.Contains(t, string(record), m.InvocationID)
				answers(c, m.InvocationID)
				require.Equal(t, invoked{value: 7}, <-done)
				end := want[*serviceprotocol.ClientCompletion](p)
				require.Equal(t, m.InvocationID, end.InvocationID)
				require.Empty(t, end.Payload)
				require.Equal(t, protocol, end.Protocol)
			})
		})
	}
	t.Run("within a call of the same client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			hub.Handle("twice", func(ctx *Context) (int, error) {
				n, err := Invoke[int](ctx, ctx.Caller(), "ask")
				return 2 * n, err
			})
			g, _ := serve(t, hub)
			p := g.peer()
			c := p.open("C1")
			c.say(`{"type":1,"invocationId":"1","target":"twice","arguments":[]}`)
			id := want[*serviceprotocol.ClientInvocation](p).InvocationID
			c.say(`{"type":3,"invocationId":"` + id + `","result":7}`)
			want[*serviceprotocol.ClientCompletion](p)
			c.hears(`{"type":3,"invocationId":"1","result":14}`)
		})
	})
	for name, test := range map[string]struct {
		happens func(p *peer, c *fakeClient, id string)
		check   func(*testing.T, error)
	}{
		"error of the client": {func(_ *peer, c *fakeClient, id string) {
			c.say(`{"type":3,"invocationId":"` + id + `","error":"no"}`)
		}, func(t *testing.T, err error) {
			var failed *ResultError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, "no", failed.Text)
		}},
		"result of another type": {func(_ *peer, c *fakeClient, id string) {
			c.say(`{"type":3,"invocationId":"` + id + `","result":"x"}`)
		}, func(t *testing.T, err error) { require.ErrorContains(t, err, "result of") }},
		"error of the gateway": {func(p *peer, _ *fakeClient, id string) {
			p.send(&serviceprotocol.ErrorCompletion{InvocationID: id, ConnectionID: "C1", Error: "gone"})
		}, func(t *testing.T, err error) { require.ErrorContains(t, err, "gone") }},
		"client leaves":   {func(_ *peer, c *fakeClient, _ string) { c.leave() }, func(t *testing.T, err error) { require.ErrorIs(t, err, ErrNoClient) }},
		"connection lost": {func(p *peer, _ *fakeClient, _ string) { p.socket.Close() }, func(t *testing.T, err error) { require.Error(t, err) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				g, _ := serve(t, hub)
				p := g.peer()
				c, other := p.open("C1"), p.open("C2")
				done := invokeLater(hub, "C1")
				id := want[*serviceprotocol.ClientInvocation](p).InvocationID
				other.say(`{"type":3,"invocationId":"` + id + `","result":666}`)
				test.happens(p, c, id)
				got := <-done
				test.check(t, got.err)
				require.Zero(t, got.value, "what another client answers does not count")
			})
		})
	}
}

func TestResultsOfOtherServersClients(t *testing.T) {
	start := func(t *testing.T) (*peer, string, <-chan invoked) {
		hub := NewHub("chat")
		g, _ := serve(t, hub)
		p := g.peer()
		synctest.Wait()
		done := invokeLater(hub, "C9")
		m := want[*serviceprotocol.ClientInvocation](p)
		require.Len(t, m.Payloads, 2)
		return p, m.InvocationID, done
	}
	t.Run("answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, id, done := start(t)
			p.send(&serviceprotocol.ServiceMapping{InvocationID: id, ConnectionID: "C9", InstanceID: "b"},
				&serviceprotocol.ClientCompletion{InvocationID: id, ConnectionID: "C9", CallerServerID: "there", Protocol: "messagepack", Payload: packed(t, `[3,{},"`+id+`",3,7]`)})
			require.Equal(t, invoked{value: 7}, <-done)
		})
	})
	for name, m := range map[string]*serviceprotocol.ClientCompletion{
		"unknown protocol": {Protocol: "x", Payload: []byte("{}")},
		"half a record":    {Protocol: "json", Payload: []byte(`{"type":3`)},
		"no record":        {Protocol: "json", Payload: []byte("{\x1e")},
		"another record":   {Protocol: "json", Payload: []byte("{\"type\":6}\x1e")},
		"too long a frame": {Protocol: "messagepack", Payload: []byte{0xff, 0xff, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, id, done := start(t)
				m.InvocationID, m.ConnectionID = id, "C9"
				p.send(m)
				require.Error(t, (<-done).err)
			})
		})
	}
	t.Run("gateway node lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, id, done := start(t)
			p.send(&serviceprotocol.ServiceMapping{InvocationID: id, ConnectionID: "C9", InstanceID: "b"},
				serviceprotocol.OfflinePing("a"))
			synctest.Wait()
			require.Empty(t, done)
			p.send(serviceprotocol.OfflinePing("b"))
			require.ErrorIs(t, (<-done).err, ErrConnectionLost)
		})
	})
	t.Run("for another server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			p := g.peer()
			c, other := p.open("C1"), p.open("C2")
			p.send(&serviceprotocol.ClientInvocation{InvocationID: "i", ConnectionID: "C1", CallerServerID: "there"})
			record := `{"type":3,"invocationId":"i","result":7}`
			other.say(record)
			c.say(record, record)
			m := want[*serviceprotocol.ClientCompletion](p)
			require.Equal(t, &serviceprotocol.ClientCompletion{InvocationID: "i", ConnectionID: "C1", CallerServerID: "here",
				Protocol: "json", ExtensionProtocol: "json", Payload: []byte(record + "\x1e")}, m)
			synctest.Wait()
			require.Empty(t, p.messages, "once")
		})
	})
}

// A client that leaves costs what it had to answer itself, whatever others have to.
func TestResultsOfAClientThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub("chat")
		g, _ := serve(t, hub)
		p := g.peer()
		c, other := p.open("C1"), p.open("C2")
		for i, id := range []string{"a", "b", "c"} {
			p.send(&serviceprotocol.ClientInvocation{InvocationID: id, ConnectionID: []string{"C1", "C2", "C1"}[i]})
		}
		// The same id again, of the other client.
		p.send(&serviceprotocol.ClientInvocation{InvocationID: "c", ConnectionID: "C2"})
		own, others := invokeLater(hub, "C1"), invokeLater(hub, "C2")
		ids := map[string]string{}
		for range 2 {
			m := want[*serviceprotocol.ClientInvocation](p)
			ids[m.ConnectionID] = m.InvocationID
		}
		r := hub.pool.Load().results
		gone := hub.pool.Load().session("C1")
		c.leave()
		require.ErrorIs(t, (<-own).err, ErrNoClient)
		synctest.Wait()
		r.mu.Lock()
		require.Len(t, r.waiting, 1)
		require.Len(t, r.forwarded, 2)
		require.Empty(t, gone.awaiting.waiting)
		require.Empty(t, gone.awaiting.forwarded)
		r.mu.Unlock()
		_, ok := r.add(&pendingResult{connection: "C1", session: gone})
		require.False(t, ok, "it will not answer")
		other.say(`{"type":3,"invocationId":"`+ids["C2"]+`","result":7}`, `{"type":3,"invocationId":"c"}`, `{"type":3,"invocationId":"b"}`)
		require.Equal(t, invoked{value: 7}, <-others)
		require.Empty(t, want[*serviceprotocol.ClientCompletion](p).Payload)
		require.Equal(t, "c", want[*serviceprotocol.ClientCompletion](p).InvocationID)
		require.Equal(t, "b", want[*serviceprotocol.ClientCompletion](p).InvocationID)
		synctest.Wait()
		require.Empty(t, r.forwarded)
		require.Empty(t, r.waiting)
	})
}

func TestForwardedResultsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub("chat")
		g, _ := serve(t, hub)
		p := g.peer()
		c, m := p.open("C1"), p.opening("C2", "messagepack")
		require.Equal(t, "{}\x1e", m.record())
		for i := range 3 {
			p.send(&serviceprotocol.ClientInvocation{InvocationID: fmt.Sprint(i), ConnectionID: []string{"C1", "C2", "C9"}[i]})
		}
		record := packed(t, `[3,{},"1",3,"x"]`)
		m.raw(record)
		completion := want[*serviceprotocol.ClientCompletion](p)
		require.Equal(t, record, completion.Payload)
		require.Equal(t, hubprotocol.MessagePack, completion.Protocol)
		c.leave()
		synctest.Wait()
		require.Empty(t, hub.pool.Load().results.forwarded)
	})
}
