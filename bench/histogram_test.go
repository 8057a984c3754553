package bench

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBucketsCoverEveryValueOnce(t *testing.T) {
	for _, v := range []uint64{0, 1, 31, 32, 33, 63, 64, 1000, 1 << 20, 1<<20 + 1, 1 << 40, math.MaxInt64} {
		b := bucketOf(v)
		require.LessOrEqual(t, v, upperBound(b), "%d", v)
		if b > 0 {
			require.Greater(t, v, upperBound(b-1), "%d", v)
		}
		require.LessOrEqual(t, float64(upperBound(b)), float64(v)*(1+1.0/32)+1, "%d", v)
	}
	require.Less(t, bucketOf(math.MaxUint64), len(histogram{}.buckets))
}

func TestQuantiles(t *testing.T) {
	h := &histogram{}
	require.Zero(t, h.latency())
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	l := h.latency()
	near := func(want, got time.Duration) {
		t.Helper()
		require.InEpsilon(t, float64(want), float64(got), 1.0/30)
	}
	near(500*time.Microsecond, l.P50)
	near(900*time.Microsecond, l.P90)
	near(990*time.Microsecond, l.P99)
	near(999*time.Microsecond, l.P999)
	require.Equal(t, time.Millisecond, l.Max)
}
