package clientws

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/transport"
)

func deadline() time.Time { return time.Now().Add(time.Minute) }

// events waits until the application has been told n things.
func (f *fixture) events(n int) []string {
	f.t.Helper()
	for end := deadline(); ; {
		if events := f.backend.Events(); len(events) >= n {
			return events
		}
		require.True(f.t, time.Now().Before(end), "only %q", f.backend.Events())
		f.gw.Stats() // something that takes a moment
	}
}

const messagePackHandshake = `{"protocol":"messagepack","version":1}` + "\x1e"

func TestWebSocketMessages(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")
	dial := func() *wsClient { return f.dial(f.negotiate(token).query() + "&access_token=" + token) }

	t.Run("C29 C63 JSON goes out as text", func(t *testing.T) {
		ws, id := f.open("u")
		f.live(id).Send([]byte(`{"type":1}` + "\x1e"))
		ws.wantMessage(websocket.TextMessage, `{"type":1}`+"\x1e")
		require.NoError(t, ws.Close())
	})

	t.Run("C30 C32 C63 MessagePack goes out as binary, its handshake may come as text", func(t *testing.T) {
		ws := dial()
		ws.say(messagePackHandshake)
		ws.wantMessage(websocket.BinaryMessage, "{}\x1e")
		require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, []byte{0x08, 0x95, 0x01, 0x80, 0xa1, 0x30, 0xa1, 0x41, 0x90}))
		f.waitFor(t, " A")
		require.NoError(t, ws.Close())
	})

	t.Run("C31 JSON in binary frames works in full", func(t *testing.T) {
		ws := dial()
		require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, []byte(jsonHandshake)))
		ws.want("{}\x1e")
		require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, []byte(`{"type":1,"target":"binary","arguments":[]}`+"\x1e")))
		f.waitFor(t, "binary")
		require.NoError(t, ws.Close())
	})

	t.Run("C33 several records in one message", func(t *testing.T) {
		ws := dial()
		ws.say(jsonHandshake + `{"type":1,"target":"joined1","arguments":[]}` + "\x1e" + `{"type":6}` + "\x1e" + `{"type":1,"target":"joined2","arguments":[]}` + "\x1e")
		ws.want("{}\x1e")
		f.waitFor(t, "joined2")
		require.Contains(t, strings.Join(f.backend.Events(), "\n"), "joined1")
		require.NoError(t, ws.Close())
	})

	t.Run("C34 a record over two messages comes in, in fragments too", func(t *testing.T) {
		ws := dial()
		for _, part := range []string{`{"proto`, `col":"json","version":1}` + "\x1e" + `{"type":1,"tar`, `get":"parts","arguments":[]}` + "\x1e"} {
			ws.say(part)
		}
		ws.want("{}\x1e")
		f.waitFor(t, "parts")
		w, err := ws.NextWriter(websocket.TextMessage)
		require.NoError(t, err)
		for _, b := range []byte(`{"type":1,"target":"` + strings.Repeat("fragments", 1000) + `","arguments":[]}` + "\x1e") {
			_, err = w.Write([]byte{b})
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		f.waitFor(t, "fragments")
		require.NoError(t, ws.Close())
	})

	t.Run("C34 a record of 1 MB goes out in one message", func(t *testing.T) {
		ws, id := f.open("u")
		big := `{"type":1,"target":"` + strings.Repeat("x", 1<<20) + `","arguments":[]}` + "\x1e"
		f.live(id).Send([]byte(big))
		f.live(id).Send([]byte(`{"type":1}` + "\x1e"))
		ws.want(big)
		ws.want(`{"type":1}` + "\x1e")
		require.NoError(t, ws.Close())
	})

	t.Run("C40 compression is not negotiated", func(t *testing.T) {
		d := f.dialer()
		d.EnableCompression = true
		conn, res, err := d.Dial("ws://hub.example/client/?hub=chat&access_token="+token, nil)
		require.NoError(t, err)
		defer conn.Close()
		require.Empty(t, res.Header.Get("Sec-WebSocket-Extensions"))
	})

	t.Run("a ping is answered with its payload, before the handshake too", func(t *testing.T) {
		ws := dial()
		pongs := make(chan string, 2)
		ws.SetPongHandler(func(data string) error { pongs <- data; return nil })
		require.NoError(t, ws.WriteControl(websocket.PingMessage, []byte("early"), deadline()))
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		require.Equal(t, "early", <-pongs)
		require.NoError(t, ws.WriteControl(websocket.PingMessage, bytes.Repeat([]byte("x"), 125), deadline()))
		ws.say(`{"type":7}` + "\x1e")
		ws.want(`{"type":7}` + "\x1e")
		require.Equal(t, strings.Repeat("x", 125), <-pongs)
		ws.wantClose(websocket.CloseNormalClosure)
	})
}

