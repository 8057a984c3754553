package counts_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/counts"
)

type reason string

func TestCounts(t *testing.T) {
	list := []reason{"A", "B", "C"}
	one, two := counts.New(list), counts.New(list)
	require.Equal(t, map[reason]uint64{"A": 0, "B": 0, "C": 0}, one.Map(), "every reason is there from the start")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				one.Add("B", 2)
			}
		})
	}
	wg.Wait()
	two.Add("C", 1)
	one.Add("no such reason", 1)
	require.Equal(t, uint64(800), one.Get("B"))
	sum := one.Map()
	two.AddTo(sum)
	require.Equal(t, map[reason]uint64{"A": 1, "B": 800, "C": 1}, sum)
	require.Panics(t, func() { counts.New[reason](nil) })
	require.Zero(t, testing.AllocsPerRun(10, func() { one.Add("C", 1) }))
}
