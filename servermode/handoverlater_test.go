package servermode

import (
	"testing"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// What waits for a client that is handed over is bounded.
func TestInvocationsThatWaitForAHandOverAreBounded(t *testing.T) {
	for name, size := range map[string]int{"many": 1, "large": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			var p parked
			m := &sp.ClientInvocation{InvocationID: "i", ConnectionID: "c", Payloads: sp.Payloads{{Protocol: "json", Data: make([]byte, size)}}}
			n := 0
			for ; n < 10000 && p.later(m, &resultCall{}, "s") == ""; n++ {
			}
			if n == 0 || n > maxAskedLater || n*size > maxAskedBytes {
				t.Fatalf("%d of %d bytes wait", n, size)
			}
		})
	}
}