// waitFor waits until the application has been told of something.
func (f *fixture) waitFor(t *testing.T, text string) {
	t.Helper()
	for n := 1; ; n++ {
		for _, event := range f.events(n) {
			if strings.Contains(event, text) {
				return
			}
		}
	}
}

func TestWebSocketStatus(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")
	header := http.Header{"Authorization": {"Bearer " + token}}

	t.Run("C11 C12 token in the query or in the header", func(t *testing.T) {
		for _, h := range []http.Header{header, nil} {
			query := f.negotiate(token).query()
			if h == nil {
				query += "&access_token=" + token
			}
			ws, res := f.tryDial(query, h)
			require.NotNil(t, ws, res.body)
			require.NoError(t, ws.Close())
		}
	})

	t.Run("C23 R48 without an id a connection is made on the spot", func(t *testing.T) {
		ws, _ := f.tryDial("hub=chat", header)
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		require.NoError(t, ws.Close())
	})

	t.Run("C35 an unknown id is refused before 101", func(t *testing.T) {
		_, res := f.tryDial("hub=chat&id=unknown", header)
		require.Equal(t, 404, res.status)
		require.Equal(t, "No Connection with that ID", res.body)
	})

	t.Run("C36 R48 a second WebSocket of a live id gets 409", func(t *testing.T) {
		n := f.negotiate(token)
		ws, _ := f.tryDial(n.query(), header)
		_, res := f.tryDial(n.query(), header)
		require.Equal(t, 409, res.status)
		ws.say(jsonHandshake)
		ws.want("{}\x1e")

		t.Run("C37 POST and DELETE on a WebSocket", func(t *testing.T) {
			res := f.do(request{method: "POST", query: n.query(), token: token, body: "x"})
			require.Equal(t, 405, res.status)
			require.Equal(t, "POST requests are not allowed for WebSocket connections.", res.body)
			res = f.do(request{method: "DELETE", query: n.query(), token: token})
			require.Equal(t, 400, res.status)
			require.Equal(t, "Cannot terminate this connection using the DELETE endpoint.", res.body)
		})
		t.Run("other transports cannot take it over", func(t *testing.T) {
			for _, accept := range []string{"*/*", "text/event-stream"} {
				res := f.do(request{method: "GET", query: n.query(), token: token, header: map[string]string{"Accept": accept}})
				require.Equal(t, 400, res.status)
				require.Equal(t, "Cannot change transports mid-connection", res.body)
			}
		})
		t.Run("another user's token opens nothing of it", func(t *testing.T) {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				require.Equal(t, 404, f.do(request{method: method, query: n.query(), token: f.user("v")}).status)
			}
		})
		require.NoError(t, ws.Close())
		f.waitFor(t, "closed "+n.ConnectionID)
		t.Run("an ended id is dead", func(t *testing.T) {
			_, res := f.tryDial(n.query(), header)
			require.Equal(t, 404, res.status)
		})
	})

	t.Run("upgrades that are none", func(t *testing.T) {
		for name, c := range map[string]struct {
			header map[string]string
			status int
		}{
			"version": {map[string]string{"Sec-Websocket-Version": "8"}, 426},
			"key":     {map[string]string{"Sec-Websocket-Key": "short"}, 400},
			"no key":  {map[string]string{"Sec-Websocket-Key": ""}, 400},
		} {
			h := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
			for k, v := range c.header {
				h[k] = v
			}
			n := f.negotiate(token)
			res := f.do(request{method: "GET", query: n.query(), token: token, header: h})
			require.Equal(t, c.status, res.status, name)
			require.Equal(t, "13", res.header.Get("Sec-Websocket-Version"), name)
			ws, _ := f.tryDial(n.query(), header)
			require.NotNil(t, ws, "the id is not used up")
			require.NoError(t, ws.Close())
		}
	})

	t.Run("WebSocket only by GET", func(t *testing.T) {
		require.Equal(t, 405, f.do(request{method: "PUT", token: token}).status)
		require.Equal(t, 405, f.do(request{method: "HEAD", token: token}).status)
	})
}

