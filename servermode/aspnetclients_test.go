package servermode_test

import (
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// A client is announced once, on a connection of the application, and is opened by the gateway.
func TestH84AClientOfAspNet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hub, app := w.aspnetServer(dial{hub: "app_chat"}), w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1", user: "ann", identity: gateway.Identity{
			RemoteAddr: "10.0.0.9", Diagnostic: true, Headers: []gateway.Header{{Name: "User-Agent", Value: "x"}},
			TokenClaims: []gateway.Claim{{Type: "nameid", Value: "ann"}, {Type: "asrs.s.apn", Value: "App"}},
		}, query: "&user=a+b"})
		hub.wantNothing()
		open := app.wantOpened("1")
		require.Equal(t, []sp.Header{{Name: sp.HeaderInstanceID, Values: []string{"node-a"}}, {Name: sp.HeaderForwardedFor, Values: []string{"10.0.0.9"}},
			{Name: sp.HeaderDiagnosticClient, Values: []string{"true"}}, {Name: "User-Agent", Values: []string{"x"}}}, open.Headers)
		require.Contains(t, open.Claims, sp.Claim{Type: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier", Value: "ann"})
		require.Contains(t, open.Claims, sp.Claim{Type: "asrs.s.apn", Value: "App"})
		require.Empty(t, open.Protocol)
		require.Equal(t, "?transport=webSockets&clientProtocol=2.1&connectionToken=1&connectionData=%5B%7B%22name%22%3A%22chat%22%7D%5D&user=a+b", open.Query)
		app.wantNothing()
		c.wantFrames(initFrame)

		c.say(aspnetCall("0", "echo"))
		data := app.next(sp.TypeConnectionData).(*sp.ConnectionData)
		require.Equal(t, aspnetCall("0", "echo"), string(data.Payload), "as it came")
		app.tell("1", aspnetResult("0", `"ok"`))
		c.wantFrames(aspnetResult("0", `"ok"`))

		c.leave()
		app.wantClosed("1")
		hub.wantNothing()
	})
}

// What the hub sends when a client is announced reaches it behind its first frame.
func TestH84TheFirstFrameComesFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.aspnetServer(dial{on: func(s *hubServer, m sp.Message) {
			if open, ok := m.(*sp.OpenConnection); ok {
				s.send(&sp.ConnectionData{ConnectionID: open.ConnectionID, Payload: sp.AppendWrapped(nil, []byte(bus("hello")))})
			}
		}})
		c := w.aspnet(aspnetOptions{id: "1"})
		c.wantFrames(initFrame, busFrame("hello"))
	})
}

func TestH84NoHubServer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.aspnetServer(dial{hub: "other_chat"})
		w.server(dial{hub: "app"})
		w.server(dial{hub: "app_chat"})
		c := w.aspnet(aspnetOptions{id: "1"})
		c.wantEnd(gateway.CloseNoAvailableServerConnection, "No hub server is connected that could take the client. Please try again later.")
		require.Zero(t, w.gw.Stats().Opened-1)
	})
}

// H85: vector V42, byte for byte, is one frame for the client, with a cursor of its own.
func TestH85APayloadOfAHubServer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{hub: "app_chat"})
		c := w.aspnet(aspnetOptions{id: "1"})
		v42, err := hex.DecodeString("319406a0c42b7b2243223a2230222c224d223a5b7b2248223a2243686174222c224d223a2274222c2241223a5b5d7d5d7d80")
		require.NoError(t, err)
		s.send(&sp.ConnectionData{ConnectionID: "1", Payload: v42}, &sp.BroadcastData{Payloads: sp.Payloads{{Protocol: "json", Data: v42}}})
		c.wantFrames(initFrame, busFrame("t"), busFrame("t"))
	})
}

// All receivers of one message share its bytes, and two messages have two cursors.
func TestH85CursorsAreThoseOfMessages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{hub: "app_chat"})
		a, b := w.aspnet(aspnetOptions{id: "1"}), w.aspnet(aspnetOptions{id: "2"})
		s.broadcast("x")
		s.broadcast("x")
		require.Equal(t, a.got, b.got)
		require.Len(t, a.got, 3)
		cursors := make(map[string]bool)
		for _, f := range a.got {
			cursors[aspnetprotocol.CursorOf([]byte(f))] = true
		}
		require.Len(t, cursors, 3)
	})
}

