package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/webhook"
)

// An attempt that says nothing of the application leaves the circuit as it is.
func TestAttemptThatSaysNothing(t *testing.T) {
	for _, result := range []Result{ResultBusy, ResultToken, ResultShutdown, ResultGuarded} {
		t.Run(string(result), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := circuits{open: time.Second, log: slog.New(slog.DiscardHandler)}
				c := all.of("http://app")
				attempt := func(result Result) {
					report, err := c.Allow()
					require.NoError(t, err)
					a := answer{result: result}
					report(a.failure())
				}
				for range failuresToOpen - 1 {
					attempt(ResultConnect)
				}
				attempt(result)
				require.Equal(t, gobreaker.StateClosed, c.State())
				attempt(ResultTimeout)
				require.Equal(t, gobreaker.StateOpen, c.State(), "it was the fifth failure in a row")
				time.Sleep(2 * time.Second)
				attempt(result)
				require.Equal(t, gobreaker.StateHalfOpen, c.State(), "nobody knows whether it works")
				attempt(ResultOK)
				require.Equal(t, gobreaker.StateClosed, c.State())
			})
		})
	}
}

// Nor does one in which the gateway has a fault.
func TestAttemptThatPanics(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	b := startKeeping(t, toAll(h.URL), store)
	s := newSession(b, newConn("abc"))
	var told []error
	e := event{kind: kindConnected, template: s.match(kindConnected, ""), kept: new(kept)}
	require.Panics(t, func() { s.reported(&e, nil, func(err error) { told = append(told, err) }) })
	require.Len(t, told, 1)
	require.Error(t, told[0])
	require.NotErrorIs(t, told[0], errUpstream)
}

// Without a token nothing is sent: the next attempt is no repeat.
func TestNoTokenIsNoRepeat(t *testing.T) {
	tokens := newTokenServer(t)
	tokens.down = true
	h, store := newHook(t, nil), newBox()
	cfg := toAll(h.URL)
	cfg.Credentials = Credentials{TokenURL: tokens.URL, ClientID: "gateway"}
	cfg.Templates = []Template{{URL: h.URL, Bearer: Bearer{Wanted: true, Scope: "s"}, Hub: webhook.PatternOf("chat")}}
	b := startKeeping(t, cfg, store)
	connect(b, newConn("abc"))
	for b.OutboxStats().Retries == 0 {
		time.Sleep(time.Millisecond)
	}
	tokens.set(func() { tokens.down = false })
	_, attempt, repeat := delivered(t, want(t, h.posts))
	require.NotEqual(t, "1", attempt)
	require.Empty(t, repeat)
}

// Origins can come from names that clients choose: those that fail are bounded too.
func TestCircuitsAreBounded(t *testing.T) {
	all := circuits{open: time.Hour, log: slog.New(slog.DiscardHandler)}
	fail := func(c *circuit, times int) {
		for range times {
			if report, err := c.Allow(); err == nil {
				report(errUpstream)
			}
		}
	}
	first := all.of("http://first")
	fail(first, failuresToOpen-1)
	busy := all.of("http://busy")
	fail(busy, failuresToOpen)
	for i := range 2 * maxCircuits {
		fail(all.of(fmt.Sprint("http://", i)), failuresToOpen)
		require.Same(t, busy, all.of("http://busy"), "one that is used stays")
	}
	require.LessOrEqual(t, len(all.all), maxCircuits)
	require.EqualValues(t, len(all.all), all.isOpen.Load(), "those that are forgotten do not count")
	fail(first, 1)
	require.EqualValues(t, len(all.all), all.isOpen.Load(), "nor when they open later")
	_, err := busy.Allow()
	require.True(t, errors.Is(err, gobreaker.ErrOpenState))
}