func TestWebSocketEnds(t *testing.T) {
	f := newFixture(t)

	t.Run("C38 a Close record, then 1000", func(t *testing.T) {
		ws, id := f.open("u")
		f.live(id).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"})
		ws.want(`{"type":7,"error":"bye"}` + "\x1e")
		ws.wantClose(websocket.CloseNormalClosure)
		f.waitFor(t, "closed "+id+" ClosedByAppServer: bye")
	})

	t.Run("C38 1011 for a fault of ours", func(t *testing.T) {
		ws, id := f.open("u")
		f.live(id).Close(transport.InternalCause)
		ws.want(`{"type":7,"error":"Internal server transient error.","allowReconnect":true}` + "\x1e")
		ws.wantClose(websocket.CloseInternalServerErr)
	})

	t.Run("C39 the client's Close frame is noticed and answered", func(t *testing.T) {
		for _, payload := range [][]byte{nil, websocket.FormatCloseMessage(1000, ""), websocket.FormatCloseMessage(1000, "HubConnection stopped."), websocket.FormatCloseMessage(4000, "")} {
			ws, id := f.open("u")
			require.NoError(t, ws.WriteControl(websocket.CloseMessage, payload, deadline()))
			ws.wantClose(websocket.CloseNormalClosure)
			f.waitFor(t, "closed "+id+" Normal")
			require.NotContains(t, f.events(2)[len(f.events(2))-1], "Normal:", "an ordinary end has no error")
		}
	})

	t.Run("C39 an end without a Close frame is noticed", func(t *testing.T) {
		for name, end := range map[string]func(*net.TCPConn) error{
			"FIN":   func(c *net.TCPConn) error { return c.Close() },
			"reset": func(c *net.TCPConn) error { _ = c.SetLinger(0); return c.Close() },
		} {
			t.Run(name, func(t *testing.T) {
				ws, id := f.open("u")
				require.NoError(t, end(ws.NetConn().(*net.TCPConn)))
				f.waitFor(t, "closed "+id+" Normal: "+transport.LostText)
				_, ended := f.gw.Lookup(id)
				require.True(t, ended)
			})
		}
	})

	t.Run("C39 an end in the middle of a message is noticed", func(t *testing.T) {
		ws, id := f.open("u")
		_, err := ws.NetConn().Write([]byte{0x81, 0xfe, 0x01, 0x00, 1, 2, 3, 4, 5, 6})
		require.NoError(t, err)
		require.NoError(t, ws.NetConn().Close())
		f.waitFor(t, "closed "+id+" Normal: "+transport.LostText)
	})

	t.Run("broken frames get 1002", func(t *testing.T) {
		for name, frame := range map[string][]byte{
			"not masked":       {0x81, 0x02, 'h', 'i'},
			"reserved bit":     {0xc1, 0x80, 0, 0, 0, 0},
			"unknown opcode":   {0x83, 0x80, 0, 0, 0, 0},
			"long ping":        append([]byte{0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0}, make([]byte, 126)...),
			"fragmented close": {0x08, 0x80, 0, 0, 0, 0},
			"bad close code":   {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed},
		} {
			t.Run(name, func(t *testing.T) {
				ws, id := f.open("u")
				_, err := ws.NetConn().Write(frame)
				require.NoError(t, err)
				ws.wantClose(websocket.CloseProtocolError)
				f.waitFor(t, "closed "+id+" BadRequest")
			})
		}
	})

	t.Run("text that is not UTF-8 gets 1007", func(t *testing.T) {
		for name, frames := range map[string][]byte{
			"at once":                    gatewaytest.ClientFrame(gatewaytest.FrameFinal|gatewaytest.FrameText, "\xff"),
			"half a character, the end":  append(gatewaytest.ClientFrame(gatewaytest.FrameText, "\xe2\x82"), gatewaytest.ClientFrame(gatewaytest.FrameFinal|gatewaytest.FrameContinuation, "")...),
			"a surrogate behind a ping":  append(gatewaytest.ClientFrame(gatewaytest.FrameFinal|gatewaytest.FramePing, "p"), gatewaytest.ClientFrame(gatewaytest.FrameFinal|gatewaytest.FrameText, "\xed\xa0\x80")...),
			"a reason in a Close frame":  gatewaytest.ClientFrame(gatewaytest.FrameFinal|gatewaytest.FrameClose, "\x03\xe8\xff"),
			"ping between the fragments": bytes.Join([][]byte{gatewaytest.ClientFrame(gatewaytest.FrameText, "\xf0\x9f"), gatewaytest.ClientFrame(gatewaytest.FrameFinal|gatewaytest.FramePing, "p"), gatewaytest.ClientFrame(gatewaytest.FrameFinal|gatewaytest.FrameContinuation, "x")}, nil),
		} {
			t.Run(name, func(t *testing.T) {
				ws, id := f.open("u")
				_, err := ws.NetConn().Write(frames)
				require.NoError(t, err)
				ws.wantClose(websocket.CloseInvalidFramePayloadData)
				f.waitFor(t, "closed "+id+" BadRequest")
			})
		}
	})

	t.Run("C64 a refused handshake is an error record, then 1000", func(t *testing.T) {
		token := f.user("u")
		for handshake, want := range map[string]string{
			`{"protocol":"xml","version":1}`:   `{"error":"The protocol 'xml' is not supported."}`,
			`{"protocol":"json","version":99}`: `{"error":"The server does not support version 99 of the 'json' protocol."}`,
		} {
			ws := f.dial("hub=chat&access_token=" + token)
			ws.say(handshake + "\x1e")
			ws.want(want + "\x1e")
			ws.wantClose(websocket.CloseNormalClosure)
		}
	})

	t.Run("C81 input that breaks the hub protocol ends with a Close record", func(t *testing.T) {
		ws, id := f.open("u")
		ws.say("not json\x1e")
		_, record, err := ws.ReadMessage()
		require.NoError(t, err)
		require.Contains(t, string(record), `{"type":7,"error":"Connection closed with an error.`)
		require.Contains(t, string(record), `"allowReconnect":true`)
		// What follows has no effect and does not reset the connection.
		ws.say(`{"type":1,"target":"toolate","arguments":[]}` + "\x1e")
		ws.wantClose(websocket.CloseNormalClosure)
		f.waitFor(t, "closed "+id+" BadRequest")
		require.NotContains(t, strings.Join(f.backend.Events(), "\n"), "toolate")
	})
}

