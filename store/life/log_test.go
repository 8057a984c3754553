package life

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/stream"
)

// inBubble runs a test with a log in a time of its own.
func inBubble(t *testing.T, name string, test func(t *testing.T, w *scribe)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := startLog(new(shelf), "a-1")
			defer w.end()
			test(t, w)
		})
	})
}

func TestLifeLog(t *testing.T) {
	inBubble(t, "17 a birth is stored when born returns, with all that is needed", func(t *testing.T, w *scribe) {
		began := time.Now()
		w.bear("ann")
		require.LessOrEqual(t, time.Since(began), commitEvery)
		require.Equal(t, entry{kind: kindBorn, id: "ann", hub: "chat", record: []byte("record of ann")}, w.shelf.logged("a-1").open["ann"])
		require.Zero(t, w.counts.Get(EventUnlogged))
	})
	inBubble(t, "17 an ordinary end: ending is stored before it is told, ended afterwards", func(t *testing.T, w *scribe) {
		w.bear("ann", "bob")
		require.True(t, w.ending(t.Context(), "ann", person("ann")))
		r := w.shelf.logged("a-1")
		require.Equal(t, "ann bob", ids(r))
		require.True(t, r.ending["ann"])
		w.ended("ann")
		w.settle(t)
		require.Equal(t, "bob", ids(w.shelf.logged("a-1")))
	})
	inBubble(t, "17 a birth for which there was no room is stored when born returns, if it waits for as long as it takes", func(t *testing.T, w *scribe) {
		w.patience, w.waiting.size = 0, maxWaiting+1
		w.shelf.do(func() { w.shelf.slow = time.Second })
		w.bear("ann")
		require.Equal(t, "ann", ids(w.shelf.logged("a-1")))
	})
	inBubble(t, "13 what comes within 5 ms is written at once", func(t *testing.T, w *scribe) {
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() { w.bear(fmt.Sprint("c", i)) })
		}
		wg.Wait()
		require.LessOrEqual(t, w.shelf.writes, 2)
		require.Len(t, w.shelf.logged("a-1").open, 40)
	})
	inBubble(t, "13 16 KiB are written without waiting for more", func(t *testing.T, w *scribe) {
		began := time.Now()
		w.born(t.Context(), "chat", "ann", person(strings.Repeat("a", commitSize)))
		require.Zero(t, time.Since(began))
	})
	inBubble(t, "Q6 while the store is down a client is let in after a second, counted, and noted later", func(t *testing.T, w *scribe) {
		w.shelf.do(func() { w.shelf.down = true })
		began := time.Now()
		w.bear("ann")
		require.Equal(t, bornWithin, time.Since(began))
		require.EqualValues(t, 1, w.counts.Get(EventUnlogged))
		w.shelf.do(func() { w.shelf.down = false })
		time.Sleep(5 * time.Second)
		require.Equal(t, "ann", ids(w.shelf.logged("a-1")))
	})
	inBubble(t, "with an outbox beside it a client waits until it is noted, however long the store is down", func(t *testing.T, w *scribe) {
		w.patience = 0
		w.shelf.do(func() { w.shelf.down = true })
		noted := make(chan struct{})
		go func() {
			w.bear("ann")
			close(noted)
		}()
		time.Sleep(time.Minute)
		select {
		case <-noted:
			require.Fail(t, "it was not waited for")
		default:
		}
		w.shelf.do(func() { w.shelf.down = false })
		<-noted
		require.Equal(t, "ann", ids(w.shelf.logged("a-1")))
		require.Zero(t, w.counts.Get(EventUnlogged))
	})
	inBubble(t, "N28 a right write that is refused, or whose answer is lost, is found out", func(t *testing.T, w *scribe) {
		w.bear("ann")
		w.shelf.do(func() { w.shelf.refuse = 2 })
		w.bear("bob")
		w.shelf.do(func() { w.shelf.lose = 1 })
		w.bear("cid")
		require.Equal(t, "ann bob cid", ids(w.shelf.logged("a-1")))
		require.Len(t, w.shelf.All, 3)
		require.Zero(t, w.counts.Get(EventUnlogged))
	})
	inBubble(t, "N28 what is logged of refusals says that nobody has written", func(t *testing.T, w *scribe) {
		text := new(strings.Builder)
		w.logger = slog.New(slog.NewTextHandler(text, nil))
		w.bear("ann")
		w.shelf.do(func() { w.shelf.refuse = batchlog.TellAfter })
		w.bear("bob")
		w.settle(t)
		require.Equal(t, "ann bob", ids(w.shelf.logged("a-1")))
		require.Contains(t, text.String(), "says a voter, and nobody has")
	})
	inBubble(t, "a store that has lost the log gets it again", func(t *testing.T, w *scribe) {
		w.bear("ann", "bob")
		w.shelf.do(func() { w.shelf.All = nil })
		w.bear("cid")
		w.settle(t)
		time.Sleep(time.Second)
		require.Equal(t, "ann bob cid", ids(w.shelf.logged("a-1")))
		require.EqualValues(t, 1, w.counts.Get(EventLogLost))
	})
	inBubble(t, "13 a log that is four times as long as needed is made shorter", func(t *testing.T, w *scribe) {
		const above = 64 << 10
		w.size.above = above
		w.bear("stays", "too")
		require.True(t, w.ending(t.Context(), "too", person("too")))
		for i := range 3000 {
			name := fmt.Sprint("client", i)
			w.bear(name)
			w.leave(t, name)
			require.Contains(t, w.shelf.logged("a-1").open, "stays")
		}
		w.settle(t)
		require.Less(t, w.shelf.bytes("a-1"), 2*above)
		require.NotZero(t, w.counts.Get(EventSnapshot))
		r := w.shelf.logged("a-1")
		require.Equal(t, "stays too", ids(r))
		require.True(t, r.ending["too"])
	})
	inBubble(t, "13 a log gets shorter while clients go on coming", func(t *testing.T, w *scribe) {
		w.size.above, w.shelf.slow = 64<<10, time.Millisecond
		w.bear("stays")
		var wg sync.WaitGroup
		for i := range 500 { // always more than one batch waits
			wg.Go(func() {
				for n := range 20 {
					name := fmt.Sprintf("client %d %d %0200d", i, n, 0)
					w.bear(name)
					w.ended(name)
					if i == 0 {
						require.Less(t, w.shelf.bytes("a-1"), 2<<20)
					}
				}
			})
		}
		wg.Wait()
		w.settle(t)
		require.Equal(t, "stays", ids(w.shelf.logged("a-1")))
	})
	inBubble(t, "a client that leaves before it was noted leaves no note", func(t *testing.T, w *scribe) {
		w.shelf.do(func() { w.shelf.down = true })
		w.bear("ann") // is on its way
		w.bear("bob") // waits
		require.True(t, w.ending(t.Context(), "bob", person("bob")))
		w.ended("bob")
		w.shelf.do(func() { w.shelf.down = false })
		time.Sleep(5 * time.Second)
		require.Equal(t, "ann", ids(w.shelf.logged("a-1")))
	})
	inBubble(t, "a record that is too large is counted and not stored", func(t *testing.T, w *scribe) {
		w.born(t.Context(), "chat", "ann", person(strings.Repeat("a", maxRecord)))
		require.EqualValues(t, 1, w.counts.Get(EventUnlogged))
		require.True(t, w.ending(t.Context(), "ann", person("ann")))
		require.Empty(t, w.shelf.All)
	})
	inBubble(t, "what waits is bounded, and noted later", func(t *testing.T, w *scribe) {
		w.shelf.do(func() { w.shelf.down = true })
		large := person(strings.Repeat("a", maxRecord-100))
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() { w.born(t.Context(), "chat", fmt.Sprint(i), large) })
		}
		wg.Wait()
		require.LessOrEqual(t, w.waiting.size, maxWaiting+maxRecord)
		w.shelf.do(func() { w.shelf.down = false })
		time.Sleep(10 * time.Second)
		w.settle(t)
		require.Len(t, w.shelf.logged("a-1").open, 200)
	})
}

