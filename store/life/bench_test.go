package life

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/hubgate/hubgate/natsd/natsdtest"
)

// BenchmarkBirths is how fast clients are noted that come at the same time, on one engine.
func BenchmarkBirths(b *testing.B) {
	m := join(b, natsdtest.Alone(b), newPrefix(), "a", 0, new(told))
	defer m.kill()
	record := person(fmt.Sprintf("%0300d", 0))
	var n atomic.Int64
	b.SetParallelism(500)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := fmt.Sprint("c", n.Add(1))
			m.Born(context.Background(), "chat", id, record)
			m.Ended(id)
		}
	})
	b.ReportMetric(float64(m.counts.Get(EventUnlogged)), "unlogged")
}