func TestWebSocketFlow(t *testing.T) {
	t.Run("C41 D12 D16 a socket that was full gets everything, joined and in order", func(t *testing.T) {
		f := newFixture(t, func(f *fixture, _ *Options) { f.core.OutboxBytes = 64 << 20 })
		ws, id := f.open("u")
		conn := f.live(id)
		const records = 20_000
		padding := strings.Repeat("x", 500)
		for i := range records {
			conn.Send([]byte(fmt.Sprintf(`{"type":1,"n":%d,"p":"%s"}`+"\x1e", i, padding)))
		}
		require.NoError(t, ws.SetReadDeadline(deadline()))
		next, messages, largest := 0, 0, 0
		for next < records {
			opcode, message, err := ws.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, websocket.TextMessage, opcode)
			require.Equal(t, byte(hubprotocol.RecordSeparator), message[len(message)-1], "a message ends with a record")
			for record := range bytes.SplitSeq(message[:len(message)-1], []byte{hubprotocol.RecordSeparator}) {
				require.Equal(t, fmt.Sprintf(`{"type":1,"n":%d,"p":"%s"}`, next, padding), string(record))
				next++
			}
			messages++
			largest = max(largest, len(message))
		}
		require.LessOrEqual(t, largest, (64 << 10))
		require.Less(t, messages, records, "what waits is joined")
		require.NoError(t, ws.Close())
	})

	t.Run("many messages in one segment are all read before the reader parks", func(t *testing.T) {
		f := newFixture(t)
		ws, _ := f.open("u")
		var raw []byte
		for i := range 500 {
			record := fmt.Sprintf(`{"type":1,"target":"m%d.","arguments":[]}`+"\x1e", i)
			raw = append(raw, gatewaytest.FrameFinal|gatewaytest.FrameText, 0x80|byte(len(record)), 0, 0, 0, 0)
			raw = append(raw, record...)
		}
		// Cut so that frames and headers lie across what is read at once.
		for _, size := range []int{1, 31, 1, 5000, 8192, 3} {
			_, err := ws.NetConn().Write(raw[:size])
			require.NoError(t, err)
			raw = raw[size:]
		}
		_, err := ws.NetConn().Write(raw)
		require.NoError(t, err)
		f.waitFor(t, "m499.")
		require.Len(t, f.backend.Events(), 501)
		require.NoError(t, ws.Close())
	})

	t.Run("bytes that came with the upgrade request are not lost", func(t *testing.T) {
		f := newFixture(t)
		conn, err := f.network.Dial(t.Context(), "", "")
		require.NoError(t, err)
		defer conn.Close()
		var raw bytes.Buffer
		fmt.Fprintf(&raw, "GET /client/?hub=chat&access_token=%s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", f.user("u"))
		raw.Write(append([]byte{gatewaytest.FrameFinal | gatewaytest.FrameText, 0x80 | byte(len(jsonHandshake)), 0, 0, 0, 0}, jsonHandshake...))
		_, err = conn.Write(raw.Bytes())
		require.NoError(t, err)
		r := bufio.NewReader(conn)
		res, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		require.Equal(t, 101, res.StatusCode)
		require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", res.Header.Get("Sec-WebSocket-Accept"))
		answer := make([]byte, 5)
		_, err = io.ReadFull(r, answer)
		require.NoError(t, err)
		require.Equal(t, "\x81\x03{}\x1e", string(answer))
	})
}
