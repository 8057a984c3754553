package outbox

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/store/stream"
)

// The log of a dead node stays until what was in it is in another: also if that took more than one call.
func TestDeadNodesLogStaysUntilAllIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		a, b := on(s, "a"), on(s, "b")
		a.Start()
		a.Put([]byte("first"), nil)
		time.Sleep(time.Second)
		killed(a)
		bury := func() ([]Delivery, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return b.Bury(ctx, "a")
		}
		adopted, err := bury() // the log of b is not written yet
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"first"}, records(adopted))
		adopted, err = bury()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, adopted)
		b.Start()
		adopted, err = bury()
		require.NoError(t, err)
		require.Empty(t, adopted)
		killed(b)
		c := on(s, "c")
		c.Start()
		adopted, err = c.Bury(t.Context(), "a")
		require.NoError(t, err)
		require.Empty(t, adopted)
		adopted, err = c.Bury(t.Context(), "b")
		require.NoError(t, err)
		require.Equal(t, []string{"first"}, records(adopted))
		killed(c)
	})
}

// The beginning of a large delivery stays while its end is being written, also if the store is full then.
func TestFullStoreAtTheEndOfALargeDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		s.fault = func() string {
			if s.writes == 3 {
				return "full"
			}
			return ""
		}
		a, b := on(s, "a"), on(s, "b")
		a.Start()
		large := bytes.Repeat([]byte("x"), 2*partSize+1)
		a.Put(large, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 4, s.writes)
		require.Zero(t, a.Stats().Unstored)
		killed(a)
		b.Start()
		adopted, err := b.Bury(t.Context(), "a")
		require.NoError(t, err)
		require.Len(t, adopted, 1)
		require.True(t, bytes.Equal(large, adopted[0].Record))
		killed(b)
	})
}

// Who waits until a delivery is stored hears of it once, also if it is done before.
func TestDoneBeforeItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := on(new(shelf), "a")
		var told atomic.Int32
		number := a.Put([]byte("first"), func() { told.Add(1) })
		a.Done(number)
		require.EqualValues(t, 1, told.Load())
		a.Done(number)
		a.Start()
		time.Sleep(time.Second)
		number = a.Put([]byte("second"), func() { told.Add(1) })
		time.Sleep(time.Second)
		a.Done(number)
		end(t, a)
		require.EqualValues(t, 2, told.Load())
	})
}

// readers counts who reads a shelf at the same time.
type readers struct {
	*shelf
	mu        sync.Mutex
	now, most int
}

func (r *readers) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now += n
	r.most = max(r.most, r.now)
}

func (r *readers) Next(ctx context.Context, filter string, from uint64) (stream.Message, error) {
	r.count(1)
	defer r.count(-1)
	time.Sleep(time.Second)
	return r.shelf.Next(ctx, filter, from)
}

// The logs of all nodes can be large: one question at a time has them in memory.
func TestWaitingIsReadOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &readers{shelf: new(shelf)}
		a := on(s.shelf, "a")
		a.Start()
		a.Put([]byte("first"), nil)
		time.Sleep(time.Second)
		a.stream = s
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				list, more, err := a.Waiting(t.Context(), 10)
				require.NoError(t, err)
				require.False(t, more)
				require.Len(t, list, 1)
			})
		}
		all.Wait()
		require.Equal(t, 1, s.most)
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() { _, _, _ = a.Waiting(t.Context(), 10) })
		synctest.Wait()
		cancel()
		_, _, err := a.Waiting(ctx, 10)
		require.ErrorIs(t, err, context.Canceled, "nobody waits for a turn that is not wanted any more")
		all.Wait()
		killed(a)
	})
}
