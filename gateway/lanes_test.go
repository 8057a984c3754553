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
	kept := laneFor("kept", nil)
	for i := range 1000 {
		laneFor(fmt.Sprint("invented ", i), nil)
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
	require.Same(t, kept, laneFor("kept", nil), "receivers share bytes by it")
}
