package servermode_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestTokens(t *testing.T) {
	claims := func(change jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{"aud": "http://localhost/server/?hub=chat", "nameid": "s1", "exp": time.Now().Add(time.Hour).Unix()}
		maps.Copy(c, change)
		return c
	}
	signed := func(method jwt.SigningMethod, key string, c jwt.MapClaims) string {
		j := jwt.NewWithClaims(method, c)
		j.Header["kid"] = "-1234567"
		token, err := j.SignedString([]byte(key))
		require.NoError(t, err)
		return token
	}
	with := func(name string, value any) func() string {
		return func() string { return signed(jwt.SigningMethodHS256, key.Reveal(), claims(jwt.MapClaims{name: value})) }
	}
	for _, c := range []struct {
		name   string
		token  func() string
		status int
	}{
		{"H1 H3 good token", with("x", "y"), 101},
		{"H2 HS512", func() string { return signed(jwt.SigningMethodHS512, key.Reveal(), claims(nil)) }, 101},
		{"H4 random kid, the other key", func() string { return signed(jwt.SigningMethodHS256, "old", claims(nil)) }, 101},
		{"H5 audience without a port", with("aud", "http://localhost/server/?hub=chat"), 101},
		{"H6 audience of another host", with("aud", "https://public.example/server/?hub=CHAT"), 101},
		{"H8 with an issuer", with("iss", "azure-signalr"), 101},
		{"H7 another hub", with("aud", "http://localhost/server/?hub=other"), 401},
		{"H7 a client's token", with("aud", "http://localhost/client/?hub=chat"), 401},
		{"H7 expired", with("exp", 1), 401},
		{"H7 wrong key", func() string { return signed(jwt.SigningMethodHS256, "wrong", claims(nil)) }, 401},
		{"H7 no token", func() string { return "" }, 401},
		{"H9 another namespace", with("aud", "http://localhost/server/?hub=app_chat"), 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				ws, response, err := w.dial(dial{}, c.token())
				require.NotNil(t, response, "%v", err)
				require.Equal(t, c.status, response.StatusCode)
				require.Empty(t, response.Header.Get("Sec-Websocket-Protocol"))
				if ws != nil {
					_ = ws.Close()
				}
				synctest.Wait()
				require.NotContains(t, w.log.String(), "eyJhbGci", "no token reaches the log")
			})
		})
	}
}

// A server that signs in with Microsoft Entra is told what it needs instead.
func TestAnEntraTokenIsRefusedInWords(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		claims := jwt.MapClaims{"aud": "https://signalr.azure.com", "exp": time.Now().Add(time.Hour).Unix()}
		token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
		require.NoError(t, err)
		_, response, err := w.dial(dial{}, token)
		require.Error(t, err)
		require.Equal(t, 401, response.StatusCode)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Contains(t, string(text), "Tokens of Microsoft Entra and other issuers need the setting oidc.issuers")
		require.Contains(t, response.Header.Get("WWW-Authenticate"), "Entra")
	})
}

func TestRequestsThatAreNoServerConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client := http.Client{Transport: &http.Transport{DialContext: w.listen.dial, DisableKeepAlives: true}}
		for path, status := range map[string]int{
			"/server/?hub=chat": 426, "/server?hub=chat": 426, "/server/": 400, "/server/?hub=a&hub=b": 400, "/server/?hub=a%20b": 400,
		} {
			r, err := http.NewRequestWithContext(w.ctx(), http.MethodGet, "http://gateway"+path, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+serverToken(t, dial{}))
			response, err := client.Do(r)
			require.NoError(t, err)
			require.Equal(t, status, response.StatusCode, path)
			require.NoError(t, response.Body.Close())
		}
		require.EqualValues(t, 5, w.Stats().Refused[servermode.RefusedRequest])
	})
}

