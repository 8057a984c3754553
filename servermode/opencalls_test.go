package servermode

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Hub servers of ASP.NET SignalR never answer calls of hubs that there are not.
func TestOpenCallsAreBounded(t *testing.T) {
	var c openCalls
	for i := range 2 * mostCalls {
		c.add(openCall{id: strconv.Itoa(i)})
	}
	require.Len(t, c.many, mostCalls)
	_, known := c.removeRaw("", []byte(strconv.Itoa(2*mostCalls-1)), nil)
	require.True(t, known, "the last is known")
	require.Len(t, c.take(callClosed), mostCalls-1)
}
