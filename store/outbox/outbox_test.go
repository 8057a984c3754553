package outbox

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/stream"
)

// noJetStream is asked nothing but its options.
type noJetStream struct{ jetstream.JetStream }

func (noJetStream) Options() jetstream.JetStreamOptions { return jetstream.JetStreamOptions{} }

// records are the texts of deliveries.
func records(list []Delivery) (texts []string) {
	for _, d := range list {
		texts = append(texts, string(d.Record))
	}
	return texts
}

func end(t *testing.T, o *Outbox) {
	t.Helper()
	require.NoError(t, o.Close(context.Background()))
}

// killed is a node that is not there any more.
func killed(o *Outbox) {
	o.cancel()
	o.wg.Wait()
}

func TestWhatIsNotDoneIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		a := on(s, "a")
		a.Start()
		var stored atomic.Int32
		var numbers []uint64
		for i := range 10 {
			numbers = append(numbers, a.Put(fmt.Append(nil, "event ", i), func() { stored.Add(1) }))
		}
		require.Zero(t, stored.Load(), "it is not stored yet")
		time.Sleep(time.Second)
		synctest.Wait()
		require.EqualValues(t, 10, stored.Load())
		require.Equal(t, 1, s.writes, "what comes together is written at once")
		for _, n := range numbers[:7] {
			a.Done(n)
			require.False(t, a.Mine(n))
		}
		require.True(t, a.Mine(numbers[8]))
		time.Sleep(time.Second)
		killed(a)

		b := on(s, "b")
		b.Start()
		adopted, err := b.Bury(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, []string{"event 7", "event 8", "event 9"}, records(adopted))
		again, err := b.Bury(t.Context(), "a")
		require.NoError(t, err)
		require.Empty(t, again, "nothing is left there")
		require.True(t, b.Left())
		for _, d := range adopted {
			b.Done(d.Number)
		}
		end(t, b)
		require.LessOrEqual(t, s.bytes(), 32, "but for the mark, nothing is left")
	})
}

// A node that lives after all writes nothing any more into the log that was closed. What it cannot know to be
// there it keeps.
func TestNodeThatWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		a, b := on(s, "a"), on(s, "b")
		a.Start()
		b.Start()
		first := a.Put([]byte("first"), nil)
		time.Sleep(time.Second)
		adopted, err := b.Bury(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, []string{"first"}, records(adopted))
		var stored atomic.Bool
		second := a.Put([]byte("second"), func() { stored.Store(true) })
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, stored.Load(), "the log is closed")
		a.Abandon("a2")
		require.False(t, a.Mine(first), "the other node has it")
		require.True(t, a.Mine(second))
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, stored.Load())
		killed(a)
		adopted, err = b.Bury(t.Context(), "a2")
		require.NoError(t, err)
		require.Equal(t, []string{"second"}, records(adopted))
		killed(b)
	})
}

// A node that is slow, and not dead, may make its log shorter while another one reads it. What was read may miss something:
// it is read again.
func TestLogThatGetsShorterWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		a, b := on(s, "a"), on(s, "b")
		a.Start()
		b.Start()
		for _, text := range []string{"first", "second"} {
			a.Put([]byte(text), nil)
			time.Sleep(time.Second)
		}
		killed(a)
		require.Len(t, s.All, 2)
		subject := a.prefix + "a"
		s.read = sync.OnceFunc(func() { require.NoError(t, s.PurgeBefore(t.Context(), subject, 2)) })
		adopted, err := b.Bury(t.Context(), "a")
		require.ErrorIs(t, err, stream.ErrShortened)
		require.Empty(t, adopted)
		adopted, err = b.Bury(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, []string{"second"}, records(adopted))
		killed(b)
	})
}

func TestFencedNodeTakesNothingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		a, b := on(s, "a"), on(s, "b")
		a.Start()
		a.Put([]byte("first"), nil)
		time.Sleep(time.Second)
		killed(a)
		b.opts.Fence.(*fencing).on = true
		_, err := b.Bury(t.Context(), "a")
		require.ErrorIs(t, err, errFenced)
	})
}