func TestHandshake(t *testing.T) {
	forms := map[string]string{
		"H18 H23 two elements": "\x03\x92\x01\x01", "H18 H23 four elements": "\x05\x94\x01\x01\x00\xa0", "H18 H23 five elements": "\x06\x95\x01\x01\x00\xa0\x00",
		"H18 H23 six elements": "\x07\x96\x01\x01\x00\xa0\x00\x80", "H18 H23 seven elements": "\x08\x97\x01\x01\x00\xa0\x00\x80\xc3",
		"H18 H19 nine elements": "\x0a\x99\x01\x01\x00\xa0\x00\x80\xc3\xc0\xc0",
	}
	for name, raw := range forms {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(dial{raw: []byte(raw)}) // it wants the answer at once
				require.NoError(t, s.end())
			})
		})
	}
	refusals := []struct {
		name string
		dial dial
		mode modes.Mode
		want servermode.Refusal
	}{
		{"H82 Serverless refuses Default", dial{}, modes.Serverless, servermode.RefusedMode},
		{"H82 Serverless refuses OnDemand", dial{kind: sp.KindOnDemand}, modes.Serverless, servermode.RefusedMode},
		{"H78 another target", dial{kind: sp.KindOnDemand, query: "&target=node-b"}, modes.Default, servermode.RefusedTarget},
		{"version 2", dial{raw: (&sp.HandshakeRequest{Version: 2}).Append(nil)}, modes.Default, servermode.RefusedVersion},
		{"unknown kind", dial{kind: 7}, modes.Default, servermode.RefusedKind},
		{"no handshake request", dial{raw: (&sp.Ping{}).Append(nil)}, modes.Default, servermode.RefusedHandshake},
		{"garbage", dial{raw: []byte("\x05hello")}, modes.Default, servermode.RefusedHandshake},
		{"nothing", dial{raw: []byte{}}, modes.Default, servermode.RefusedTimeout},
	}
	for _, c := range refusals {
		t.Run("H23 H29 "+c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.mode = c.mode
				if c.want == servermode.RefusedTimeout {
					time.AfterFunc(16*time.Second, func() {})
				}
				ws, _, err := w.dial(c.dial, serverToken(t, c.dial))
				require.NoError(t, err)
				defer ws.Close()
				raw := c.dial.raw
				if raw == nil {
					raw = (&sp.HandshakeRequest{Version: 1, Kind: c.dial.kind}).Append(nil)
				}
				require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, raw))
				_, answer, err := ws.ReadMessage()
				require.NoError(t, err)
				body, _, err := sp.Cut(answer, 1<<10)
				require.NoError(t, err)
				m, err := sp.Parse(body)
				require.NoError(t, err)
				require.NotEmpty(t, m.(*sp.HandshakeResponse).Error)
				_, _, err = ws.ReadMessage()
				require.True(t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "%v", err)
				require.EqualValues(t, 1, w.Stats().Refused[c.want])
			})
		})
	}
	t.Run("H81 H83 Weak is accepted in Serverless mode", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.mode = modes.Serverless
			s := w.server(dial{kind: sp.KindWeak})
			c := w.connect("1", "")
			s.send(&sp.BroadcastData{Payloads: payload(`{"type":1,"target":"x","arguments":[]}`)})
			synctest.Wait()
			c.Want(w.ctx(), `"target":"x"`) // H83: no hub server is there
			require.Empty(t, s.take(sp.TypeOpenConnection))
		})
	})
	t.Run("H78 this node as target", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) { w.server(dial{kind: sp.KindOnDemand, query: "&target=node-a"}) })
	})
	t.Run("too many connections", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.MaxConnections = 1
			w.server(dial{})
			w.server(dial{refused: true})
		})
	})
}

func TestFraming(t *testing.T) {
	broadcast := func(text string) []byte {
		return (&sp.BroadcastData{Payloads: payload(`{"type":1,"target":"` + text + `","arguments":[]}`)}).Append(nil)
	}
	t.Run("H14 two messages in one WebSocket message", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			s.write(append(broadcast("one"), broadcast("two")...))
			synctest.Wait()
			require.Equal(t, 1, count(c, "one"))
			require.Equal(t, 1, count(c, "two"))
		})
	})
	t.Run("H15 single bytes", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			for _, b := range broadcast("one") {
				s.write([]byte{b})
			}
			synctest.Wait()
			require.Equal(t, 1, count(c, "one"))
		})
	})
	t.Run("H16 continuation frames", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			message, err := s.ws.NextWriter(websocket.BinaryMessage)
			require.NoError(t, err)
			big := broadcast(strings.Repeat("x", 20_000)) // over the library's buffer of 4 KB
			for _, part := range [][]byte{big[:1], big[1:9_000], big[9_000:]} {
				_, err = message.Write(part)
				require.NoError(t, err)
			}
			require.NoError(t, message.Close())
			synctest.Wait()
			require.Equal(t, 1, count(c, "xxx"))
		})
	})
	for _, size := range []int{100, 10_000, 1 << 20, 5 << 20} {
		t.Run(fmt.Sprintf("H17 H49 %d bytes", size), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.core.OutboxBytes = 16 << 20
				s := w.server(dial{})
				c := w.connect("1", "")
				text := strings.Repeat("x", size)
				s.write(broadcast(text))
				s.data("1", call("", text))
				require.NoError(t, c.Conn.Feed([]byte(call("", text))))
				synctest.Wait()
				require.Equal(t, 2, count(c, text))
				require.Contains(t, s.payloads("1"), text)
			})
		})
	}
	t.Run("H19 unknown type, trailing elements, unknown extension keys", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			s.write([]byte("\x03\x92\x7f\x01")) // [127, 1]
			strange := []byte("\x96\x0a\x90\x81\xa4json\xc4")
			record := call("", "strange")
			strange = append(append(strange, byte(len(record))), record...)
			strange = append(strange, "\x82\x63\x91\x01\x01\x05\xc0\xc0"...) // {99: [1], 1: 5}, nil, nil
			s.write(sp.AppendFrame(nil, strange))
			s.write(broadcast("after"))
			synctest.Wait()
			require.NoError(t, s.end())
			require.Equal(t, 1, count(c, "strange"))
			require.Equal(t, 1, count(c, "after"))
			require.EqualValues(t, 1, w.Stats().Lost[servermode.LossUnknownType])
		})
	})
}

