package upstream

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// serve runs the real core in front of a Backend.
func serve(t *testing.T, b *Backend) *gateway.Gateway {
	g, err := gateway.New(gateway.Options{Node: "n1", Backend: b})
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

func attach(t *testing.T, g *gateway.Gateway, id string) *gatewaytest.Client {
	return gatewaytest.Connect(t, g, gatewaytest.Options{ID: id, Hub: "chat", User: "bob"})
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestThroughTheGateway(t *testing.T) {
	const result = `{"type":3,"invocationId":"1","result":"hello"}` + "\x1e"
	h := newHook(t, func(w http.ResponseWriter, p post) {
		if p.event() == "two" {
			says(200, result)(w, p)
		}
	})
	g := serve(t, start(t, toAll(h.URL)))
	c := attach(t, g, "abc")
	require.Equal(t, "connected", want(t, h.posts).event())
	t.Run("R57 two messages in one frame are two requests in order", func(t *testing.T) {
		require.NoError(t, c.Conn.Feed([]byte(send("one")+"\x1e"+invoke("1", "two")+"\x1e")))
		for _, event := range []string{"one", "two"} {
			got := want(t, h.posts)
			require.Equal(t, event, got.event())
			require.NotContains(t, got.body, "\x1e")
			require.Equal(t, "bob", got.Header.Get("X-ASRS-User-Id"))
		}
	})
	t.Run("R69 the promise resolves", func(t *testing.T) {
		c.Want(patient(t), result)
	})
	t.Run("R54 disconnected after the client has gone", func(t *testing.T) {
		c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		require.Equal(t, `{"type":11}`, want(t, h.posts).body)
	})
}

func TestInjectionThroughTheGateway(t *testing.T) {
	h := newHook(t, nil)
	g := serve(t, start(t, toAll(h.URL)))
	c := attach(t, g, "abc")
	require.Equal(t, "connected", want(t, h.posts).event())
	_ = c.Conn.Feed([]byte(send(`x\r\nX-ASRS-User-Id: admin`) + "\x1e"))
	t.Run("R61 target with line breaks ends the connection", func(t *testing.T) {
		require.Equal(t, gateway.CloseBadRequest, c.WantEnd(patient(t)).Reason)
		c.Want(patient(t), `"type":7,"error":"The target of an invocation must not contain control characters, or spaces at its ends."`)
		got := want(t, h.posts)
		require.Equal(t, "disconnected", got.event())
		require.Contains(t, got.body, "control characters")
	})
}

func TestRejectionThroughTheGateway(t *testing.T) {
	h := newHook(t, func(w http.ResponseWriter, p post) {
		w.Header().Set("Content-Type", "text/plain")
		says(http.StatusForbidden, "not you")(w, p)
	})
	b := start(t, toAll(h.URL))
	c := attach(t, serve(t, b), "abc")
	t.Run("R74 403 closes with the reason and without disconnected", func(t *testing.T) {
		end := c.WantEnd(patient(t))
		require.Equal(t, gateway.Cause{Reason: gateway.CloseInvokeUpstreamFailed, Text: "not you"}, end)
		require.Equal(t, "connected", want(t, h.posts).event())
		require.NoError(t, b.Close(patient(t)))
		require.Empty(t, h.posts)
	})
}

// The reader never waits for a webhook: one may send to the client that called
// it, and hear from it, before it answers.
func TestCallBackThroughTheGateway(t *testing.T) {
	gateways, clients := make(chan *gateway.Gateway, 1), make(chan *gatewaytest.Client, 1)
	h := newHook(t, nil)
	h.answer = func(w http.ResponseWriter, p post) {
		if p.event() != "outer" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		g, c := <-gateways, <-clients
		frames, err := hubprotocol.NewInvocation(hubprotocol.JSON, "pushed", []byte(`[]`))
		if err == nil {
			_, err = g.Do(p.Context(), &gateway.Command{
				Hub: "chat", Verb: gateway.VerbSend, Frames: frames,
				Target: gateway.Target{Kind: gateway.TargetConnections, IDs: []string{"abc"}},
			})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		c.Want(p.Context(), `"target":"pushed"`)
		_ = c.Conn.Feed([]byte(`{"type":6}` + "\x1e" + invoke("2", "inner") + "\x1e"))
		w.WriteHeader(http.StatusNoContent)
	}
	g := serve(t, start(t, toAll(h.URL)))
	c := attach(t, g, "abc")
	gateways <- g
	clients <- c
	t.Run("R75 a webhook calls back to its client while pending", func(t *testing.T) {
		require.NoError(t, c.Conn.Feed([]byte(invoke("1", "outer")+"\x1e")))
		c.Want(patient(t), `{"type":3,"invocationId":"1"}`)
		c.Want(patient(t), `{"type":3,"invocationId":"2"}`)
		got := strings.Join(c.Got(), "")
		require.Less(t, strings.Index(got, `"invocationId":"1"`), strings.Index(got, `"invocationId":"2"`))
	})
}

func TestFullQueueThroughTheGateway(t *testing.T) {
	h, gate := gated(t)
	cfg := toAll(h.URL)
	cfg.Queue.Events = 1
	c := attach(t, serve(t, start(t, cfg)), "abc")
	want(t, h.posts) // connected is under way
	require.NoError(t, c.Conn.Feed([]byte(send("waits")+"\x1e")))
	t.Run("D14 an invocation gets an error", func(t *testing.T) {
		require.NoError(t, c.Conn.Feed([]byte(invoke("9", "refused")+"\x1e")))
		c.Want(patient(t), `{"type":3,"invocationId":"9","error":`)
	})
	t.Run("D14 a send closes the client", func(t *testing.T) {
		require.Error(t, c.Conn.Feed([]byte(send("refused")+"\x1e")))
		end := c.WantEnd(patient(t))
		require.Equal(t, gateway.CloseThrottled, end.Reason)
		require.True(t, end.AllowReconnect)
	})
	close(gate)
	require.Equal(t, "waits", want(t, h.posts).event())
	require.Equal(t, "disconnected", want(t, h.posts).event())
}

func TestDrainDeliversDisconnected(t *testing.T) {
	h := newHook(t, nil)
	b := start(t, toAll(h.URL))
	g := serve(t, b)
	for _, id := range []string{"a", "b", "c"} {
		attach(t, g, id)
		require.Equal(t, "connected", want(t, h.posts).event())
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, g.Drain(ctx))
	require.NoError(t, b.Close(ctx))
	require.Len(t, h.posts, 3, "nothing is left when Close returns")
	for range 3 {
		require.Equal(t, "disconnected", want(t, h.posts).event())
	}
}

// Connections, webhooks and shutdown at the same time: nobody hangs, and each
// client has its events in order.
func TestManyConnections(t *testing.T) {
	type seen struct{ id, event string }
	events := make(chan seen, 4096)
	h := newHook(t, func(w http.ResponseWriter, p post) {
		events <- seen{p.Header.Get("X-ASRS-Connection-Id"), p.event()}
		w.WriteHeader(http.StatusNoContent)
	})
	h.posts = make(chan post, 4096)
	m := &books{}
	cfg := toAll(h.URL)
	cfg.MaxPerOrigin = 3
	b := start(t, cfg, watched(m))
	g := serve(t, b)
	const clients, messages = 20, 10
	done := make(chan struct{})
	for i := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			c, err := gatewaytest.TryConnect(t, g, gatewaytest.Options{ID: string(rune('a' + i)), Hub: "chat"})
			if err != nil {
				t.Error(err)
				return
			}
			for j := range messages {
				_ = c.Conn.Feed([]byte(send(string(rune('0'+j))) + "\x1e"))
			}
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		}()
	}
	for range clients {
		want(t, done)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, g.Drain(ctx))
	require.NoError(t, b.Close(ctx))
	close(events)
	byClient := make(map[string]string)
	for e := range events {
		byClient[e.id] += e.event[:1]
	}
	require.Len(t, byClient, clients)
	for id, order := range byClient {
		require.Equal(t, "c0123456789d", order, id)
	}
	require.Zero(t, m.depth())
	require.NoError(t, g.Check())
}

func TestSupportedProtocols(t *testing.T) {
	g := serve(t, start(t, &Config{}))
	c := gatewaytest.Connect(t, g, gatewaytest.Options{ID: "x", Hub: "chat", Protocol: "blazorpack"})
	require.Equal(t, gateway.CloseHandshakeError, c.WantEnd(patient(t)).Reason)
}
