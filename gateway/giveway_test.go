package gateway

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// opFunc is an op of a test.
type opFunc func()

func (f opFunc) apply(*worker) { f() }

// Who goes through a long list waits while a worker works, for no longer than it is told, and not for idle ones.
func TestGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{}
		g.workers = []*worker{newWorker(0, g), newWorker(1, g)}
		g.opts.Limits = DefaultLimits
		g.began = time.Now()
		for _, w := range g.workers {
			go w.run()
		}
		synctest.Wait()
		began := time.Now()
		g.GiveWay(time.Second)
		require.Zero(t, time.Since(began))

		release := make(chan struct{})
		g.workers[1].queue.push(opFunc(func() { <-release }))
		synctest.Wait()
		g.GiveWay(time.Second)
		require.Equal(t, time.Second, time.Since(began))
		close(release)
		synctest.Wait()
		g.GiveWay(time.Second)
		require.Equal(t, time.Second, time.Since(began))
		for _, w := range g.workers {
			w.queue.close()
		}
	})
}