func TestKeepAlive(t *testing.T) {
	t.Run("H24 H25 bytes at least every 5 s for 60 s", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			var last = time.Now()
			var longest time.Duration
			s.setOn(func(sp.Message) {
				longest = max(longest, time.Since(last))
				last = time.Now()
				s.send(sp.ClientCountPing(3, 2)) // H25: as the SDK answers
			})
			time.Sleep(60 * time.Second)
			synctest.Wait()
			s.setOn(nil)
			require.NoError(t, s.end())
			require.LessOrEqual(t, longest, 5*time.Second)
			require.Less(t, len(s.take(sp.TypePing)), 20, "H25 no echo storm")
		})
	})
	t.Run("H28 H46 a silent hub server is given up, and its clients", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			silent, other := w.server(dial{}), w.server(dial{id: "s2"})
			other.setOn(func(sp.Message) { other.send(sp.ClientCountPing(0, 0)) })
			a, b := w.connect("1", ""), w.connect("2", "")
			time.Sleep(19 * time.Second)
			require.NoError(t, silent.end())
			time.Sleep(3 * time.Second)
			synctest.Wait()
			require.Error(t, silent.end())
			require.NoError(t, other.end())
			gone, stays := a, b
			if len(other.take(sp.TypeOpenConnection)) > 0 && strings.Contains(fmt.Sprint(other.clients()), "1") {
				gone, stays = b, a
			}
			cause := gone.WantEnd(w.ctx())
			require.True(t, cause.AllowReconnect)
			require.EqualValues(t, "ServerConnectionClosed", cause.Reason)
			require.Nil(t, stays.Conn.CloseRequested())
			require.EqualValues(t, 1, w.Stats().Ended[servermode.EndSilent])
		})
	})
}

// clients are the ids that data or an OpenConnection has come for.
func (s *hubServer) clients() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for id := range s.answered {
		ids = append(ids, id)
	}
	return ids
}

func TestPings(t *testing.T) {
	t.Run("H26 H27 H80 questions of the hub server", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{id: "b"})
			w.server(dial{id: "a"})
			time.Sleep(2 * time.Second)
			s.take(sp.TypePing)
			s.send(sp.StatusQuestionPing())
			synctest.Wait()
			active, ok := s.next(sp.TypePing).(*sp.Ping).Status()
			require.True(t, ok)
			require.False(t, active, "H26 no clients")
			w.connect("1", "")
			s.send(sp.StatusQuestionPing())
			synctest.Wait()
			active, _ = s.next(sp.TypePing).(*sp.Ping).Status()
			require.True(t, active, "H26 clients")

			var before int64
			for range 3 {
				s.send(sp.ServersQuestionPing())
				synctest.Wait()
				ticks, ids, ok := s.next(sp.TypePing).(*sp.Ping).Servers()
				require.True(t, ok)
				require.Equal(t, []string{"a", "b"}, ids, "H27 sorted ids")
				require.Greater(t, ticks, before, "H27 growing ticks")
				before = ticks
			}
			s.send(&sp.Ping{Values: []string{"echo", "x", "y", "z"}})
			synctest.Wait()
			require.Equal(t, []string{"echo", "x", "y", "z"}, s.next(sp.TypePing).(*sp.Ping).Values, "H80 unchanged")
		})
	})
}

