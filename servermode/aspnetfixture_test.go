package servermode_test

import (
	"testing/synctest"

	"github.com/stretchr/testify/require"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// What hub servers of ASP.NET SignalR do, beyond what all do.

// aspnetServer connects one for the application app, unless d names another hub.
func (w *world) aspnetServer(d dial) *hubServer {
	w.t.Helper()
	d.aspnet = true
	return w.server(d)
}

// wrapped is a payload for clients of ASP.NET SignalR.
func wrapped(json string) sp.Payloads {
	return sp.Payloads{{Protocol: "json", Data: sp.AppendWrapped(nil, []byte(json))}}
}

// bus is what a hub sends to clients, and busFrame what they get of it.
func bus(method string) string {
	return `{"C":"0","M":[{"H":"Chat","M":"` + method + `","A":[]}]}`
}

func busFrame(method string) string {
	return `{"C":"*","M":[{"H":"Chat","M":"` + method + `","A":[]}]}`
}

// tell sends data to one client.
func (s *hubServer) tell(id, json string) {
	s.send(&sp.ConnectionData{ConnectionID: id, Payload: sp.AppendWrapped(nil, []byte(json))})
	synctest.Wait()
}

// broadcast sends to all clients that declared the hub of the connection.
func (s *hubServer) broadcast(method string, except ...string) {
	s.send(&sp.BroadcastData{Excluded: except, Payloads: wrapped(bus(method))})
	synctest.Wait()
}

// wantOpened takes the message that gave a client to the hub server.
func (s *hubServer) wantOpened(id string) *sp.OpenConnection {
	s.t.Helper()
	synctest.Wait()
	open := s.next(sp.TypeOpenConnection).(*sp.OpenConnection)
	require.Equal(s.t, id, open.ConnectionID)
	return open
}

// wantClosed takes the message that ended a client at the hub server.
func (s *hubServer) wantClosed(id string) {
	s.t.Helper()
	synctest.Wait()
	require.Equal(s.t, id, s.next(sp.TypeCloseConnection).(*sp.CloseConnection).ConnectionID)
}

// wantNothing: no message has come but pings.
func (s *hubServer) wantNothing() {
	s.t.Helper()
	synctest.Wait()
	s.take(sp.TypePing)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(s.t, s.got)
}

// init is the frame that every client gets first.
const initFrame = `{"C":"0","S":1,"M":[]}`

// call is a call of a client, and result the answer to it.
func aspnetCall(id, method string) string {
	return `{"H":"chat","M":"` + method + `","A":[],"I":` + id + `}`
}

func aspnetResult(id, value string) string { return `{"I":"` + id + `","R":` + value + `}` }

func aspnetError(id, text string) string { return `{"I":"` + id + `","E":"` + text + `"}` }