// A delivery larger than a message of the store goes in parts.
func TestLargeDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		a, b := on(s, "a"), on(s, "b")
		a.Start()
		b.Start()
		large := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
		a.Put([]byte("small"), nil)
		a.Put(large, nil)
		a.Put([]byte("after"), nil)
		time.Sleep(time.Second)
		synctest.Wait()
		for _, m := range s.All {
			require.LessOrEqual(t, len(m.Data), batchlog.MaxBatch)
		}
		killed(a)
		adopted, err := b.Bury(t.Context(), "a")
		require.NoError(t, err)
		require.Len(t, adopted, 3)
		require.True(t, bytes.Equal(large, adopted[1].Record))
		killed(b)
	})
}

// A delivery that stays does not keep what is done behind it.
func TestLogStaysShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{100, partSize * 3} {
			s := new(shelf)
			a := on(s, "a")
			a.Start()
			stuck := a.Put(bytes.Repeat([]byte("s"), size), nil)
			time.Sleep(time.Second)
			record := bytes.Repeat([]byte("x"), 64<<10)
			for range 400 {
				n := a.Put(record, nil)
				time.Sleep(10 * time.Millisecond)
				a.Done(n)
			}
			time.Sleep(time.Second)
			require.Less(t, s.bytes(), moveAbove+moveFactor*size+2<<20)
			require.NotZero(t, a.Stats().Events[EventMoved])
			require.True(t, a.Mine(stuck))
			killed(a)
			b := on(s, "b")
			b.Start()
			adopted, err := b.Bury(t.Context(), "a")
			require.NoError(t, err)
			require.Len(t, adopted, 1)
			require.Len(t, adopted[0].Record, size)
			killed(b)
		}
	})
}

// How often a delivery was tried goes with it to the next node, and to the one after that.
func TestAttemptsAreTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{10, 3 * partSize} {
			s := new(shelf)
			a, b, c := on(s, "a"), on(s, "b"), on(s, "c")
			a.Start()
			n := a.Put(make([]byte, size), nil)
			untried := a.Put([]byte("not tried"), nil)
			a.Tried(n, 1)
			time.Sleep(time.Second)
			a.Tried(n, 2)
			a.Tried(n, 3)
			a.Tried(untried+1, 9) // which nobody has
			time.Sleep(time.Second)
			waiting, _, err := b.Waiting(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, waiting, 2)
			require.Equal(t, []int{3, 0}, []int{waiting[0].Attempts, waiting[1].Attempts})
			killed(a)

			b.Start()
			adopted, err := b.Bury(t.Context(), "a")
			require.NoError(t, err)
			require.Len(t, adopted, 2)
			require.Equal(t, []int{3, 0}, []int{adopted[0].Attempts, adopted[1].Attempts})
			killed(b)

			c.Start()
			adopted, err = c.Bury(t.Context(), "b")
			require.NoError(t, err)
			require.Equal(t, []int{3, 0}, []int{adopted[0].Attempts, adopted[1].Attempts})
			killed(c)
		}
	})
}

// A delivery that is written again behind the rest of its log is not a new one.
func TestAttemptsMoveWithTheirDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		a, b := on(s, "a"), on(s, "b")
		a.Start()
		stuck := a.Put([]byte("stuck"), nil)
		time.Sleep(time.Second)
		a.Tried(stuck, 7)
		for range 400 {
			n := a.Put(make([]byte, 64<<10), nil)
			time.Sleep(10 * time.Millisecond)
			a.Done(n)
		}
		time.Sleep(time.Second)
		require.NotZero(t, a.Stats().Events[EventMoved])
		killed(a)
		b.Start()
		adopted, err := b.Bury(t.Context(), "a")
		require.NoError(t, err)
		require.Len(t, adopted, 1)
		require.Equal(t, 7, adopted[0].Attempts)
		killed(b)
	})
}

// More than a node may have in memory waits to be stored, and nothing is refused.
func TestMoreThanThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		a := on(s, "a")
		a.log.maxBytes = 1000
		a.Start()
		var stored atomic.Int32
		var numbers []uint64
		for range 20 {
			numbers = append(numbers, a.Put(make([]byte, 100), func() { stored.Add(1) }))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.EqualValues(t, 10, stored.Load())
		a.Done(numbers[0])
		a.Done(numbers[15]) // that was not stored
		time.Sleep(time.Second)
		synctest.Wait()
		require.EqualValues(t, 12, stored.Load(), "there is room for one more, and nobody waits for what is done")
		for _, n := range numbers {
			a.Done(n)
		}
		end(t, a)
		require.Zero(t, a.Stats().Waiting)
		require.Zero(t, a.Stats().Bytes)
		require.Zero(t, a.Stats().Unstored)
	})
}

