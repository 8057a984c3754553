package modes_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
)

// servers are hub servers that take every client.
type servers struct {
	gatewaytest.Backend
	changed int
	owns    bool
}

func (s *servers) Owns(gateway.Session) bool { return s.owns }

func (s *servers) Resumes([]byte) bool      { return false }
func (s *servers) Stateful(hub string) bool { return hub != "stateless" }
func (s *servers) RulesChanged()            { s.changed++ }

// A client whose Accept is under way while the mode changes has no session that could be found.
func TestAModeThatChangesWhileAClientIsAccepted(t *testing.T) {
	for _, mode := range []modes.Mode{modes.Default, modes.Classic} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := modes.Serverless
				var b *modes.Backend
				webhooks := &gatewaytest.Backend{}
				webhooks.Refuse = func(*gateway.Conn) error {
					now = mode
					b.Changed()
					return nil
				}
				apps := &servers{}
				b = modes.New(modes.Options{Mode: func(string) modes.Mode { return now }, Servers: apps, Webhooks: webhooks})
				gw, err := gateway.New(gateway.Options{Node: "a", Backend: b, Workers: 1})
				require.NoError(t, err)
				defer gw.Close()
				b.Use(gw)
				c := gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "chat"})
				synctest.Wait()
				require.Equal(t, 1, apps.changed)
				cause := c.Conn.CloseRequested()
				if mode == modes.Classic {
					require.Nil(t, cause, "Classic hubs have clients of all kinds")
					return
				}
				require.NotNil(t, cause)
				require.Equal(t, gateway.CloseServiceModeSwitched, cause.Reason)
				require.True(t, cause.AllowReconnect)
			})
		})
	}
}