func TestFencedNode(t *testing.T) {
	inBubble(t, "16.1 a fenced node holds the ends of its clients back, and tells them when it may", func(t *testing.T, w *scribe) {
		w.bear("ann", "bob")
		w.fence.Store(true)
		require.False(t, w.ending(t.Context(), "ann", person("ann, slow")))
		require.Equal(t, 1, w.heldNow())
		w.fence.Store(false)
		id, record, ok := w.nextHeld()
		require.True(t, ok)
		require.Equal(t, "ann", id)
		require.Equal(t, "record of ann, slow", string(record), "with the reason of its own")
		require.True(t, w.ending(t.Context(), id, record))
		w.ended(id)
		w.settle(t)
		require.Equal(t, "bob", ids(w.shelf.logged("a-1")))
	})
	inBubble(t, "an end that waits for the store is held back when the node is fenced", func(t *testing.T, w *scribe) {
		w.bear("ann")
		w.shelf.do(func() { w.shelf.down = true })
		go func() {
			time.Sleep(12 * time.Second)
			w.fence.Store(true)
		}()
		began := time.Now()
		require.False(t, w.ending(t.Context(), "ann", person("ann")))
		require.InDelta(t, 13, time.Since(began).Seconds(), 2)
		require.Equal(t, 1, w.heldNow())
	})
	inBubble(t, "ends that wait behind others for the store are held back too when the node is fenced", func(t *testing.T, w *scribe) {
		w.bear("ann", "bob", "cid")
		w.shelf.do(func() { w.shelf.down = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		var wg sync.WaitGroup
		for i, name := range []string{"ann", "bob", "cid"} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second) // the writer has the first one, and tries
				if w.ending(ctx, name, person(name)) {
					t.Error("it must not be told:", name)
				}
			})
		}
		time.Sleep(5 * time.Second)
		w.fence.Store(true)
		wg.Wait()
		require.Less(t, time.Since(began), 10*time.Second)
		require.Equal(t, 3, w.heldNow())
		w.shelf.do(func() { w.shelf.down = false })
		w.fence.Store(false)
		w.settle(t)
		require.Equal(t, "ann bob cid", ids(w.shelf.logged("a-1")), "they are to be told")
		w.leave(t, "ann", "bob", "cid")
		w.settle(t)
		require.Empty(t, ids(w.shelf.logged("a-1")))
	})
	inBubble(t, "a client that no other node can know of is told of by this one, fenced or not", func(t *testing.T, w *scribe) {
		w.shelf.do(func() { w.shelf.down = true })
		w.bear("ann", "bob")
		w.fence.Store(true)
		require.True(t, w.ending(t.Context(), "bob", person("bob")))
	})
	inBubble(t, "N33 a node that was given up tells of none of its clients but those that nobody can know of", func(t *testing.T, w *scribe) {
		w.bear("ann", "bob")
		w.fence.Store(true)
		require.False(t, w.ending(t.Context(), "bob", person("bob")))
		w.shelf.do(func() { w.shelf.down = true })
		w.bear("cid", "dan") // dan was never on its way
		w.shelf.do(func() { w.shelf.down = false })
		w.abandon("a-2")
		w.fence.Store(false)
		time.Sleep(5 * time.Second)
		require.False(t, w.ending(t.Context(), "ann", person("ann")))
		_, _, held := w.nextHeld()
		require.False(t, held)
		require.Equal(t, "cid dan", ids(w.shelf.logged("a-2")))
		w.bear("eve")
		w.leave(t, "dan", "eve")
		_, doubted := w.isDoubted("cid")
		require.True(t, doubted, "cid was on its way into the log, and may have arrived")
		w.leave(t, "cid")
		w.settle(t)
		require.Empty(t, w.shelf.logged("a-2").open)
		require.Empty(t, w.claimed["bob"])
	})
	inBubble(t, "a log that another node has closed is not written any more", func(t *testing.T, w *scribe) {
		w.bear("ann")
		u := &undertaker{inc: func() string { return "b-1" }, logs: w.shelf, prefix: "log.", outbox: w.shelf, fence: new(fenced), counts: w.counts}
		require.NoError(t, u.bury(context.Background(), "a-1"))
		w.bear("bob")
		require.EqualValues(t, 1, w.counts.Get(EventUnlogged))
		require.Empty(t, w.shelf.logged("a-1").open)
		require.Len(t, w.shelf.All, 1, "the mark")
		require.Len(t, w.shelf.puts, 1)
	})
	inBubble(t, "what is held back is bounded, and what does not fit stays in the log", func(t *testing.T, w *scribe) {
		w.bear("ann", "bob")
		w.fence.Store(true)
		w.held.bytes = maxHeld - 20
		require.False(t, w.ending(t.Context(), "ann", person("ann")))
		require.False(t, w.ending(t.Context(), "bob", person("bob")))
		require.Equal(t, 1, w.heldNow())
		require.EqualValues(t, 1, w.counts.Get(EventHeldFull))
		require.Equal(t, "ann bob", ids(w.shelf.logged("a-1")))
	})
}