// A store that is full stops nothing that is there: room comes by what is done.
func TestFullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		var full atomic.Bool
		s.fault = func() string {
			if full.Load() {
				return "full"
			}
			return ""
		}
		a := on(s, "a")
		a.Start()
		first := a.Put([]byte("first"), nil)
		time.Sleep(time.Second)
		full.Store(true)
		var stored atomic.Bool
		a.Put([]byte("second"), func() { stored.Store(true) })
		a.Done(first)
		time.Sleep(time.Second)
		require.False(t, stored.Load())
		require.NotZero(t, a.Stats().Events[EventFull])
		full.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, stored.Load())
		killed(a)
	})
}

// TestModel puts and ends deliveries while the store fails in all ways, and kills the node at any moment:
// what was stored and was not ended is found, in order, and whole.
func TestModel(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() { // the race detector looks at fewer of them
		seeds = 6
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { model(t, seed) })
	}
}

func model(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	s := new(shelf)
	faults := []string{"", "", "", "lost", "refused", "down", "full"}
	chance := rand.New(rand.NewPCG(seed, 2))
	s.fault = func() string { return faults[chance.IntN(len(faults))] }
	a := on(s, "a")
	a.log.maxBytes = 4 << 20
	a.Start()
	stored, ended := make(map[uint64]bool), make(map[uint64]bool)
	texts := make(map[uint64][]byte)
	loses := seed%7 == 0
	for range 200 {
		switch r.IntN(10) {
		case 0, 1, 2, 3, 4:
			size := r.IntN(2000)
			if r.IntN(30) == 0 {
				size = partSize + r.IntN(2*partSize)
			}
			text := bytes.Repeat([]byte{byte(r.IntN(256))}, size)
			var number uint64
			s.mu.Lock() // stored is not called before number is known
			number = a.Put(text, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				stored[number] = true
			})
			s.mu.Unlock()
			texts[number] = text
		case 5:
			for n := range texts {
				a.Tried(n, r.IntN(100))
				break
			}
		case 6, 7:
			for n := range texts {
				a.Done(n)
				ended[n] = true
				break
			}
		case 8:
			time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
		case 9:
			if loses && r.IntN(10) == 0 {
				synctest.Wait()
				s.lose()
			}
		}
		synctest.Wait()
	}
	if loses {
		a.Put([]byte("by which the loss is noticed"), nil)
		s.mu.Lock()
		s.fault = nil
		s.mu.Unlock()
		time.Sleep(time.Minute)
	}
	killed(a)
	s.mu.Lock()
	s.fault = nil
	s.mu.Unlock()
	b := on(s, "b")
	b.Start()
	adopted, err := b.Bury(t.Context(), "a")
	require.NoError(t, err)
	killed(b)
	found := records(adopted)
	for _, n := range sortedKeys(texts) {
		if !stored[n] || ended[n] {
			continue
		}
		i := slices.Index(found, string(texts[n]))
		require.GreaterOrEqual(t, i, 0, "seed %d: delivery %d was stored and is lost", seed, n)
		found = found[i+1:] // and those after it come later
	}
}

func FuzzParseBatch(f *testing.F) {
	whole := batch{mark: 7, entries: []entry{{kindPut, 1, []byte("x")}, {kindDone, 1, nil}, {kindBegin, 2, []byte("a")}, {kindEnd, 2, []byte("b")}, triedEntry(2, 3), {kind: kindClosed}}}
	f.Add(whole.append(nil))
	f.Add([]byte("\x93\x01\x07\xdd\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := newReading()
		r.take(text)
		b, err := parseBatch(text)
		if err != nil {
			require.ErrorIs(t, err, batchlog.ErrBatch)
			return
		}
		again, err := parseBatch(b.append(nil))
		require.NoError(t, err)
		require.Equal(t, len(b.entries), len(again.entries))
	})
}
