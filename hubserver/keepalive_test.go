package hubserver

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

func TestKeepAlive(t *testing.T) {
	t.Run("bytes are answered by a ping every five seconds at most", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			p := g.peer()
			p.open("C1")
			for range 24 {
				p.send(&serviceprotocol.Ping{})
				time.Sleep(2500 * time.Millisecond)
			}
			counts, status := 0, 0
			for len(p.pings) > 0 {
				ping := <-p.pings
				if _, ok := ping.Status(); ok {
					status++
					continue
				}
				process, connection, ok := ping.ClientCount()
				require.True(t, ok)
				if counts++; counts > 1 {
					require.Equal(t, [2]int{1, 1}, [2]int{process, connection})
				}
			}
			require.Equal(t, 8, counts, "once in 7.5 s")
			require.InDelta(t, 6, status, 1)
		})
	})
	t.Run("silence of 30 seconds ends a connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			start := time.Now()
			g.peer()
			g.peer()
			require.Equal(t, 30*time.Second, time.Since(start))
		})
	})
	t.Run("status", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			g, _ := serve(t, hub)
			p := g.peer()
			p.wantPing(func(ping *serviceprotocol.Ping) bool { _, ok := ping.Status(); return ok })
			require.False(t, hub.Active())
			p.send(serviceprotocol.StatusPing(true, nil))
			synctest.Wait()
			require.True(t, hub.Active())
		})
	})
	t.Run("echo", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			p := g.peer()
			p.send(&serviceprotocol.Ping{Values: []string{"echo", "x", "more", "y"}})
			ping := p.wantPing((*serviceprotocol.Ping).Echo)
			require.Equal(t, []string{"echo", "x", "more", "y"}, ping.Values)
		})
	})
}

func TestSilentClients(t *testing.T) {
	t.Run("clients are pinged after 15 seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			p := g.peer()
			c := p.open("C1")
			start := time.Now()
			c.hears(`{"type":6}`)
			require.InDelta(t, 15, time.Since(start).Seconds(), 1)
		})
	})
	t.Run("a client that has pinged times out after 30 seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			why := make(chan error, 1)
			hub.OnDisconnected(func(_ *Context, err error) { why <- err })
			g, _ := serve(t, hub)
			p := g.peer()
			stop := keepAwake(p)
			defer stop()
			c := p.open("C1")
			c.say(`{"type":6}`)
			start := time.Now()
			c.hears(`{"type":6}`)
			text := "Connection closed with an error. Nothing was heard of the client for too long."
			for {
				record := c.record()
				if strings.Contains(record, `"type":7`) {
					require.JSONEq(t, `{"type":7,"error":"`+text+`","allowReconnect":true}`, strings.TrimSuffix(record, "\x1e"))
					break
				}
			}
			require.InDelta(t, 30, time.Since(start).Seconds(), 1)
			require.Equal(t, text, want[*serviceprotocol.CloseConnection](p).Error)
			require.ErrorIs(t, <-why, ErrClientTimeout)
		})
	})
	t.Run("a client without handshake is closed after 15 seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			p := g.peer()
			p.send(&serviceprotocol.OpenConnection{ConnectionID: "C1"})
			start := time.Now()
			require.Equal(t, "C1", want[*serviceprotocol.CloseConnection](p).ConnectionID)
			require.InDelta(t, 15, time.Since(start).Seconds(), 1)
		})
	})
}
