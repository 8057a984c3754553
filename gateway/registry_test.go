package gateway

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// filled is a registry with live connections and as many ids of ended ones.
func filled(tb testing.TB, n int) *registry {
	r := new(registry)
	r.init()
	conns := make([]Conn, n)
	for i := range conns {
		conns[i].id.ID = fmt.Sprint("live", i)
		require.NoError(tb, r.add(&conns[i]))
		id := fmt.Sprint("ended", i)
		r.stripe(id).ended[id] = time.Unix(int64(i%2), 0)
	}
	return r
}

func (r *registry) remembered() (n int) {
	for i := range r.stripes {
		n += len(r.stripes[i].ended)
	}
	return n
}

// Ids are forgotten a few stripes at a time, and all whose time has come within sixteen turns.
func TestIDsAreForgottenInPortions(t *testing.T) {
	const n = 20_000
	r := filled(t, n)
	now, before := time.Unix(1, 0), n
	for turn := range 16 {
		r.forget(now)
		left := r.remembered()
		require.Less(t, left, before, "turn %d", turn)
		require.Greater(t, left, before-n/8, "turn %d looks at its share only", turn)
		before = left
	}
	require.Equal(t, n/2, before)
	for i := range n {
		_, ended := r.lookup(fmt.Sprint("ended", i))
		require.Equal(t, i%2 == 1, ended)
	}
}

// BenchmarkSweepOfALargeNode is what the sweeper does each second on a node with 200 000 clients.
// pause is the longest time for which it keeps anybody from a part of the registry, p99 of all.
func BenchmarkSweepOfALargeNode(b *testing.B) {
	r := filled(b, 200_000)
	b.Run("forget", func(b *testing.B) {
		var pauses []time.Duration
		for b.Loop() {
			began := time.Now()
			r.forget(time.Unix(0, 0))
			pauses = append(pauses, time.Since(began)/forgetStripes)
		}
		b.ReportMetric(float64(p99(pauses).Microseconds()), "pause-µs")
	})
	b.Run("list", func(b *testing.B) {
		var pauses []time.Duration
		var list []*Conn
		for b.Loop() {
			for i := range r.stripes {
				began := time.Now()
				list = r.stripes[i].appendConns(list[:0])
				pauses = append(pauses, time.Since(began))
			}
		}
		b.ReportMetric(float64(p99(pauses).Microseconds()), "pause-µs")
	})
}

func p99(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)*99/100]
}
