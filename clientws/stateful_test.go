package clientws

import (
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

const (
	askStateful = "negotiateVersion=1&useStatefulReconnect=true"
	ping        = `{"type":6}` + "\x1e"
	sequence1   = `{"type":9,"sequenceId":1}` + "\x1e"
)

var jsonHandshake2 = string(hubprotocol.AppendHandshakeRequest(nil, hubprotocol.JSON, 2))

// openStateful connects a client with stateful reconnect that has said its first word. The query is that
// of its further requests.
func (f *fixture) openStateful(token string) (ws *wsClient, query, id string) {
	f.t.Helper()
	n := f.negotiateVersion(token, askStateful)
	require.True(f.t, n.UseStatefulReconnect)
	query = n.query() + "&access_token=" + token
	ws = f.dial(query)
	ws.say(jsonHandshake2)
	ws.want("{}\x1e")
	ws.say(ping)
	return ws, query, n.ConnectionID
}

var acks = regexp.MustCompile("{\"type\":8,\"sequenceId\":[0-9]+}\x1e")

// wantBesidesAcks reads until it has the text, in any number of messages and with acknowledgements between.
func (ws *wsClient) wantBesidesAcks(text string) {
	ws.t.Helper()
	for got := ""; got != text; {
		got += acks.ReplaceAllString(ws.next(), "")
		require.True(ws.t, strings.HasPrefix(text, got), "%q", got)
	}
}

func TestC91StatefulReconnectIsGrantedToWhoAsks(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")
	for query, want := range map[string]bool{
		askStateful: true, "negotiateVersion=1&USESTATEFULRECONNECT=True": true,
		askStateful + "&useStatefulReconnect=true": true,
		"negotiateVersion=1":                       false, "negotiateVersion=1&useStatefulReconnect=false": false,
		"useStatefulReconnect=true": false, "negotiateVersion=0&useStatefulReconnect=true": false,
	} {
		res := f.do(request{method: "POST", path: "/client/negotiate", query: "hub=chat&" + query, token: token})
		require.Equal(t, 200, res.status)
		if want {
			require.Contains(t, res.body, `","useStatefulReconnect":true,"availableTransports":[`, query)
		} else {
			require.NotContains(t, res.body, "useStatefulReconnect", query)
		}
	}
	polls := f.token(auth.ClientTokenSpec{UserID: "u", Transports: auth.TransportLongPolling})
	require.False(t, f.negotiateVersion(polls, askStateful).UseStatefulReconnect, "it is one of WebSockets")
}

func TestC91StatefulReconnectThatIsNotGranted(t *testing.T) {
	f := newFixture(t, func(_ *fixture, o *Options) { o.Stateful = func(hub string) bool { return hub != "chat" } })
	token := f.user("u")
	n := f.negotiateVersion(token, askStateful)
	require.False(t, n.UseStatefulReconnect)
	ws := f.dial(n.query() + "&access_token=" + token)
	ws.say(jsonHandshake2) // no client does it, unless it was granted
	ws.want("{}\x1e")
	ws.say(`{"type":1,"target":"A","arguments":[]}` + "\x1e")
	f.send("a")
	ws.want(messageRecord("a"))
	_, res := f.tryDial(n.query()+"&access_token="+token, nil)
	require.Equal(t, 409, res.status, "C36")
}

func TestC91AClientThatWasGrantedItMayDoWithoutIt(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")
	t.Run("version 1", func(t *testing.T) {
		n := f.negotiateVersion(token, askStateful)
		ws := f.dial(n.query() + "&access_token=" + token)
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		_, res := f.tryDial(n.query()+"&access_token="+token, nil)
		require.Equal(t, 409, res.status, "C36")
		require.NoError(t, ws.NetConn().Close())
		require.Eventually(t, func() bool { c, _ := f.gw.Lookup(n.ConnectionID); return c == nil }, time.Minute, time.Millisecond)
		_, res = f.tryDial(n.query()+"&access_token="+token, nil)
		require.Equal(t, 404, res.status)
	})
	t.Run("another transport", func(t *testing.T) {
		c := &pollClient{f: f, n: f.negotiateVersion(token, askStateful), token: token}
		require.Equal(t, 200, c.poll().status)
		c.shake()
		_, res := f.tryDial(c.n.query()+"&access_token="+token, nil)
		require.Equal(t, 400, res.status)
		require.Equal(t, 202, c.delete().status)
	})
}

func TestC93AWebSocketIsReplaced(t *testing.T) {
	for _, lost := range []bool{true, false} {
		name := map[bool]string{true: "behind one that is lost", false: "C95 behind one that is there"}[lost]
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			first, query, id := f.openStateful(f.user("u"))
			f.send("a")
			first.want(messageRecord("a"))
			first.say(`{"type":1,"target":"A","arguments":[]}` + "\x1e" + `{"type":1,"targ`)
			if lost {
				require.NoError(t, first.NetConn().Close())
				require.Eventually(t, f.live(id).IsAway, time.Minute, time.Millisecond)
			}
			f.send("b")
			ws, res := f.tryDial(query, nil)
			require.Equal(t, 101, res.status)
			ws.say(sequence1 + `{"type":1,"target":"A","arguments":[]}` + "\x1e" + `{"type":1,"target":"B","arguments":[]}` + "\x1e")
			ws.wantBesidesAcks(sequence1 + messageRecord("a") + messageRecord("b"))
			f.send("c")
			ws.wantBesidesAcks(messageRecord("c"))
			require.Eventually(t, func() bool { return len(f.backend.Events()) == 3 }, time.Minute, time.Millisecond)
			require.Equal(t, []string{"opened " + id, "record " + id + " A", "record " + id + " B"}, f.backend.Events())
			if !lost {
				first.drain()
			}
			require.Equal(t, "u", f.live(id).Identity().User)
		})
	}
}

