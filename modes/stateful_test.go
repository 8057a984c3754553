package modes_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
)

func TestC91StatefulReconnectByMode(t *testing.T) {
	mode := map[string]modes.Mode{"stateless": modes.Default, "serverless": modes.Serverless, "classic": modes.Classic, "default": modes.Default}
	b := modes.New(modes.Options{Mode: func(hub string) modes.Mode { return mode[hub] }, Servers: &servers{}})
	for hub := range mode {
		require.Equal(t, hub != "stateless", b.Stateful(hub), hub)
	}
	mode["stateless"] = modes.Serverless
	require.True(t, b.Stateful("stateless"), "hub servers have no say there")
}

// A client of a Classic hub that nobody listens to has stateful reconnect too.
func TestC93AClassicClientWithoutAHubServerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := modes.New(modes.Options{Mode: func(string) modes.Mode { return modes.Classic }, Servers: nobody{}})
		gw, err := gateway.New(gateway.Options{Node: "a", Backend: b, Workers: 1})
		require.NoError(t, err)
		defer gw.Close()
		b.Use(gw)
		c := gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "chat", Numbers: true})
		require.NoError(t, c.Feed([]byte(`{"type":1,"invocationId":"7","target":"A","arguments":[]}`+"\x1e")))
		synctest.Wait()
		require.Len(t, c.Records(), 2)
		completion := c.Records()[1]
		require.Contains(t, completion, `{"type":3,"invocationId":"7","error":`)
		c.Leave()
		synctest.Wait()
		c, err = c.ReturnNumbered(gatewaytest.Options{})
		require.NoError(t, err)
		require.NoError(t, c.SaySequence(2))
		synctest.Wait()
		require.Equal(t, []string{`{"type":9,"sequenceId":1}`, completion}, c.Records())
		require.Equal(t, uint64(1), b.Unanswered())
	})
}

// nobody is hub servers of which none is connected.
type nobody struct{}

func (nobody) Supports(string) bool { return true }

func (nobody) Accept(*gateway.Conn, gateway.Handshake) (gateway.Session, error) {
	return nil, gateway.Cause{Reason: gateway.CloseNoAvailableServerConnection, Text: "nobody"}
}

func (nobody) Owns(gateway.Session) bool { return false }
func (nobody) Resumes([]byte) bool       { return false }
func (nobody) RulesChanged()             {}
func (nobody) Stateful(string) bool      { return true }
