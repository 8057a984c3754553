package modes_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/modes"
)

// Clients of ASP.NET SignalR have a hub server or none: no webhook, and no idle session.
func TestClientsOfAspNetNeedHubServers(t *testing.T) {
	noServer := gateway.Cause{Reason: gateway.CloseNoAvailableServerConnection, Text: "none"}
	for _, c := range []struct {
		mode   modes.Mode
		none   bool // there is no hub server
		reason gateway.CloseReason
	}{
		{modes.Default, false, ""}, {modes.Classic, false, ""}, {modes.Serverless, false, gateway.CloseNoAvailableServerConnection},
		{modes.Default, true, gateway.CloseNoAvailableServerConnection}, {modes.Classic, true, gateway.CloseNoAvailableServerConnection},
	} {
		synctest.Test(t, func(t *testing.T) {
			webhooks := &gatewaytest.Backend{}
			apps := &servers{owns: true}
			apps.Refuse = func(*gateway.Conn) error {
				if c.none {
					return noServer
				}
				return nil
			}
			b := modes.New(modes.Options{Mode: func(hub string) modes.Mode {
				require.Equal(t, "aspnet:app", hub)
				return c.mode
			}, Servers: apps, Webhooks: webhooks})
			gw, err := gateway.New(gateway.Options{Node: "a", Backend: b, Workers: 1})
			require.NoError(t, err)
			defer gw.Close()
			b.Use(gw)
			client := gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "aspnet:app", Protocol: "-"})
			err = client.Conn.Start(gateway.Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: "aspnet"}})
			synctest.Wait()
			require.Empty(t, webhooks.Events())
			if c.reason == "" {
				require.NoError(t, err)
				require.Equal(t, []string{"opened 1"}, apps.Events())
				return
			}
			var cause gateway.Cause
			require.ErrorAs(t, err, &cause)
			require.Equal(t, c.reason, cause.Reason)
			require.NotEmpty(t, cause.Text)
			require.Empty(t, apps.Events())
		})
	}
}
