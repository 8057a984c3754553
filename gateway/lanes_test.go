package gateway

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Names that clients invent take up memory only while such a client is there.
func TestInventedProtocolsAreForgotten(t *testing.T) {
	kept := laneFor(lane{protocol: "kept"})
	for i := range 1000 {
		laneFor(lane{protocol: fmt.Sprint("invented ", i)})
	}
	left := 0
	for range 1000 {
		runtime.GC()
		runtime.Gosched()
		left = 0
		lanes.Range(func(key, _ any) bool {
			if strings.HasPrefix(key.(lane).protocol, "invented") {
				left++
			}
			return true
		})
		if left < 10 {
			break
		}
	}
	require.Less(t, left, 10)
	require.Same(t, kept, laneFor(lane{protocol: "kept"}), "receivers share bytes by it")
}
