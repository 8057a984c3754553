package life

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/natsd/natsdtest"
	"github.com/hubgate/hubgate/store/stream"
)

func TestNodeDeath(t *testing.T) {
	engine := natsdtest.Alone(t)
	t.Run("N29 each client of a dead node is told of once, by the others", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		a, b, c := join(t, engine, prefix, "a", shortLease, app), join(t, engine, prefix, "b", shortLease, app), join(t, engine, prefix, "c", shortLease, app)
		a.bear(300)
		b.bear(10)
		for i := range 100 {
			id := fmt.Sprintf("a%04d", i)
			require.True(t, a.Ending(t.Context(), id, person(id)))
			a.Ended(id)
		}
		natsdtest.Await(t, "the log", func() bool { _, written := a.log.empty(); return written })
		a.kill()
		natsdtest.Await(t, "everything told", func() bool { _, times := app.sum(); return times >= 200 })
		natsdtest.Await(t, "a tombstone", func() bool {
			return b.Stats().Lease.Events["Buried"]+c.Stats().Lease.Events["Buried"] > 0 && b.Stats().Lease.Others == 1
		})
		clients, times := app.sum()
		require.Equal(t, 200, clients)
		require.Equal(t, 200, times)
		require.Zero(t, app.by["a"])
		b.Ended("b0000")
		for i := range 10 {
			b.Ended(fmt.Sprintf("b%04d", i))
		}
		b.end(t)
		c.end(t)
	})
	t.Run("N31 a claimant dies in the middle, and it is still once for each", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		a, b := join(t, engine, prefix, "a", shortLease, app), join(t, engine, prefix, "b", shortLease, app)
		a.bear(1000) // two seconds
		a.kill()
		natsdtest.Await(t, "the first half", func() bool { _, times := app.sum(); return times >= 300 })
		b.kill()
		_, before := app.sum()
		require.Less(t, before, 1000)
		c := join(t, engine, prefix, "c", shortLease, app)
		natsdtest.Await(t, "the others", func() bool { clients, _ := app.sum(); return clients == 1000 })
		natsdtest.Await(t, "the end", func() bool { return c.Stats().Lease.Events["Buried"] == 2 })
		_, times := app.sum()
		require.Equal(t, 1000, times)
		c.end(t)
	})
	t.Run("N45 a client that was not taken over is told of once, though the node that was to have it had noted it", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		former, next := join(t, engine, prefix, "a", shortLease, app), join(t, engine, prefix, "b", shortLease, app)
		for _, n := range []*member{former, next} {
			for i := range 5 {
				id := fmt.Sprintf("moving%d", i)
				n.Born(t.Context(), "chat", id, person(id))
			}
			natsdtest.Await(t, "the log", func() bool { _, written := n.log.empty(); return written })
		}
		next.kill()
		for i := range 5 {
			id := fmt.Sprintf("moving%d", i)
			if i > 0 {
				former.Doubted(id)
			}
			if call := former.Ending(t.Context(), id, person(id)); call {
				require.Zero(t, i)
				former.Ended(id) // the application has heard of it
			}
		}
		natsdtest.Await(t, "the death", func() bool { return former.Stats().Lease.Events["Buried"] == 1 })
		natsdtest.Await(t, "all told", func() bool { clients, _ := app.sum(); return clients == 5 })
		natsdtest.Await(t, "the acknowledgements", func() bool {
			s, err := engine.JetStream().Stream(t.Context(), prefix+"_outbox")
			return err == nil && s.CachedInfo().State.Msgs == 0
		})
		_, times := app.sum()
		require.Equal(t, 5, times)
		former.end(t)
	})
	t.Run("14.1 a node that ends in order leaves nothing", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		a, b := join(t, engine, prefix, "a", shortLease, app), join(t, engine, prefix, "b", shortLease, app)
		a.bear(10)
		for i := range 10 {
			id := fmt.Sprintf("a%04d", i)
			require.True(t, a.Ending(t.Context(), id, person(id)))
			a.Ended(id)
		}
		a.end(t)
		s, err := engine.JetStream().Stream(t.Context(), prefix+"_life")
		require.NoError(t, err)
		require.Zero(t, s.CachedInfo().State.Msgs)
		natsdtest.Await(t, "the tombstone", func() bool { return b.Stats().Lease.Others == 0 })
		b.end(t)
		clients, _ := app.sum()
		require.Zero(t, clients)
	})
	t.Run("a node that ends before all was told leaves it to the others", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		a, b := join(t, engine, prefix, "a", shortLease, app), join(t, engine, prefix, "b", shortLease, app)
		a.bear(10)
		a.end(t)
		natsdtest.Await(t, "all told", func() bool { clients, _ := app.sum(); return clients == 10 })
		natsdtest.Await(t, "the end", func() bool { return b.Stats().Lease.Events["Buried"] == 1 })
		_, times := app.sum()
		require.Equal(t, 10, times)
		b.end(t)
	})
	t.Run("what the last node left is told by the next one that starts", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		a := join(t, engine, prefix, "a", shortLease, app)
		a.bear(5)
		a.kill()
		again := join(t, engine, prefix, "a", shortLease, app)
		natsdtest.Await(t, "all told", func() bool { clients, _ := app.sum(); return clients == 5 })
		again.end(t)
	})
}

