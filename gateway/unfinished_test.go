package gateway_test

import (
	"bytes"
	"fmt"
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

// unfinishedRecord is the beginning of a record that has no end.
func unfinishedRecord(size int) []byte {
	return append([]byte(`{"type":1,"target":"`), bytes.Repeat([]byte("a"), size)...)
}

func TestD20UnfinishedRecordsOfTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.UnfinishedBytes = 1 << 20 })
		honest := n.connect("honest", "")
		small := n.connect("small", "")
		require.NoError(t, small.Feed(unfinishedRecord(10<<10)))
		var large []*gatewaytest.Client
		for i := range 40 {
			c := n.connect(fmt.Sprint("large", i), "")
			large = append(large, c)
			for range 10 {
				_ = c.Feed(unfinishedRecord(20 << 10)) // an error once it is closed
			}
			synctest.Wait()
			require.LessOrEqual(t, n.Stats().Unfinished, int64(1<<20), "by client %d", i)
		}
		closed := 0
		for _, c := range large {
			if cause := c.Conn.CloseRequested(); cause != nil {
				require.Equal(t, gateway.CloseThrottled, cause.Reason)
				require.True(t, cause.AllowReconnect)
				closed++
			}
		}
		require.GreaterOrEqual(t, closed, 35)
		require.Less(t, closed, 40, "nobody is closed without need")
		require.Nil(t, small.Conn.CloseRequested(), "those that hold most are closed")
		require.NoError(t, honest.Feed([]byte(invocation)))
		require.NoError(t, small.Feed([]byte("\",\"arguments\":[]}\x1e")))
		require.Contains(t, n.backend.Events(), "record honest a")
		for _, c := range large {
			c.Leave()
		}
		n.balanced()
		require.Zero(t, n.Stats().Unfinished, "all was given back")
	})
}

func TestD20ARecordHasToArriveInTime(t *testing.T) {
	drip := func(t *testing.T, protocol string, record []byte, each, seconds int) *gatewaytest.Client {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Protocol: protocol})
		for i := 0; i < seconds && len(record) > 0; i++ {
			k := min(each, len(record))
			if c.Feed(record[:k]) != nil {
				break
			}
			record = record[k:]
			time.Sleep(time.Second)
		}
		synctest.Wait()
		require.NoError(t, n.Check())
		if c.Conn.CloseRequested() != nil {
			require.Zero(t, n.Stats().Unfinished)
		}
		return c
	}
	// A MessagePack record of 64 KiB: its length as a varint, then an array.
	packed := append([]byte{0x80, 0x80, 0x04, 0x96, 0x01, 0x80, 0xc0, 0xa1, 'x', 0x90}, make([]byte, 64<<10)...)
	for name, tc := range map[string]struct {
		protocol      string
		record        []byte
		each, seconds int
		closed        bool
	}{
		"a byte a second":                {"", unfinishedRecord(100), 1, 60, true},
		"a byte a second, MessagePack":   {hubprotocol.MessagePack, packed, 1, 60, true},
		"2 KiB a second":                 {"", unfinishedRecord(1 << 20), 2 << 10, 100, true},
		"4 KiB a second":                 {"", unfinishedRecord(1 << 20), 4 << 10, 250, false},
		"4 KiB a second, MessagePack":    {hubprotocol.MessagePack, packed, 4 << 10, 16, false},
		"small and not quite in one go":  {"", unfinishedRecord(10), 1, 25, false},
		"whole records, byte by byte":    {"", []byte(strings.Repeat(invocation, 2)), 2, 100, false},
		"whole records that meet nobody": {"", []byte(strings.Repeat("{\"type\":6}\x1e", 30)), 3, 120, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := drip(t, tc.protocol, tc.record, tc.each, tc.seconds)
				if !tc.closed {
					require.Nil(t, c.Conn.CloseRequested())
					return
				}
				end := c.WantEnd(t.Context())
				require.Equal(t, gateway.CloseBadRequest, end.Reason)
				require.Contains(t, end.Text, "too long")
			})
		})
	}
}

// A record that has arrived and waits for the application is not late, and neither is what the
// client has sent behind it.
func TestD20TheTimeOfTheApplicationIsNotTheClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		n := start(t, func(_ *gateway.Options, n *node) {
			n.backend.Full = full.Load
			n.backend.Speaker = gateway.ApplicationSpeaks
			n.backend.Refuse = func(c *gateway.Conn) error { c.Open([]byte("{}\x1e")); return nil }
		})
		c := n.connect("1", "")
		full.Store(true)
		require.NoError(t, c.Feed([]byte(invocation[:10])))
		fed := make(chan error, 1)
		go func() { fed <- c.Feed([]byte(invocation[10:] + invocation + invocation[:10])) }()
		time.Sleep(5 * time.Minute)
		require.Nil(t, c.Conn.CloseRequested())
		full.Store(false)
		c.Conn.Resume()
		require.NoError(t, <-fed)
		time.Sleep(20 * time.Second)
		require.NoError(t, c.Feed([]byte(invocation[10:])))
		require.Len(t, n.backend.Events(), 4)
		require.Zero(t, n.Stats().Unfinished)
	})
}

func TestD20WhatTransportsHoldCountsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.UnfinishedBytes = 1 << 20 })
		feeds, holds, small := n.connect("feeds", ""), n.connect("holds", ""), n.connect("small", "")
		require.NoError(t, feeds.Feed(unfinishedRecord(300<<10)))
		require.NoError(t, small.Conn.Hold(10))
		require.NoError(t, holds.Conn.Hold(900<<10))
		synctest.Wait()
		require.Equal(t, gateway.CloseThrottled, holds.Conn.CloseRequested().Reason, "it holds most of all clients")
		require.Nil(t, feeds.Conn.CloseRequested())
		require.LessOrEqual(t, n.Stats().Unfinished, int64(1<<20))
		require.Error(t, holds.Conn.Hold(1))
		require.Error(t, holds.Conn.Hold(-900<<10), "which is not counted twice")
		require.NoError(t, feeds.Feed([]byte("\",\"arguments\":[]}\x1e")))
		require.Equal(t, int64(10), n.Stats().Unfinished)
		time.Sleep(29 * time.Second)
		require.Nil(t, small.Conn.CloseRequested())
		time.Sleep(3 * time.Second)
		require.Equal(t, "A message took too long to arrive.", small.Conn.CloseRequested().Text)
		require.Zero(t, n.Stats().Unfinished)
		n.balanced()
	})
}
