package gateway_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

func TestAClientThatStartsWithoutARequest(t *testing.T) {
	bubble(t, "it gets what the session opens it with, and its records are handed over as they came", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{})
		require.NoError(t, c.Feed([]byte("hello")))
		n.marks("a")
		require.Equal(t, []string{"opened 1", "record 1 hello"}, n.backend.Events())
		require.Equal(t, []string{string(gatewaytest.Init), "a|a\x1e"}, c.Got())
		require.Equal(t, gatewaytest.Marked, c.Conn.Protocol())
		require.Equal(t, uint64(1), n.Stats().Total.MessagesIn)
		require.Equal(t, uint64(5), n.Stats().Total.BytesIn)
		n.balanced()
	})
	bubble(t, "it is refused", func(t *testing.T) {
		n := startReturning(t, func(_ *gateway.Options, n *node) {
			n.backend.Refuse = func(*gateway.Conn) error { return errors.New("not you") }
		})
		c := n.returning("1", gatewaytest.Options{})
		require.Equal(t, gateway.CloseHandshakeError, c.WantEnd(t.Context()).Reason)
		require.Equal(t, []string{string(gatewaytest.Init), "|close HandshakeError\x1e"}, c.Got(), "in the manner of its protocol")
		n.balanced()
	})
	bubble(t, "it is closed before it has started", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Protocol: "-", Transport: gateway.LongPolling})
		require.ErrorIs(t, c.Feed([]byte("early")), gateway.ErrNotStarted)
		c.Conn.Close(gateway.Cause{Reason: gateway.CloseServiceReload})
		require.Equal(t, gateway.CloseServiceReload, c.WantEnd(t.Context()).Reason)
		require.Equal(t, []string{string(gatewaytest.Init), "|close a poll ServiceReload\x1e"}, c.Got())
		err := c.Conn.Start(gateway.Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: gatewaytest.Marked}})
		require.ErrorAs(t, err, new(gateway.Cause))
		require.Empty(t, n.backend.Events())
		n.balanced()
	})
	bubble(t, "the application has told it the end", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{})
		c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Told: true})
		c.WantEnd(t.Context())
		require.Equal(t, []string{string(gatewaytest.Init)}, c.Got())
	})
	bubble(t, "a record is too large", func(t *testing.T) {
		n := startReturning(t, func(_ *gateway.Options, n *node) { n.limits.MessageBytes = 100 })
		c := n.returning("1", gatewaytest.Options{})
		require.ErrorAs(t, c.Feed([]byte(strings.Repeat("x", 101))), new(gateway.Cause))
		require.Equal(t, gateway.CloseBadRequest, c.WantEnd(t.Context()).Reason)
		require.Error(t, c.Conn.Record([]byte("behind it")))
		require.Equal(t, "opened 1", n.backend.Events()[0])
	})
	bubble(t, "its reader waits while the application has no room", func(t *testing.T) {
		var full atomic.Bool
		full.Store(true)
		n := startReturning(t, func(_ *gateway.Options, n *node) { n.backend.Full = full.Load })
		c := n.returning("1", gatewaytest.Options{})
		done := make(chan error)
		go func() { done <- c.Feed([]byte("1")) }()
		synctest.Wait()
		go func() { _ = c.Conn.Record([]byte("2")) }() // of another request
		full.Store(false)
		c.Conn.Resume()
		require.NoError(t, <-done)
		synctest.Wait()
		require.Equal(t, []string{"opened 1", "record 1 1", "record 1 2"}, n.backend.Events())
	})
}

// The gateway keeps the client alive although the application speaks, but not one that polls.
func TestTheKeepAliveOfAManner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Raw: true})
		polls := n.returning("2", gatewaytest.Options{Transport: gateway.LongPolling})
		pings := func(c *gatewaytest.Client) int { return strings.Count(strings.Join(c.Got(), ""), "|ping\x1e") }
		time.Sleep(35 * time.Second)
		require.Equal(t, 3, pings(c))
		require.Zero(t, pings(polls))
		n.balanced()
		require.Zero(t, n.Stats().Total.Attempted, "a ping is no delivery")
		c.Leave()
		time.Sleep(25 * time.Second)
		next := n.back(c, gatewaytest.Options{}, "0")
		require.Zero(t, pings(next), "nobody is kept alive while it is away")
		time.Sleep(11 * time.Second)
		require.Equal(t, 1, pings(next))
		for range 30 {
			time.Sleep(time.Second)
			next.Conn.SendFrameFor(next, []byte("|pong|"))
		}
		require.Equal(t, 4, pings(next), "frames of the transport are no message that the client hears")
	})
}

// Clients of such a protocol do not take every record for a sign of life: pings come whatever is sent.
func TestTheKeepAliveOfAMannerAmongRecords(t *testing.T) {
	for name, o := range map[string]gatewaytest.Options{"pumped": {}, "written directly": {Raw: true}} {
		bubble(t, name, func(t *testing.T) {
			n := startReturning(t, nil)
			c := n.returning("1", o)
			for range 35 {
				time.Sleep(time.Second)
				n.marks("a")
			}
			require.Equal(t, 3, strings.Count(strings.Join(c.Got(), ""), "|ping\x1e"))
			require.Equal(t, 35, strings.Count(strings.Join(c.Got(), ""), "a|a\x1e"))
		})
	}
}

// A client for whom something waits at each look at it gets its pings too: it may be the answers to calls.
func TestTheKeepAliveOfAMannerBehindWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Raw: true})
		c.Stall()
		n.marks("large---" + strings.Repeat("x", 600<<10))
		time.Sleep(25 * time.Second)
		c.Unstall()
		synctest.Wait()
		require.Equal(t, 2, strings.Count(strings.Join(c.Got(), ""), "|ping\x1e"))
	})
}

// The session is told of a return in order with the records, and Replace does not wait for it.
func TestAReturnIsToldBehindARecordThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		n := startReturning(t, func(_ *gateway.Options, n *node) { n.backend.Full = full.Load })
		c := n.returning("1", gatewaytest.Options{})
		full.Store(true)
		go func() { _ = c.Conn.Record([]byte("1")) }()
		synctest.Wait()
		next := n.back(c, gatewaytest.Options{}, "0")
		require.Equal(t, []string{"opened 1"}, n.backend.Events())
		next = n.back(next, gatewaytest.Options{}, "0")
		full.Store(false)
		c.Conn.Resume()
		synctest.Wait()
		require.NoError(t, next.Feed([]byte("2")))
		require.Equal(t, []string{"opened 1", "record 1 1", "returned 1", "returned 1", "record 1 2"}, n.backend.Events())
	})
}
