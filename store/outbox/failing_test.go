package outbox

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/store/stream"
)

// Whoever asks is told that deliveries cannot be stored, once that has lasted, and until one is stored.
func TestStoreThatFailsIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fault atomic.Value
		fault.Store("")
		s := &shelf{fault: func() string { return fault.Load().(string) }}
		o := on(s, "a")
		o.Start()
		defer killed(o)
		var stored atomic.Bool
		put := func() {
			stored.Store(false)
			o.Put([]byte("event"), func() { stored.Store(true) })
		}
		put()
		time.Sleep(time.Second)
		require.True(t, stored.Load())
		require.NoError(t, o.Failing())

		fault.Store("down")
		put()
		time.Sleep((tellAfter - 2) * retryPause)
		synctest.Wait()
		require.NoError(t, o.Failing(), "it may be a moment only")
		time.Sleep(3 * retryPause)
		synctest.Wait()
		require.ErrorIs(t, o.Failing(), stream.ErrUnavailable)
		time.Sleep(time.Minute)
		require.ErrorIs(t, o.Failing(), stream.ErrUnavailable, "it lasts")
		require.False(t, stored.Load())

		fault.Store("")
		time.Sleep(2 * retryPause)
		synctest.Wait()
		require.True(t, stored.Load())
		require.NoError(t, o.Failing())
	})
}

// A limit that is reached is no failure of the store: clients wait then, as they do for a limit of the node's memory.
func TestFullStoreDoesNotFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fault atomic.Value
		fault.Store("down")
		o := on(&shelf{fault: func() string { return fault.Load().(string) }}, "a")
		o.Start()
		defer killed(o)
		o.Put([]byte("event"), func() {})
		time.Sleep(time.Minute)
		require.Error(t, o.Failing())
		fault.Store("full")
		time.Sleep(2 * retryPause)
		synctest.Wait()
		require.NoError(t, o.Failing(), "the store answers")
		time.Sleep(time.Minute)
		require.NoError(t, o.Failing())
		require.NotZero(t, o.Stats().Events[EventFull])
	})
}

// A node that has begun a new log does not wait for what could not be written into the former one.
func TestFormerLogDoesNotFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := on(&shelf{fault: func() string { return "down" }}, "a")
		o.Start()
		defer killed(o)
		number := o.Put([]byte("event"), func() {})
		time.Sleep(time.Minute)
		require.Error(t, o.Failing())
		o.Done(number)
		o.Abandon("a2") // which has nothing to be written
		time.Sleep(2 * retryPause)
		synctest.Wait()
		require.NoError(t, o.Failing())
	})
}