func TestBury(t *testing.T) {
	setUp := func(t *testing.T, names ...string) (*scribe, *undertaker) {
		w := startLog(new(shelf), "a-1")
		w.bear(names...)
		return w, &undertaker{
			inc: func() string { return "b-1" }, logs: w.shelf, prefix: "log.", outbox: w.shelf, subject: "out.",
			fence: new(fenced), counts: w.counts,
		}
	}
	many := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("c%04d", i))
		}
		return names
	}
	bubble := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
	bubble("17 one entry for each client that has not ended", func(t *testing.T) {
		w, u := setUp(t, "ann", "bob", "cid")
		w.leave(t, "bob")
		require.True(t, w.ending(t.Context(), "cid", person("cid")))
		w.settle(t)
		w.end()
		require.NoError(t, u.bury(t.Context(), "a-1"))
		require.Equal(t, map[string][]byte{"d/ann": []byte("record of ann"), "d/cid": []byte("record of cid")}, w.shelf.puts)
		require.EqualValues(t, 2, w.counts.Get(EventLost))
		require.EqualValues(t, 1, w.counts.Get(EventDoubtful))
		require.Len(t, w.shelf.All, 1, "only the mark is left")
	})
	bubble("17 a client that lives on another node has no entry", func(t *testing.T) {
		w, u := setUp(t, "ann", "bob")
		w.end()
		u.lives = func(_ context.Context, hub, id string) (bool, error) {
			require.Equal(t, "chat", hub)
			return id == "bob", nil
		}
		require.NoError(t, u.bury(t.Context(), "a-1"))
		require.Len(t, w.shelf.puts, 1)
		require.EqualValues(t, 1, w.counts.Get(EventMoved))
	})
	bubble("N32 a client whose next node dies before it has noted it has one", func(t *testing.T) {
		w, u := setUp(t, "ann", "bob")
		w.end()
		began := time.Now()
		u.lives = func(_ context.Context, _, id string) (bool, error) {
			return id == "ann" || id == "bob" && time.Since(began) < time.Second, nil
		}
		require.NoError(t, u.bury(t.Context(), "a-1"))
		require.Equal(t, map[string][]byte{"d/bob": []byte("record of bob")}, w.shelf.puts)
		require.EqualValues(t, 1, w.counts.Get(EventMoved))
		require.Len(t, w.shelf.All, 1, "only the mark is left")
	})
	bubble("N32 a claimant that dies while clients move leaves them to the next one", func(t *testing.T) {
		w, u := setUp(t, "ann", "bob")
		w.end()
		dies, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		u.lives = func(ctx context.Context, _, _ string) (bool, error) { return true, ctx.Err() }
		require.Error(t, u.bury(dies, "a-1"))
		u.lives = nil // they died with the claimant
		require.NoError(t, u.bury(t.Context(), "a-1"))
		require.Len(t, w.shelf.puts, 2)
	})
	bubble("N40 a client that comes to a node which was given up and does not know it is told of by that node", func(t *testing.T) {
		w, u := setUp(t, "ann")
		defer w.end()
		require.NoError(t, u.bury(t.Context(), "a-1"))
		w.bear("bob") // refused: the log is closed
		require.EqualValues(t, 1, w.counts.Get(EventUnlogged))
		w.abandon("a-2")
		require.False(t, w.ending(t.Context(), "ann", person("ann")), "the other node tells")
		require.True(t, w.ending(t.Context(), "bob", person("bob")), "nobody else knows of it")
		require.Equal(t, map[string][]byte{"d/ann": []byte("record of ann")}, w.shelf.puts)
	})
	bubble("N40 nor is one forgotten whose birth was on its way to the store when the log was closed", func(t *testing.T) {
		for _, arrives := range []bool{false, true} {
			w, u := setUp(t, "ann")
			box := new(shelf)
			u.outbox = box
			tells := &teller{log: w.lifeLog, buries: u, logger: slog.New(slog.DiscardHandler)}
			if arrives {
				w.shelf.do(func() { w.shelf.lose = 1; w.shelf.deaf = true }) // and nobody answers any more
			} else {
				w.shelf.do(func() { w.shelf.down = true })
			}
			w.bear("bob")
			w.shelf.do(func() { w.shelf.down, w.shelf.deaf = false, false })
			other := *u
			require.NoError(t, other.bury(t.Context(), "a-1"))
			w.abandon("a-2")
			require.False(t, tells.ending(t.Context(), "ann", person("ann")), "the other node tells")
			require.False(t, tells.ending(t.Context(), "bob", person("bob")), "it is in the outbox")
			require.Len(t, box.puts, 2, "once each")
			require.Contains(t, box.puts, "d/bob")
			w.settle(t)
			require.Empty(t, w.shelf.logged("a-2").open)
			w.end()
		}
	})
	bubble("N40 an end that was held back is told of although the node was given up, if nobody else knows of the client", func(t *testing.T) {
		w, u := setUp(t, "ann")
		defer w.end()
		w.holdEnd(t, "bob")
		tells := &teller{log: w.lifeLog, buries: u, logger: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			tells.release(ctx)
			close(done)
		}()
		time.Sleep(2*attemptTime + releaseEvery)
		stop()
		<-done
		require.Contains(t, w.shelf.puts, "d/bob")
		require.Zero(t, w.heldNow())
	})
	bubble("an end that cannot be put into the outbox is tried at each look, not at once again, and is counted once", func(t *testing.T) {
		w, u := setUp(t, "ann")
		defer w.end()
		w.holdEnd(t, "bob")
		const looks = 2*attemptTime/releaseEvery + 4 // the store has to say first that the client is doubted
		box := &leaderless{shelf: w.shelf}
		u.outbox = box
		tells := &teller{log: w.lifeLog, buries: u, logger: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithTimeout(t.Context(), looks*releaseEvery)
		defer stop()
		tells.release(ctx)
		require.NotZero(t, box.asked.Load())
		require.LessOrEqual(t, box.asked.Load(), int64(looks))
		require.EqualValues(t, 1, w.counts.Get(EventHeld))
	})
	bubble("N31 what one began the next one finishes, without putting twice what was noted", func(t *testing.T) {
		w, u := setUp(t, many(500)...)
		w.end()
		w.shelf.do(func() { w.shelf.putFails = 300 })
		require.Error(t, u.bury(t.Context(), "a-1"))
		first := len(w.shelf.puts)
		require.Less(t, first, 300+lostAtOnce)
		w.shelf.do(func() { w.shelf.puts = nil }) // as if the window for duplicates were over
		u.inc = func() string { return "c-1" }
		require.NoError(t, u.bury(t.Context(), "a-1"))
		require.GreaterOrEqual(t, len(w.shelf.puts), 500-first)
		require.LessOrEqual(t, len(w.shelf.puts), 500-first+lostAtOnce)
	})
	bubble("17 many are spread, and 10 s are enough for all", func(t *testing.T) {
		for n, within := range map[int]time.Duration{500: time.Second, 8000: spreadOver} {
			w, u := setUp(t)
			var wg sync.WaitGroup
			for _, name := range many(n) {
				wg.Go(func() { w.bear(name) })
			}
			wg.Wait()
			w.end()
			began := time.Now()
			require.NoError(t, u.bury(t.Context(), "a-1"))
			require.Len(t, w.shelf.puts, n)
			require.InDelta(t, within.Seconds(), time.Since(began).Seconds(), 0.5)
		}
	})
	bubble("N32 so are those that seemed to live on a node which has died too", func(t *testing.T) {
		w, u := setUp(t)
		var wg sync.WaitGroup
		for _, name := range many(500) {
			wg.Go(func() { w.bear(name) })
		}
		wg.Wait()
		w.end()
		began := time.Now()
		u.lives = func(context.Context, string, string) (bool, error) { return time.Since(began) < 2*time.Second, nil }
		require.NoError(t, u.bury(t.Context(), "a-1"))
		require.Len(t, w.shelf.puts, 500)
		require.InDelta(t, (2*time.Second + settleTime).Seconds(), time.Since(began).Seconds(), 0.5)
	})
	bubble("12 a fenced node goes no further", func(t *testing.T) {
		w, u := setUp(t, "ann")
		w.end()
		f := new(fenced)
		f.Store(true)
		u.fence = f
		require.ErrorIs(t, u.bury(t.Context(), "a-1"), errFenced)
		require.Empty(t, w.shelf.puts)
	})
	bubble("N40 a question to the store that is lost is asked again", func(t *testing.T) {
		w, u := setUp(t, "ann")
		w.end()
		box := &shelf{down: true}
		u.outbox = box
		require.ErrorIs(t, u.bury(t.Context(), "a-1"), stream.ErrUnavailable, "its question was lost")
		box.do(func() { box.down = false })
		u.logs = unpurged{w.shelf}
		require.ErrorIs(t, u.bury(t.Context(), "a-1"), stream.ErrUnavailable)
		u.logs = w.shelf
		require.NoError(t, u.bury(t.Context(), "a-1"))
		require.Equal(t, map[string][]byte{"d/ann": []byte("record of ann")}, box.puts)
	})
	bubble("a log of nobody", func(t *testing.T) {
		w, u := setUp(t)
		w.end()
		require.NoError(t, u.bury(t.Context(), "z-1"))
		require.Empty(t, w.shelf.puts)
	})
	bubble("a part that cannot be read is counted, and the others are", func(t *testing.T) {
		w, u := setUp(t, "ann")
		w.end()
		w.shelf.do(func() { w.shelf.All = append(w.shelf.All, w.shelf.All[0]) })
		w.shelf.All[1].Data = []byte("?")
		w.shelf.All[1].Sequence = 2
		w.shelf.Newest = 2
		require.NoError(t, u.bury(t.Context(), "a-1"))
		require.Len(t, w.shelf.puts, 1)
		require.EqualValues(t, 1, w.counts.Get(EventDamaged))
	})
}

// leaderless is a shelf that says at once that it cannot answer.
type leaderless struct {
	*shelf
	asked atomic.Int64
}

func (s *leaderless) Ensure(context.Context) error {
	if s.asked.Add(1) > 1000 {
		time.Sleep(time.Hour) // or the clock of the test would stand still
	}
	return stream.Unavailable(errors.New("no responders"))
}

// unpurged is a shelf that does not answer when something is to be removed.
type unpurged struct{ *shelf }

func (unpurged) PurgeBefore(ctx context.Context, _ string, _ uint64) error {
	<-ctx.Done()
	return stream.Unavailable(ctx.Err())
}

func FuzzBatch(f *testing.F) {
	b := batch{number: 7, entries: []entry{{kind: kindBorn, id: "a", hub: "b", record: []byte("c")}, {kind: kindEnded, id: "a"}}}
	f.Add(b.append(nil))
	f.Add([]byte{0x93, 1, 1, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := parseBatch(text)
		if err != nil {
			return
		}
		again, err := parseBatch(b.append(nil))
		require.NoError(t, err)
		require.Equal(t, len(b.entries), len(again.entries))
		newReading().take(text)
	})
}
