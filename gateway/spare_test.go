package gateway

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// What a worker keeps after the largest burst is bounded in bytes, whatever the size of its arrays.
func TestSpareRecordsAreBounded(t *testing.T) {
	for _, size := range []int{1, spareCap, maxSpareCap} {
		var s spareRecords
		for range 3 * maxSpareRoom / size {
			s.put(make([]OutRecord, size))
		}
		kept := 0
		for _, records := range s.free {
			kept += cap(records) * int(unsafe.Sizeof(OutRecord{}))
		}
		require.LessOrEqual(t, kept, 1<<20)
		require.Greater(t, kept, 1<<19, "it is for reuse")
		for range len(s.free) {
			require.Empty(t, s.get())
		}
		require.Zero(t, s.room)
	}
}
