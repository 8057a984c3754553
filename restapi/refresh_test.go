package restapi

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

func TestR52Refresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		defer f.gateway.Close()
		c := gatewaytest.Connect(t, f.gateway, gatewaytest.Options{Hub: "chat", ID: "a", Identity: gateway.Identity{CloseAt: time.Now().Add(time.Minute)}})
		const path = "/api/hubs/chat/connections/a/:refresh"
		f.do("POST", path+"?expireTime="+strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10), "").wantStatus(204)
		time.Sleep(30 * time.Minute)
		require.Nil(t, c.Conn.CloseRequested())
		f.do("POST", path+"?ExpireTime="+time.Now().Add(10*time.Second).UTC().Format(time.RFC3339), "").wantStatus(204)
		time.Sleep(9 * time.Second)
		require.Nil(t, c.Conn.CloseRequested())
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, gateway.CloseUnauthorized, c.Conn.CloseRequested().Reason)
		f.do("POST", "/api/hubs/chat/connections/b/:refresh?expireTime=2000000000", "").wantError(404, codeNoConnectionToAdd)
		for _, bad := range []string{"", "?expireTime=", "?expireTime=soon", "?expireTime=-1", "?expireTime=0", "?expireTime=99999999999999", "?expireTime=2026-13-01T00:00:00Z"} {
			f.do("POST", path+bad, "").wantError(400, codeRequestInvalid)
		}
		c.Leave()
	})
}