// H85: a payload that is no wrapped JSON is counted, and harms nobody.
func TestH85PayloadsThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		m    sp.Message
		loss servermode.Loss
	}{
		"not wrapped":        {&sp.BroadcastData{Payloads: sp.Payloads{{Protocol: "json", Data: []byte(bus("x"))}}}, servermode.LossMalformedRecord},
		"no JSON":            {&sp.BroadcastData{Payloads: wrapped("x")}, servermode.LossMalformedRecord},
		"nothing wrapped":    {&sp.BroadcastData{Payloads: wrapped("")}, servermode.LossMalformedRecord},
		"no payload":         {&sp.BroadcastData{}, servermode.LossNoPayload},
		"an empty payload":   {&sp.BroadcastData{Payloads: sp.Payloads{{Protocol: "json"}}}, servermode.LossNoPayload},
		"another protocol":   {&sp.UserData{User: "ann", Payloads: sp.Payloads{{Protocol: "messagepack", Data: []byte("x")}}}, servermode.LossNoPayload},
		"a filter":           {&sp.BroadcastData{Payloads: wrapped(bus("x")), Filter: "f"}, servermode.LossFilter},
		"data not wrapped":   {&sp.ConnectionData{ConnectionID: "1", Payload: []byte(bus("x"))}, servermode.LossMalformedRecord},
		"data without JSON":  {&sp.ConnectionData{ConnectionID: "1", Payload: sp.AppendWrapped(nil, []byte(`{"M":1}`))}, servermode.LossMalformedRecord},
		"data that is empty": {&sp.ConnectionData{ConnectionID: "1"}, servermode.LossMalformedRecord},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.aspnetServer(dial{hub: "app_chat"})
				client := w.aspnet(aspnetOptions{id: "1", user: "ann"})
				s.send(c.m)
				synctest.Wait()
				require.EqualValues(t, 1, w.Stats().Lost[c.loss])
				s.broadcast("after")
				client.wantFrames(initFrame, busFrame("after"))
			})
		})
	}
}

// H87, C111: a client that has come back is announced in order with its records. It has its groups, and
// gets what was sent meanwhile.
func TestH87AClientThatComesBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s, hub := w.aspnetServer(dial{}), w.aspnetServer(dial{hub: "app_chat"})
		c := w.aspnet(aspnetOptions{id: "1"})
		s.send(&sp.JoinGroup{ConnectionID: "1", Group: "hg-Chat.g"})
		hub.broadcast("before")
		cursor := aspnetprotocol.CursorOf([]byte(c.got[1]))
		c.say(aspnetCall("0", "a"))
		c.lose()
		hub.broadcast("while away")
		s.send(&sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: wrapped(bus("group"))})
		s.tell("1", aspnetResult("0", "1"))
		c.comeBack(cursor)
		c.wantFrames(busFrame("while away"), busFrame("group"), aspnetResult("0", "1"))
		c.say(aspnetCall("1", "b"))
		var got []string
		for _, m := range s.take(sp.TypeConnectionData) {
			got = append(got, string(m.(*sp.ConnectionData).Payload))
		}
		require.Equal(t, []string{aspnetCall("0", "a"), "asrs:reconnect", aspnetCall("1", "b")}, got)
	})
}

// A hub server does not wait for a client that is away, whatever it sends to it. One that is there and
// does not read is waited for.
func TestAspNetNobodyWaitsForAClientThatIsAway(t *testing.T) {
	for _, away := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			w.core.OutboxBytes = 1 << 10
			s := w.aspnetServer(dial{})
			gone, there := w.aspnet(aspnetOptions{id: "1"}), w.aspnet(aspnetOptions{id: "2"})
			gone.hold()
			if away {
				gone.lose()
			}
			begun := time.Now()
			for range 3 {
				s.send(&sp.ConnectionData{ConnectionID: "1", Payload: sp.AppendWrapped(nil, []byte(bus(strings.Repeat("x", 2000))))})
			}
			s.tell("2", bus("here"))
			for len(there.frames()) < 2 {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
			}
			if waited := time.Since(begun); away {
				require.Less(t, waited, time.Second)
			} else {
				require.Greater(t, waited, 4*time.Second)
			}
			gone.leave()
		})
	}
}

// H87: clients of ASP.NET Core SignalR have no such text.
func TestH87OnlyClientsOfAspNet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		c := w.connect("1", "")
		s.forget()
		c.Conn.Session().(gateway.Returner).Returned()
		synctest.Wait()
		require.Empty(t, s.payloads("1"))
	})
}

// H87: nobody but the gateway can say it, and what is no call is not forwarded.
func TestH87AClientCannotSayIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1"})
		for _, text := range []string{"asrs:reconnect", `"asrs:reconnect"`, "", "{}", "x"} {
			_ = c.conn.Record([]byte(text))
		}
		c.say(aspnetCall("0", "a"))
		require.Equal(t, aspnetCall("0", "a"), s.payloads("1"))
		require.NotZero(t, w.Stats().Lost[servermode.LossUnexpected])
	})
}