func TestOutbox(t *testing.T) {
	engine := natsdtest.Alone(t)
	t.Run("17 an entry that a node cannot send now is sent by another one", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		var refused atomic.Int64
		app.hold = func(string) error {
			if refused.Add(1) <= 20 {
				return errLater
			}
			return nil
		}
		a, b := join(t, engine, prefix, "a", shortLease, app), join(t, engine, prefix, "b", shortLease, app)
		a.bear(20)
		a.kill()
		natsdtest.Await(t, "all told", func() bool { clients, _ := app.sum(); return clients == 20 })
		_, times := app.sum()
		require.Equal(t, 20, times)
		natsdtest.Await(t, "the acknowledgements", func() bool {
			s, err := engine.JetStream().Stream(t.Context(), prefix+"_outbox")
			return err == nil && s.CachedInfo().State.Msgs == 0
		})
		b.end(t)
	})
	t.Run("13 what is put twice is told once", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		a := join(t, engine, prefix, "a", shortLease, app)
		require.NoError(t, a.outbox.stream.Ensure(t.Context()))
		for range 3 {
			require.NoError(t, a.outbox.stream.Put(t.Context(), outboxPrefix(prefix)+"x", "d/ann", []byte("ann")))
		}
		natsdtest.Await(t, "it is told", func() bool { clients, _ := app.sum(); return clients == 1 })
		require.NoError(t, a.outbox.stream.Put(t.Context(), outboxPrefix(prefix)+"x", "d/ann", []byte("ann")))
		require.NoError(t, a.outbox.stream.Put(t.Context(), outboxPrefix(prefix)+"x", "d/bob", []byte("bob")))
		natsdtest.Await(t, "it is told", func() bool { clients, _ := app.sum(); return clients == 2 })
		_, times := app.sum()
		require.Equal(t, 2, times)
		a.end(t)
	})
	t.Run("13 an entry that was lost on the way to a node comes again soon", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		a := prepare(engine, prefix, "a", shortLease, app)
		a.outbox.lasts = 2 * time.Second
		thief := a.outbox.join(t.Context())
		require.NotNil(t, thief)
		require.NoError(t, a.outbox.stream.Put(t.Context(), outboxPrefix(prefix)+"x", "d/ann", []byte("ann")))
		m, err := thief.Next()
		require.NoError(t, err)
		require.Equal(t, "ann", string(m.Data()))
		a.Start()
		natsdtest.Await(t, "it is told", func() bool { clients, _ := app.sum(); return clients == 1 })
		a.end(t)
	})
	t.Run("13 an entry belongs to its node as long as the webhook runs", func(t *testing.T) {
		t.Parallel()
		app, prefix := new(told), newPrefix()
		app.hold = func(string) error {
			time.Sleep(33 * time.Second) // more than twice as long as an entry is lent
			return nil
		}
		a, b := prepare(engine, prefix, "a", shortLease, app), prepare(engine, prefix, "b", shortLease, app)
		a.Start()
		b.Start()
		natsdtest.Await(t, "a lease", func() bool { return !a.lease.Fenced() && !b.lease.Fenced() })
		require.NoError(t, a.outbox.stream.Ensure(t.Context()))
		require.NoError(t, a.outbox.stream.Put(t.Context(), outboxPrefix(prefix)+"x", "d/ann", []byte("ann")))
		natsdtest.Await(t, "it is told", func() bool { clients, _ := app.sum(); return clients == 1 })
		natsdtest.Await(t, "the acknowledgement", func() bool {
			s, err := engine.JetStream().Stream(t.Context(), prefix+"_outbox")
			return err == nil && s.CachedInfo().State.Msgs == 0
		})
		a.end(t)
		b.end(t)
		_, times := app.sum()
		require.Equal(t, 1, times)
	})
	t.Run("13 a consumer of another version gets the times of this one", func(t *testing.T) {
		t.Parallel()
		a := prepare(engine, newPrefix(), "a", shortLease, new(told))
		require.Equal(t, 15*time.Second, a.outbox.lasts)
		require.NotNil(t, a.outbox.join(context.Background()))
		a.outbox.lasts = time.Minute
		require.NotNil(t, a.outbox.join(context.Background()))
		c, err := engine.JetStream().Consumer(t.Context(), a.outbox.name, consumerName)
		require.NoError(t, err)
		require.Equal(t, time.Minute, c.CachedInfo().Config.AckWait)
		require.Equal(t, maxUnacknowledged, c.CachedInfo().Config.MaxAckPending)
	})
}

