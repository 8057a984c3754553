package servermode_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestAccessKeyAndFlowControl(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		s.send(&sp.AccessKeyRequest{Token: "t"}, &sp.ConnectionFlowControl{ConnectionID: "1", Target: sp.FlowClient, Operation: sp.FlowPauseAck})
		synctest.Wait()
		require.NotEmpty(t, s.next(sp.TypeAccessKeyResponse).(*sp.AccessKeyResponse).ErrorType)
		require.NoError(t, s.end())
		for _, n := range w.Stats().Lost {
			require.Zero(t, n)
		}
	})
}
