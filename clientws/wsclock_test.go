package clientws

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

func TestWebSocketClocks(t *testing.T) {
	t.Run("C38 the peer has 5 s to answer our Close frame", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			ws, id := f.open("u")
			ws.SetCloseHandler(func(int, string) error { return nil }) // no answer
			began := time.Now()
			f.live(id).Close(gateway.Cause{Reason: gateway.CloseNormal})
			ws.want(`{"type":7}` + "\x1e")
			ws.wantClose(websocket.CloseNormalClosure)
			_, err := ws.NetConn().Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, 5*time.Second, time.Since(began).Truncate(time.Second))
			synctest.Wait()
			require.Contains(t, f.backend.Events(), "closed "+id+" Normal")
		})
	})

	for row, timeout := range map[string]time.Duration{"C65 no handshake within 15 s": 0, "C66 asrs.s.cht changes that": 3 * time.Second} {
		t.Run(row, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newPipeFixture(t)
				ws := f.dial("hub=chat&access_token=" + f.token(auth.ClientTokenSpec{HandshakeTimeout: timeout}))
				began := time.Now()
				ws.say(`{"protocol":`) // never ends
				ws.want(`{"error":"Handshake was canceled."}` + "\x1e")
				want := timeout
				if want == 0 {
					want = 15 * time.Second
				}
				require.InDelta(t, want.Seconds(), time.Since(began).Seconds(), 1.5)
				ws.wantClose(websocket.CloseNormalClosure)
			})
		})
	}

	t.Run("C68 pings, and the client's silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			ws, id := f.open("u")
			began := time.Now()
			ws.want(`{"type":6}` + "\x1e")
			require.InDelta(t, 15, time.Since(began).Seconds(), 1.5)
			ws.say(`{"type":6}` + "\x1e")
			ws.want(`{"type":6}` + "\x1e")
			ws.want(`{"type":6}` + "\x1e")
			ws.want(`{"type":7,"error":"Connection ping timeout.","allowReconnect":true}` + "\x1e")
			ws.wantClose(websocket.CloseNormalClosure)
			synctest.Wait()
			require.Contains(t, f.backend.Events(), "closed "+id+" PingTimeout: Connection ping timeout.")
		})
	})

	t.Run("a client that never pings", func(t *testing.T) {
		for name, test := range map[string]struct {
			peer  func(ws *wsClient)
			every func(ws *wsClient) // 20 seconds
			end   string
		}{
			"may be silent while its WebSocket answers": {func(ws *wsClient) { go ws.drain() }, nil, ""},
			"is closed when its process has stopped": {func(ws *wsClient) {
				require.NoError(ws.t, ws.SetReadDeadline(time.Time{}))
				go func() { _, _ = io.Copy(io.Discard, ws.NetConn()) }() // which its kernel still takes
			}, nil, "PingTimeout: Connection ping timeout."},
			"is not asked while its WebSocket pings": {func(ws *wsClient) {
				ws.SetPingHandler(func(string) error { ws.t.Error("it was asked"); return nil })
				go ws.drain()
			}, func(ws *wsClient) {
				require.NoError(ws.t, ws.WriteControl(websocket.PingMessage, nil, time.Time{}))
			}, ""},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newPipeFixture(t)
					ws, id := f.open("u")
					test.peer(ws)
					closed := func() bool { return strings.Contains(strings.Join(f.backend.Events(), "\n"), "closed "+id) }
					for i := range 20 {
						require.False(t, i < 3 && closed(), "it has the time of two keep-alives and one timeout")
						if test.every != nil {
							test.every(ws)
						}
						time.Sleep(20 * time.Second)
						synctest.Wait()
					}
					require.Equal(t, test.end != "", closed())
					if test.end != "" {
						require.Contains(t, f.backend.Events(), "closed "+id+" "+test.end)
					}
				})
			})
		}
	})

	t.Run("C79 R52 asrs.s.coae closes at asrs.s.aeo", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			ws := f.dial("hub=chat&access_token=" + f.token(auth.ClientTokenSpec{Lifetime: 10 * time.Second, CloseOnExpiry: true}))
			began := time.Now()
			ws.say(jsonHandshake)
			ws.want("{}\x1e")
			_, record, err := ws.ReadMessage()
			require.NoError(t, err)
			require.Contains(t, string(record), `"allowReconnect":true`)
			require.InDelta(t, 10, time.Since(began).Seconds(), 1.5)
			ws.wantClose(websocket.CloseNormalClosure)
		})
	})

	t.Run("C41 a client that takes no byte is given up after the send timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			stalled, id := f.open("stalled")
			reading, _ := f.open("reading")
			began := time.Now()
			f.send("hello")
			reading.want(messageRecord("hello"))
			f.events(2)
			require.Zero(t, time.Since(began), "others do not wait")
			time.Sleep(9 * time.Second)
			synctest.Wait()
			require.NotContains(t, strings.Join(f.backend.Events(), "\n"), "closed "+id)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			require.Contains(t, strings.Join(f.backend.Events(), "\n"), "closed "+id+" SlowClient")
			_, _, err := stalled.ReadMessage()
			require.Error(t, err)
		})
	})

	t.Run("C41 a client that takes a little all the time is not given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			ws, _ := f.open("u")
			f.send(strings.Repeat("x", 16))
			want := gatewaytest.ServerFrame(gatewaytest.FrameFinal|gatewaytest.FrameText, messageRecord(strings.Repeat("x", 16)))
			require.NoError(t, ws.SetReadDeadline(time.Time{}))
			var got []byte
			for len(got) < len(want) {
				time.Sleep(9 * time.Second)
				one := make([]byte, 8)
				n, err := ws.NetConn().Read(one)
				require.NoError(t, err)
				got = append(got, one[:n]...)
			}
			require.Equal(t, want, got[:len(want)])
		})
	})
}