// H88: a hub server that has the client already says so with the id of the client that lives.
func TestH88ADuplicateEndsNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.aspnetServer(dial{}), w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1"})
		owner, other := a, b
		if len(b.take(sp.TypeOpenConnection)) > 0 {
			owner, other = b, a
		}
		for _, s := range []*hubServer{other, owner} {
			s.send(&sp.CloseConnection{ConnectionID: "1", Error: "Duplicate connection ID 1"})
			synctest.Wait()
		}
		require.EqualValues(t, 2, w.Stats().Lost[servermode.LossDuplicate])
		c.say(aspnetCall("0", "a"))
		require.Equal(t, aspnetCall("0", "a"), owner.payloads("1"))
		require.Nil(t, c.conn.CloseRequested())
	})
}

// H84: the query has a connection token, without which hub servers refuse a client.
func TestH84TheQueryIsWhatTheEndpointMadeOfIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{})
		w.aspnet(aspnetOptions{id: "1"})
		query, err := url.ParseQuery(s.wantOpened("1").Query[1:])
		require.NoError(t, err)
		require.Equal(t, "1", query.Get("connectionToken"))
		require.Equal(t, `[{"name":"chat"}]`, query.Get("connectionData"))
	})
}

// Without hubs a client is opened as well: it hears what is sent to it alone. Connection data that is
// none is refused.
func TestAspNetConnectionData(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{hub: "app_chat"})
		none := w.aspnet(aspnetOptions{id: "1", hubs: []string{}})
		odd := w.aspnet(aspnetOptions{id: "2", hubs: []string{"no-name", "Chat"}})
		s.broadcast("x")
		s.tell("1", bus("y"))
		none.wantFrames(initFrame, busFrame("y"))
		odd.wantFrames(initFrame, busFrame("x"))
		bad := w.aspnet(aspnetOptions{id: "3", hubs: []string{`"`}})
		bad.wantEnd(gateway.CloseBadRequest, "The connection data is not valid.")
		require.Len(t, s.take(sp.TypeOpenConnection), 2)
	})
}

func TestH82ServerlessHasNoAspNet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mode = modes.Serverless
		for _, kind := range []sp.ConnectionKind{sp.KindDefault, sp.KindWeak} {
			w.aspnetServer(dial{kind: kind, refused: true})
		}
		require.EqualValues(t, 2, w.Stats().Refused[servermode.RefusedMode])
		require.Contains(t, w.log.String(), "reason=Mode")
		c := w.aspnet(aspnetOptions{id: "1"})
		c.wantEnd(gateway.CloseNoAvailableServerConnection, "The application is in Serverless mode, which ASP.NET SignalR does not have.")
	})
}

// A change of the mode ends clients and server connections, Weak ones too.
func TestH82TheModeChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, weak := w.aspnetServer(dial{}), w.aspnetServer(dial{kind: sp.KindWeak, hub: "app_chat"})
		c := w.aspnet(aspnetOptions{id: "1"})
		w.mode = modes.Serverless
		w.modes.Changed()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Error(t, a.end())
		require.Error(t, weak.end())
		require.Equal(t, gateway.CloseServiceModeSwitched, c.conn.CloseRequested().Reason)
		require.EqualValues(t, 2, w.Stats().Ended[servermode.EndModeSwitched])
	})
}

// A hub server of ASP.NET Core SignalR whose hub has the name of an application's hub is another one.
func TestAspNetAndCoreBesideEachOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		core, asp := w.server(dial{hub: "app_chat"}), w.aspnetServer(dial{hub: "app_chat"})
		c := w.aspnet(aspnetOptions{id: "1"})
		core.send(&sp.BroadcastData{Payloads: message("x")}, &sp.ConnectionData{ConnectionID: "1", Payload: []byte(call("", "x"))},
			&sp.MultiConnectionData{Connections: []string{"1"}, Payloads: wrapped(bus("x"))}, &sp.CloseConnection{ConnectionID: "1"},
			&sp.JoinGroup{ConnectionID: "1", Group: "h:app_chat"})
		core.wantAck(sp.AckNotFound, 1, &sp.JoinGroupWithAck{ConnectionID: "1", Group: "g", AckID: 1})
		asp.broadcast("y")
		c.wantFrames(initFrame, busFrame("y"))
		require.Nil(t, c.conn.CloseRequested())
	})
}
