package restapi

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFailuresAreCountedByReason(t *testing.T) {
	f := newFixture(t)
	failed := func() map[FailureReason]uint64 { return f.handler.(*Endpoint).Failed() }
	zero := failed()
	require.Len(t, zero, len(failureList), "every reason is there from the start, and none twice")
	for reason, n := range zero {
		require.Zero(t, n, reason)
	}
	require.Equal(t, http.StatusNotFound, f.do("GET", "/api/nothing", "").status)
	require.Equal(t, http.StatusNotFound, f.do("HEAD", "/api/hubs/chat/users/nobody", "").status)
	require.Equal(t, http.StatusNotFound, f.do("HEAD", "/api/hubs/chat/users/nobody", "").status)
	got := failed()
	require.EqualValues(t, 1, got[ReasonUnknownRoute])
	require.EqualValues(t, 2, got[ReasonNotExisted])
	require.Zero(t, got[ReasonInternal])
}
