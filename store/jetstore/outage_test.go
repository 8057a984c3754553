package jetstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/natsd/natsdtest"
	"github.com/hubgate/hubgate/store/storetest"
)

// writer puts one group after the other for one user, and remembers what it was told.
type writer struct {
	s      *UserGroups
	name   string
	stored []string
	failed []string
}

func (w *writer) run(ctx context.Context, stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		group := fmt.Sprintf("%s-%05d", w.name, i)
		if err := w.s.Put(ctx, hub, "ann", group, time.Time{}); err == nil {
			w.stored = append(w.stored, group)
		} else {
			w.failed = append(w.failed, group)
		}
	}
}

// within does something until it is done in that time: a machine may be slow for a while, but not always.
func within(t *testing.T, bound time.Duration, do func()) {
	t.Helper()
	var took []time.Duration
	for range 5 {
		begin := time.Now()
		do()
		if took = append(took, time.Since(begin)); took[len(took)-1] < bound {
			return
		}
	}
	require.Failf(t, "it takes too long", "%v, bound %v", took, bound)
}

func TestVotersThatDieWhileUsersJoin(t *testing.T) {
	t.Parallel()
	p := spawnThree(t)
	var stores []*UserGroups
	for range 3 { // as many nodes: nothing is shared but the engine
		stores = append(stores, newStores(t, []*natsd.Engine{p.plain}, "dying", storetest.Settings{PerUser: func() int { return 100_000 }}, nil)[0])
		stores[len(stores)-1].bucket = newBucket(p.plain.JetStream(), "dying_usergroups", 3, p.plain.Storage(), 64<<20)
	}
	ctx := context.Background()
	require.NoError(t, stores[0].Put(ctx, hub, "ann", "first", time.Time{}))

	t.Run("N24 none of concurrent changes is lost when the leader is killed", func(t *testing.T) {
		stop := make(chan struct{})
		var writers []*writer
		var wg sync.WaitGroup
		for i, s := range stores {
			w := &writer{s: s, name: fmt.Sprint("w", i)}
			writers = append(writers, w)
			wg.Go(func() { w.run(ctx, stop) })
		}
		for range 2 {
			leader := leaderOf(t, p, "KV_dying_usergroups")
			p.voters[leader].kill()
			begin := time.Now()
			natsdtest.Await(t, "a write after the election", func() bool {
				err := stores[0].Put(ctx, hub, "bob", "red", time.Time{})
				return err == nil
			})
			t.Log("written again after", time.Since(begin))
			p.restart(t, leader)
			natsdtest.Await(t, "all voters", func() bool {
				s, err := p.plain.Status(ctx)
				return err == nil && s.Leader != "" && s.VotersThere == 3
			})
		}
		close(stop)
		wg.Wait()
		var got []string
		natsdtest.Await(t, "a list", func() bool {
			list, err := stores[1].List(ctx, hub, "ann")
			for _, g := range list {
				got = append(got, g.Group)
			}
			return err == nil
		})
		stored, failed := 0, 0
		for _, w := range writers {
			stored, failed = stored+len(w.stored), failed+len(w.failed)
			for _, group := range w.stored {
				_, found := slices.BinarySearch(got, group)
				assert.True(t, found, group)
			}
		}
		t.Log("stored", stored, "failed", failed, "listed", len(got))
		require.NotZero(t, stored)
		require.LessOrEqual(t, len(got), 1+stored+failed)
	})
	t.Run("F4 while the store is down errors come in time, and everything is there afterwards", func(t *testing.T) {
		for _, v := range p.voters {
			v.kill()
		}
		s := stores[2]
		put := func() { require.ErrorIs(t, s.Put(ctx, hub, "cid", "red", time.Time{}), ErrUnavailable) }
		within(t, writeTime+attemptTime, put)
		within(t, listTime+2*attemptTime, func() {
			_, err := s.List(ctx, hub, "ann")
			require.ErrorIs(t, err, ErrUnavailable)
		})
		within(t, 2*attemptTime, put) // a store that is known to be down is not waited for
		for i := range p.voters {
			p.restart(t, i)
		}
		natsdtest.Await(t, "the store", func() bool { return s.Put(ctx, hub, "cid", "red", time.Time{}) == nil })
		require.Contains(t, names(t, s, "ann"), "first")
	})
}