func TestBadInput(t *testing.T) {
	cases := []struct {
		name string
		send func(s *hubServer)
		want servermode.End // "" if it goes on
		lost servermode.Loss
	}{
		{"garbage behind a good length", func(s *hubServer) { s.write([]byte("\x05hello")) }, "", servermode.LossMalformedMessage},
		{"a wrong type of element", func(s *hubServer) { s.write([]byte("\x05\x93\x06\x01\xc0\x80")[:5]); s.write([]byte("\x80")) }, "", servermode.LossMalformedMessage},
		{"an oversized length", func(s *hubServer) { s.write([]byte("\xff\xff\xff\x7f")) }, servermode.EndTooLarge, ""},
		{"an illegal length", func(s *hubServer) { s.write([]byte("\xff\xff\xff\xff\xff\x01")) }, servermode.EndTooLarge, ""},
		{"a text message", func(s *hubServer) { _ = s.ws.WriteMessage(websocket.TextMessage, []byte("x")) }, servermode.EndTextFrame, ""},
		{"data for an unknown connection", func(s *hubServer) { s.data("nobody", "x") }, "", servermode.LossUnknownConnection},
		{"an ack", func(s *hubServer) { s.send(&sp.Ack{AckID: 1, Status: 1}) }, "", servermode.LossUnexpected},
		{"a second handshake", func(s *hubServer) { s.send(&sp.HandshakeRequest{Version: 1}) }, "", servermode.LossUnexpected},
		{"a broadcast without a payload", func(s *hubServer) { s.send(&sp.BroadcastData{}) }, "", servermode.LossNoPayload},
		{"a filter", func(s *hubServer) { s.send(&sp.BroadcastData{Payloads: payload("{}"), Filter: "x"}) }, "", servermode.LossFilter},
		{"a malformed record", func(s *hubServer) { s.data("1", "{}\x1e") }, "", servermode.LossMalformedRecord},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(dial{})
				c1 := w.connect("1", "")
				other := w.server(dial{id: "s2"})
				c2 := w.connect("2", "")
				for range 3 {
					c.send(s)
				}
				synctest.Wait()
				stats := w.Stats()
				if c.want != "" {
					require.EqualValues(t, 1, stats.Ended[c.want], "%v", stats.Ended)
					c1.WantEnd(w.ctx())
				} else {
					require.NoError(t, s.end())
					require.NotZero(t, stats.Lost[c.lost], "%v", stats.Lost)
					s.data("1", call("", "still"))
					synctest.Wait()
					require.Equal(t, 1, count(c1, "still"))
				}
				require.LessOrEqual(t, strings.Count(w.log.String(), "not carried out"), 1, "one line for each kind")
				other.data("2", call("", "unharmed"))
				synctest.Wait()
				require.Equal(t, 1, count(c2, "unharmed"))
			})
		})
	}
}

func TestShutdown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		c := w.connect("1", "")
		ctx, cancel := context.WithTimeout(w.ctx(), 20*time.Second)
		defer cancel()
		require.NoError(t, w.gw.Drain(ctx))
		c.WantEnd(ctx)
		synctest.Wait()
		s.next(sp.TypeCloseConnection)
		require.NoError(t, w.Backend.Close(ctx))
		synctest.Wait()
		require.True(t, websocket.IsCloseError(s.end(), websocket.CloseGoingAway), "%v", s.end())
		w.server(dial{refused: true})
	})
}

// A hub server that has the answer to its handshake is there for the next client.
func TestHandshakeIsAnsweredWhenClientsCanCome(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.lines.pause = time.Second // what is done between the answer and the table takes long
		ws, _, err := w.dial(dial{}, serverToken(t, dial{}))
		require.NoError(t, err)
		s := &hubServer{t: t, ws: ws, answered: make(map[string]bool), changed: make(chan struct{})}
		s.wg.Go(s.read)
		t.Cleanup(func() { _ = ws.Close(); s.wg.Wait() })
		s.write((&sp.HandshakeRequest{Version: 1}).Append(nil))
		synctest.Wait()
		require.Empty(t, s.take(sp.TypeHandshakeResponse))
		time.Sleep(2 * w.lines.pause)
		synctest.Wait()
		s.next(sp.TypeHandshakeResponse)
		ann := w.connect("a", "ann")
		require.Contains(t, strings.Join(ann.Got(), ""), "{}")
	})
}

func TestARefusalWithoutAnErrorNamesNone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mode = modes.Serverless
		w.server(dial{refused: true})
		require.Contains(t, w.log.String(), "server connection refused")
		require.NotContains(t, w.log.String(), "err=")
	})
}
