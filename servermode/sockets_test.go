package servermode_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/clientws"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// A client and a hub server, both over sockets, with what really stands in a
// request: the whole way of claims, headers and query.
func TestOverSockets(t *testing.T) {
	w, s := overTCP(t)
	sealer, err := auth.NewSealer(auth.NewSealerKey())
	require.NoError(t, err)
	clients := clientws.New(clientws.Options{
		Gateway: w.gw, Sealer: sealer, KeepHeaders: func(hub string) bool { return hub == "chat" },
		Verifier: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{key} }}),
	})
	server := httptest.NewServer(clients)
	defer server.Close()
	token := sign(t, jwt.MapClaims{"aud": "http://localhost/client/?hub=chat", "exp": time.Now().Add(time.Hour).Unix(),
		"asrs.s.uid": "ann", "role": []string{"a", "b"}, "asrs.s.dc": "true"})
	header := http.Header{"User-Agent": {"test"}, "Cookie": {"secret=1"}, "Asrs-Instance-Id": {"forged"}, "X-Forwarded-For": {"6.6.6.6"},
		"Accept-Language": {"de", "en"}}
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/client/?hub=chat&asrs.op=%2Fchat&x=1&access_token="+token, header)
	require.NoError(t, err)
	defer ws.Close()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	_, answer, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "{}\x1e", string(answer))

	open := s.next(sp.TypeOpenConnection).(*sp.OpenConnection)
	require.Equal(t, "?hub=chat&asrs.op=%2Fchat&x=1", open.Query)
	for name, want := range map[string]string{"Asrs-Instance-Id": "node-a", "X-Forwarded-For": "127.0.0.1", "User-Agent": "test",
		"Accept-Language": "de", "Asrs-Is-Diagnostic-Client": "true"} {
		got, _ := sp.HeaderValue(open.Headers, name)
		require.Equal(t, want, got, name)
	}
	for _, h := range open.Headers {
		require.NotContains(t, []string{"Cookie", "Authorization", "Upgrade", "Sec-Websocket-Key"}, h.Name)
	}
	var types []string
	for _, c := range open.Claims {
		types = append(types, c.Type[strings.LastIndex(c.Type, "/")+1:]+"="+c.Value)
	}
	require.ElementsMatch(t, []string{"asrs.s.uid=ann", "role=a", "role=b", "role=a", "role=b", "asrs.s.dc=true"}, types)

	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(call("1", "x"))))
	s.await(func() bool { return len(s.got) >= 2 })
	s.data(open.ConnectionID, completion("1", "5"))
	_, answer, err = ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, completion("1", "5"), string(answer))
	require.NoError(t, s.ws.Close())
	_, answer, err = ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, `{"type":7,"error":"The connection to the hub server was lost.","allowReconnect":true}`+"\x1e", string(answer))
}

// A message costs the same number of allocations however many clients get it.
func TestNoAllocationPerReceiver(t *testing.T) {
	measure := func(clients int) float64 {
		w, s := overTCP(t)
		got := &tally{done: make(chan struct{}, 1)}
		got.expect(clients)
		for i := range clients {
			attach(t, w, "c"+string(rune('a'+i/100))+string(rune('0'+i%100)), got)
		}
		got.wait()
		message := (&sp.BroadcastData{Payloads: message("news")}).Append(nil)
		return testing.AllocsPerRun(50, func() {
			got.expect(clients)
			s.write(message)
			got.wait()
		})
	}
	one, many := measure(1), measure(1000)
	require.Less(t, many-one, 100.0, "%v for one, %v for a thousand", one, many)
}
