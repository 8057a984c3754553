package servermode_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
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

// H12: a hub server that asks over its connection gets a key for tokens of its clients, or is told why
// not, while it is served.
func TestH12AccessKeyOverTheServerConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		token, err := auth.SignREST(key, "http://gw/api/v1/auth/accessKey", time.Hour)
		require.NoError(t, err)
		s.send(&sp.AccessKeyRequest{Token: token})
		synctest.Wait()
		answer := s.next(sp.TypeAccessKeyResponse).(*sp.AccessKeyResponse)
		require.Empty(t, answer.ErrorType)
		given := auth.NewClientKey("old", time.Now()) // the first of the gateway's keys
		require.Equal(t, given.ID, answer.KeyID)
		require.Equal(t, given.Key.Reveal(), answer.AccessKey)

		s.send(&sp.AccessKeyRequest{Token: token + "x", KeyID: answer.KeyID})
		synctest.Wait()
		answer = s.next(sp.TypeAccessKeyResponse).(*sp.AccessKeyResponse)
		require.Equal(t, string(auth.TokenSignature), answer.ErrorType)
		require.Equal(t, auth.TokenSignature.Description(), answer.Error)
		require.Empty(t, answer.AccessKey)
		require.NotContains(t, w.log.String(), given.Key.Reveal())
		require.Contains(t, w.log.String(), "gets no access key")
	})
}
