package gateway_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// fakeLimiter has answers set by the test.
type fakeLimiter struct {
	connect error
	hold    time.Duration
	over    error
	took    atomic.Int64
	meters  atomic.Int64 // that have not ended
}

func (f *fakeLimiter) Connect(string, string, bool) error { return f.connect }
func (f *fakeLimiter) Meter(string, string) gateway.Meter {
	f.meters.Add(1)
	return &fakeMeter{f}
}

type fakeMeter struct{ of *fakeLimiter }

func (m *fakeMeter) Take(int) (time.Duration, error) {
	m.of.took.Add(1)
	return m.of.hold, m.of.over
}
func (m *fakeMeter) End() { m.of.meters.Add(-1) }

const said = `{"type":1,"target":"say","arguments":[]}` + "\x1e"

func TestLimiter(t *testing.T) {
	over := &gateway.Overrun{Rule: "chatty", Text: "1/s messages for each user", Reset: 2 * time.Second}
	bubble(t, "a client that comes is refused", func(t *testing.T) {
		n := start(t, nil)
		n.Limit(&fakeLimiter{connect: over})
		require.ErrorIs(t, n.AdmitUser("chat", "ann"), over)
		_, err := gatewaytest.TryConnect(t, n.Gateway, gatewaytest.Options{ID: "one", Hub: "chat"})
		require.ErrorIs(t, err, over)
		require.Zero(t, n.Connections("chat"))
		n.Limit(nil)
		require.NoError(t, n.AdmitUser("chat", "ann"))
		n.connect("one", "ann")
		n.balanced()
	})
	bubble(t, "a client that says too much is closed with the rule and the time", func(t *testing.T) {
		n := start(t, nil)
		f := &fakeLimiter{over: over}
		n.Limit(f)
		c := n.connect("one", "ann")
		require.NoError(t, c.Conn.Feed([]byte(`{"type":6}`+"\x1e")), "a ping is not counted")
		var cause gateway.Cause
		require.True(t, errors.As(c.Conn.Feed([]byte(said)), &cause))
		require.Equal(t, gateway.CloseRateLimited, cause.Reason)
		require.Equal(t, `The limit "chatty" is reached: 1/s messages for each user. Try again in 2s.`, cause.Text)
		require.True(t, cause.AllowReconnect)
		c.Conn.Ended(cause)
		n.balanced()
		require.Zero(t, f.meters.Load())
		require.NotContains(t, n.backend.Events(), "say")
	})
	bubble(t, "a client that is held back waits, and no other", func(t *testing.T) {
		n := start(t, nil)
		n.Limit(&fakeLimiter{hold: time.Second})
		one, two := n.connect("one", "ann"), n.connect("two", "bob")
		began := time.Now()
		require.NoError(t, one.Conn.Feed([]byte(said+said)))
		require.Equal(t, 2*time.Second, time.Since(began))
		held := make(chan error, 1)
		go func() { held <- two.Conn.Feed([]byte(said)) }()
		synctest.Wait()
		two.Conn.Close(gateway.Cause{Reason: gateway.CloseNormal})
		require.Error(t, <-held, "a close does not wait for the held reader")
		require.Equal(t, 2*time.Second, time.Since(began))
	})
	bubble(t, "a limiter is replaced under its clients", func(t *testing.T) {
		n := start(t, nil)
		first, second := &fakeLimiter{}, &fakeLimiter{}
		c := n.connect("one", "ann")
		feed := func() { require.NoError(t, c.Conn.Feed([]byte(said))) }
		feed()
		n.Limit(first)
		feed()
		require.EqualValues(t, 1, first.meters.Load())
		n.Limit(second)
		feed()
		require.Zero(t, first.meters.Load())
		require.EqualValues(t, 1, second.meters.Load())
		n.Limit(nil)
		feed()
		require.Zero(t, second.meters.Load())
		require.EqualValues(t, 2, first.took.Load()+second.took.Load())
	})
}
