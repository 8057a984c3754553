package gateway_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// BenchmarkVeryManyGroups lets one connection join 200 000 groups as fast as its hub server can say
// so, and measures how long what concerns another connection waits for the worker meanwhile.
func BenchmarkVeryManyGroups(b *testing.B) {
	const joins = 200_000
	limits := gateway.DefaultLimits()
	limits.MaxGroups = 0
	g, err := gateway.New(gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}, Workers: 1,
		Limits: func() gateway.Limits { return limits }})
	require.NoError(b, err)
	b.Cleanup(g.Close)
	gatewaytest.Connect(b, g, gatewaytest.Options{ID: "other", Hub: "chat"})
	other := func() time.Duration {
		began := time.Now()
		_, err := g.Do(b.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: all()})
		require.NoError(b, err)
		return time.Since(began)
	}
	longest, leaving, taken, round := time.Duration(0), time.Duration(0), int64(0), 0
	for b.Loop() {
		round++
		id := fmt.Sprint("many", round)
		before := heap()
		many := gatewaytest.Connect(b, g, gatewaytest.Options{ID: id, Hub: "chat"})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range joins {
				g.Start(b.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Target: conns(id), Group: fmt.Sprint("g", i)},
					func(gateway.Result, error) {})
			}
		}()
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			case <-time.After(time.Millisecond):
			}
			longest = max(longest, other())
		}
		taken = heap() - before
		many.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		leaving = max(leaving, other())
	}
	b.ReportMetric(longest.Seconds()*1000, "ms-waited-beside-joins")
	b.ReportMetric(float64(taken)/joins, "bytes-per-group")
	b.ReportMetric(leaving.Seconds()*1000, "ms-waited-beside-the-end")
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
