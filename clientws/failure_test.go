package clientws

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// panicOn makes the application panic on records of the target.
func panicOn(target string) func(*fixture, *Options) {
	return func(f *fixture, _ *Options) {
		f.backend.OnRecord = func(_ *gateway.Conn, r gateway.Record) {
			if r.Message != nil && r.Message.Target == target {
				panic("the test asked for it")
			}
		}
	}
}

const boom = `{"type":1,"target":"boom","arguments":[]}` + "\x1e"

func TestPanicsStayLocal(t *testing.T) {
	const record = `{"type":7,"error":"Internal server transient error.","allowReconnect":true}` + "\x1e"

	t.Run("WebSocket", func(t *testing.T) {
		f := newFixture(t, panicOn("boom"))
		other, _ := f.open("other")
		ws, id := f.open("u")
		ws.say(boom)
		ws.want(record)
		ws.say(boom) // has no effect any more
		ws.wantClose(websocket.CloseInternalServerErr)
		f.waitFor(t, "closed "+id+" ServiceTransientError")
		f.send("on")
		other.want(messageRecord("on"))
		require.Equal(t, 1, f.counts.panicked())
		require.Contains(t, f.log.String(), "the test asked for it")
		require.Contains(t, f.log.String(), "(*WebSocket).take", "with its stack")
	})

	t.Run("POST", func(t *testing.T) {
		f := newFixture(t, panicOn("boom"))
		c := f.openEvents(f.user("u"), nil)
		c.shake()
		require.Equal(t, 500, c.post(boom).status)
		c.wantEvent(record)
		c.wantEnd()
		require.Equal(t, 1, f.counts.panicked())
	})

	t.Run("POST before the transport", func(t *testing.T) {
		f := newFixture(t, panicOn("boom"))
		token := f.user("u")
		n := f.negotiate(token)
		require.Equal(t, 200, f.do(request{method: "POST", query: n.query(), token: token, body: jsonHandshake + boom}).status)
		f.openEventsOf(n, token, nil)
		f.waitFor(t, "closed "+n.ConnectionID+" ServiceTransientError")
	})

	t.Run("a request", func(t *testing.T) {
		f := newFixture(t, func(_ *fixture, o *Options) { o.Origins = func() []string { panic("the test asked for it") } })
		res := f.do(request{method: "POST", path: "/client/negotiate", token: f.user("u"), header: map[string]string{"Origin": "http://a"}})
		require.Equal(t, 500, res.status)
		require.Equal(t, "Internal server error.", res.body)
		require.Equal(t, 200, f.do(request{method: "POST", path: "/client/negotiate", token: f.user("u")}).status)
	})
}

func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPipeFixture(t)
		token := f.user("u")
		ws, _ := f.open("u")
		n := f.negotiate(token)
		drained := make(chan error, 1)
		go func() { drained <- f.gw.Drain(context.Background()) }()
		ws.want(`{"type":7,"error":"Service reloading, try reconnecting.","allowReconnect":true}` + "\x1e")
		for name, res := range map[string]response{
			"negotiate": f.do(request{method: "POST", path: "/client/negotiate", token: token}),
			"poll":      f.do(request{method: "GET", query: n.query(), token: token}),
		} {
			require.Equal(t, 503, res.status, name)
			require.Equal(t, "5", res.header.Get("Retry-After"), name)
		}
		events := f.do(request{method: "GET", query: n.query(), token: token, header: map[string]string{"Accept": "text/event-stream"}})
		require.Equal(t, 404, events.status, "an EventSource asks again for ever otherwise")
		ws.wantClose(websocket.CloseNormalClosure)
		require.NoError(t, <-drained)
	})
}

func TestClose(t *testing.T) {
	f := newFixture(t)
	ws, _ := f.open("u")
	over, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, f.h.Close(over), context.Canceled, "an end that lasts too long has a bound")
	closed := make(chan struct{})
	go func() {
		_ = f.h.Close(context.Background())
		close(closed)
	}()
	// New WebSockets are refused while the old one is waited for.
	token := f.user("v")
	for {
		next, res := f.tryDial("hub=chat&access_token="+token, nil)
		if next == nil {
			require.Equal(t, 503, res.status)
			break
		}
		require.NoError(t, next.Close())
	}
	select {
	case <-closed:
		t.Fatal("Close does not wait")
	default:
	}
	require.NoError(t, ws.Close())
	<-closed
}

func TestUpgradeWithoutHijacking(t *testing.T) {
	f := newFixture(t)
	n := f.negotiate(f.user("u"))
	r := httptest.NewRequest("GET", "/client/?"+n.query(), nil)
	for k, v := range map[string]string{"Authorization": "Bearer " + f.user("u"), "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	f.h.ServeHTTP(w, r)
	require.Equal(t, 400, w.Code)
	_, ended := f.gw.Lookup(n.ConnectionID)
	require.True(t, ended, "nothing stays behind")
}

func TestAbortBeforeTheUpgradeIsAnswered(t *testing.T) {
	// The core may end a connection between Attach and 101.
	f := newFixture(t)
	require.True(t, f.h.sockets.Begin())
	ws := newWSConn(f.h, false, nil)
	conn, err := f.gw.Attach(gateway.Identity{ID: "x", Hub: "chat"}, ws)
	require.NoError(t, err)
	ws.conn = conn
	ws.Wake()
	ws.Abort(gateway.Cause{Reason: gateway.CloseServiceReload})
	ws.Abandon(gateway.Cause{Reason: gateway.CloseBadRequest})
	require.Zero(t, f.gw.Stats().Closed[gateway.CloseNormal])
}

func TestOneLogLine(t *testing.T) {
	f := newFixture(t)
	f.do(request{method: "GET", query: "hub=chat&id=x", token: "garbage"})
	log := f.log.String()
	require.Equal(t, 1, strings.Count(log, "\n"), log)
	require.Contains(t, log, `msg="client request refused" reason=TokenMalformed status=401 method=GET path=/client/ hub=chat remote=127.0.0.1`)
	require.NotContains(t, log, "garbage")
}

func TestPingFlood(t *testing.T) {
	t.Run("a client that pings and never reads is given up at its bound", func(t *testing.T) {
		f := newFixture(t, func(f *fixture, _ *Options) { f.core.OutboxMaxBytes = 64 << 10 })
		ws, id := f.open("u")
		require.NoError(t, ws.SetWriteDeadline(time.Now().Add(time.Minute)))
		for {
			if err := ws.WriteControl(websocket.PingMessage, make([]byte, 125), deadline()); err != nil {
				break
			}
		}
		f.waitFor(t, "closed "+id)
		events := strings.Join(f.backend.Events(), "\n")
		require.Contains(t, events, "closed "+id+" SlowClient")
	})
}