func TestC93TheNextWebSocketSpeaksMessagePackToo(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")
	n := f.negotiateVersion(token, askStateful)
	ws := f.dial(n.query() + "&access_token=" + token)
	ws.say(string(hubprotocol.AppendHandshakeRequest(nil, hubprotocol.MessagePack, 2)))
	ws.wantMessage(websocket.BinaryMessage, "{}\x1e")
	require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, hubprotocol.AppendPing(nil, hubprotocol.MessagePack)))
	f.send("a")
	packed := ws.next()
	again := f.dial(n.query() + "&access_token=" + token)
	again.wantMessage(websocket.BinaryMessage, string(hubprotocol.AppendSequence(nil, hubprotocol.MessagePack, 1))+packed)
}

func TestC96C97DeadIdsOfStatefulConnections(t *testing.T) {
	t.Run("C96 closed", func(t *testing.T) {
		f := newFixture(t)
		ws, query, id := f.openStateful(f.user("u"))
		f.live(id).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye", AllowReconnect: true})
		ws.want(`{"type":7,"error":"bye","allowReconnect":true}` + "\x1e")
		_, res := f.tryDial(query, nil)
		require.Equal(t, response{404, res.header, "No Connection with that ID"}, res)
		ws.wantClose(websocket.CloseNormalClosure)
		_, res = f.tryDial(query, nil)
		require.Equal(t, 404, res.status)
	})
	t.Run("the client has left", func(t *testing.T) {
		for name, leave := range map[string]func(ws *wsClient){
			"with a Close record": func(ws *wsClient) { ws.say(`{"type":7}` + "\x1e") },
			"with a Close frame": func(ws *wsClient) {
				_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Minute))
			},
		} {
			f := newFixture(t)
			ws, query, _ := f.openStateful(f.user("u"))
			leave(ws)
			ws.wantClose(websocket.CloseNormalClosure)
			_, res := f.tryDial(query, nil)
			require.Equal(t, 404, res.status, name)
		}
	})
	t.Run("C97 away for too long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t, func(f *fixture, _ *Options) { f.core.Away = 20 * time.Second })
			ws, query, id := f.openStateful(f.user("u"))
			_ = ws.NetConn().Close()
			time.Sleep(19 * time.Second)
			ws = f.dial(query)
			ws.want(sequence1)
			_ = ws.NetConn().Close()
			time.Sleep(22 * time.Second)
			_, res := f.tryDial(query, nil)
			require.Equal(t, 404, res.status)
			require.Contains(t, f.backend.Events()[1], "closed "+id+" DisconnectTimeout")
		})
	})
}

func TestC98AClientThatDialsAllTheTimeIsRefused(t *testing.T) {
	f := newFixture(t)
	_, query, _ := f.openStateful(f.user("u"))
	for range 1000 {
		ws, res := f.tryDial(query, nil)
		if ws == nil {
			require.Equal(t, 429, res.status)
			require.Equal(t, "5", res.header.Get("Retry-After"))
			require.NotZero(t, f.h.Refused()["TooManyReconnects"])
			return
		}
	}
	t.Fatal("never refused")
}

func TestStatefulConnectionsBelongToTheirUser(t *testing.T) {
	f := newFixture(t)
	_, query, _ := f.openStateful(f.user("u"))
	n := f.negotiateVersion(f.user("v"), askStateful)
	_, res := f.tryDial(n.query()+"&access_token="+f.user("u"), nil)
	require.Equal(t, 404, res.status, "a token that was negotiated by another user")
	ws, _ := f.tryDial(query, nil)
	require.NotNil(t, ws)
}

// TestC93AStatefulConnectionOutlivesItsToken: a client comes back with the token that it was opened with,
// whatever became of that.
func TestC93AStatefulConnectionOutlivesItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys atomic.Pointer[[]auth.Secret]
		keys.Store(&[]auth.Secret{testKey})
		f := newPipeFixture(t, withKeys(&keys))
		token := f.token(auth.ClientTokenSpec{UserID: "u", Lifetime: 10 * time.Second})
		other := f.token(auth.ClientTokenSpec{UserID: "u", Lifetime: 9 * time.Second})
		n := f.negotiateVersion(token, askStateful)
		header := http.Header{"Authorization": {"Bearer " + token}}
		ws, _ := f.tryDial(n.query(), header)
		ws.say(jsonHandshake2)
		ws.want("{}\x1e")
		ws.say(ping)
		time.Sleep(20 * time.Second)
		_, res := f.tryDial(n.query(), http.Header{"Authorization": {"Bearer " + other}})
		require.Equal(t, 401, res.status, "a token that the connection never had")
		ws, _ = f.tryDial(n.query(), header)
		require.NotNil(t, ws)
		ws.want(sequence1)
		ws.say(sequence1)
		f.live(n.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseNormal})
		ws.wantClose(websocket.CloseNormalClosure)
		synctest.Wait()
		_, res = f.tryDial(n.query(), header)
		require.Equal(t, 401, res.status, "an ended connection keeps nothing")
	})
}
