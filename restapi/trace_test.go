package restapi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// sends is an Observer that follows sends.
type sends struct {
	gateway.Observer
	commands chan *gateway.Command
}

func (s *sends) FollowSend(cmd *gateway.Command) func(gateway.SendReport) {
	s.commands <- cmd
	return nil
}
func (s *sends) Unheard(*gateway.Command) {}

// A request and what it causes have one id: the caller's, or one that the caller is told.
func TestIDsOfRequests(t *testing.T) {
	f := newFixture(t)
	follow := &sends{commands: make(chan *gateway.Command, 1)}
	options, traced := f.options(), false
	gw, err := gateway.New(gateway.Options{Backend: &gatewaytest.Backend{}, Observer: follow})
	require.NoError(t, err)
	defer gw.Close()
	options.Hubs, options.Traced = gw, func() bool { return traced }
	f.handler = New(options)
	send := func(edits ...edit) (told string, cmd *gateway.Command) {
		a := f.do("POST", "/api/hubs/chat/:send", helloJSON, edits...)
		a.wantStatus(202)
		return a.header.Get("X-Request-Id"), <-follow.commands
	}
	told, cmd := send()
	require.Empty(t, told, "nobody would find it")
	require.Empty(t, cmd.Trace)
	require.Equal(t, gateway.SenderREST, cmd.By)
	told, cmd = send(with("X-Request-Id", "order-7"))
	require.Equal(t, "order-7", told)
	require.Equal(t, "order-7", cmd.Trace)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	told, cmd = send(with("traceparent", "00-"+trace+"-00f067aa0ba902b7-01"))
	require.Equal(t, trace, told)
	require.Equal(t, trace, cmd.Trace)
	told, _ = send(with("X-Request-Id", "a\"b"))
	require.Empty(t, told, "it does not belong into a log")
	traced = true
	told, cmd = send()
	require.Regexp(t, "^[0-9a-f]{32}$", told)
	require.Equal(t, told, cmd.Trace)

	traced = false
	a := f.do("POST", "/api/hubs/chat/:send", "{")
	a.wantStatus(400)
	require.Regexp(t, "^[0-9a-f]{32}$", a.header.Get("X-Request-Id"), "of what failed the log has a line")
	require.Equal(t, a.header.Get("X-Request-Id"), f.logged.take(t)[0]["trace"])
	f.bare("POST", "/api/hubs/chat/:send", helloJSON, with("X-Request-Id", "order-8")).wantStatus(401)
	require.Equal(t, "order-8", f.logged.take(t)[0]["trace"])
}