// TestThreeVoters has the times that clusters have.
func TestThreeVoters(t *testing.T) {
	elections(t)
	engines := natsdtest.Voters(t, 3)
	app, prefix := new(told), newPrefix()
	var all []*member
	for i, e := range engines {
		all = append(all, join(t, e, prefix, string(rune('a'+i)), 0, app))
	}
	all[2].bear(100)
	all[2].kill()
	began := time.Now()
	natsdtest.Await(t, "all told", func() bool { clients, _ := app.sum(); return clients == 100 })
	t.Log("told after", time.Since(began))
	_, times := app.sum()
	require.Equal(t, 100, times)
	all[0].end(t)
	all[1].end(t)
}

// Thousands of clients have come and gone, each of which is a part of the log by itself: it is read with few questions.
func TestN29ALongLogIsReadWithFewQuestions(t *testing.T) {
	const parts, left = 2000, 10
	engine := natsdtest.Alone(t)
	app := new(told)
	b := prepare(engine, newPrefix(), "b", 0, app)
	b.buries.fence = new(fenced) // however busy the machine is
	require.NoError(t, b.buries.logs.Ensure(t.Context()))
	sequence := uint64(0)
	for i := range parts {
		id := fmt.Sprintf("c%05d", i)
		one := batch{entries: []entry{{kind: kindBorn, id: id, hub: "chat", record: person(id).AppendRecord(nil)}}}
		if i >= left {
			one.entries = append(one.entries, entry{kind: kindEnded, id: id})
		}
		var err error
		sequence, err = b.buries.logs.Write(t.Context(), b.buries.prefix+"dead-1", one.append(nil), sequence, 0)
		require.NoError(t, err)
	}
	b.Start()
	natsdtest.Await(t, "a lease", func() bool { return !b.lease.Fenced() })
	asked := &asking{storage: b.buries.logs}
	b.buries.logs = asked
	natsdtest.Await(t, "a burial", func() bool { // on a busy machine a question of it may have no answer in time
		asked.questions.Store(0)
		return b.buries.bury(t.Context(), "dead-1") == nil
	})
	natsdtest.Await(t, "all told", func() bool { clients, _ := app.sum(); return clients == left })
	require.LessOrEqual(t, asked.questions.Load(), int64(12), "for %d parts", parts)
	b.end(t)
}

// asking counts what a storage is asked, and waits for each answer however long it takes: a question that is asked in
// pieces for want of time would be counted more than once.
type asking struct {
	storage
	questions atomic.Int64
}

func (a *asking) ask(ctx context.Context) (context.Context, context.CancelFunc) {
	a.questions.Add(1)
	return context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
}

func (a *asking) Following(ctx context.Context, filter string, from uint64) ([]stream.Message, error) {
	ctx, cancel := a.ask(ctx)
	defer cancel()
	return a.storage.Following(ctx, filter, from)
}

func (a *asking) Next(ctx context.Context, filter string, from uint64) (stream.Message, error) {
	ctx, cancel := a.ask(ctx)
	defer cancel()
	return a.storage.Next(ctx, filter, from)
}

func (a *asking) Write(ctx context.Context, subject string, data []byte, sequence uint64, lasts time.Duration) (uint64, error) {
	ctx, cancel := a.ask(ctx)
	defer cancel()
	return a.storage.Write(ctx, subject, data, sequence, lasts)
}
