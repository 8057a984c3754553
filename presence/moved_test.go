package presence

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A node that hands over all it has notes many departures: it looks through the hubs only for one that is new, and forgets
// the old ones then.
func TestDeparturesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d departures
		d.left("early")
		time.Sleep(movedLately)
		d.left("chat")
		require.Positive(t, d.since("early"))
		time.Sleep(time.Second)
		d.left("chat")
		require.Len(t, d.last, 2, "of a hub that is known nothing is looked through")
		require.EqualValues(t, 1, d.since("chat"))
		require.Zero(t, d.since("early"))
		d.left("news")
		require.Len(t, d.last, 2)
		require.Zero(t, d.since("early"))
	})
}
