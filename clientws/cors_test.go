package clientws

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/transport"
)

func TestCORS(t *testing.T) {
	const page = "http://a.example"
	origins := []string{"*"}
	f := newFixture(t, func(_ *fixture, o *Options) { o.Origins = func() []string { return origins } })
	token := f.user("u")
	from := func(r request, origin string) response {
		r.header = map[string]string{"Origin": origin, "Accept": r.header["Accept"]}
		return f.do(r)
	}

	t.Run("C25 R88 a preflight needs no token and is answered on every path", func(t *testing.T) {
		for _, path := range []string{"/client", "/client/", "/client/negotiate", "/client/negotiate/"} {
			res := f.do(request{method: "OPTIONS", path: path, header: map[string]string{
				"Origin": page, "Access-Control-Request-Method": "DELETE",
				"Access-Control-Request-Headers": "authorization,x-requested-with,x-signalr-user-agent",
			}})
			require.Equal(t, 204, res.status, path)
			require.Equal(t, page, res.header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "true", res.header.Get("Access-Control-Allow-Credentials"))
			require.Equal(t, "authorization,x-requested-with,x-signalr-user-agent", res.header.Get("Access-Control-Allow-Headers"))
			require.Equal(t, "GET, POST, DELETE, OPTIONS", res.header.Get("Access-Control-Allow-Methods"))
			require.Contains(t, res.header.Values("Vary"), "Origin")
		}
	})

	t.Run("C26 C27 answers and refusals echo the origin, never *", func(t *testing.T) {
		n := f.negotiate(token)
		for name, res := range map[string]response{
			"negotiate":  from(request{method: "POST", path: "/client/negotiate", token: token}, page),
			"no token":   from(request{method: "POST", path: "/client/negotiate"}, page),
			"unknown id": from(request{method: "GET", query: "hub=chat&id=x", token: token}, page),
			"first poll": from(request{method: "GET", query: n.query(), token: token}, page),
			"no path":    from(request{method: "GET", path: "/client/x"}, page),
			"bad method": from(request{method: "PUT"}, page),
			"long URI":   from(request{method: "GET", query: "hub=chat&access_token=" + strings.Repeat("x", 13<<10)}, page),
			"big header": from(request{method: "POST", path: "/client/negotiate", token: strings.Repeat("x", 60<<10)}, page),
		} {
			require.Equal(t, []string{page}, res.header.Values("Access-Control-Allow-Origin"), name)
			require.Equal(t, "true", res.header.Get("Access-Control-Allow-Credentials"), name)
			require.Contains(t, res.header.Values("Vary"), "Origin", name)
		}
		require.Equal(t, 414, from(request{method: "GET", query: "x=" + strings.Repeat("x", 13<<10)}, page).status)
		require.Equal(t, 431, from(request{method: "GET", token: strings.Repeat("x", 17<<10)}, page).status)
		res := f.do(request{method: "POST", path: "/client/negotiate", token: token})
		require.Empty(t, res.header.Get("Access-Control-Allow-Origin"), "no origin, nothing to echo")
		require.Contains(t, res.header.Values("Vary"), "Origin")
	})

	t.Run("C26 event streams carry the headers too", func(t *testing.T) {
		s := f.openEvents(token, map[string]string{"Origin": page})
		require.Equal(t, page, s.header.Get("Access-Control-Allow-Origin"))
		s.close()
	})

	t.Run("C28 R88 an allow list refuses others", func(t *testing.T) {
		origins = []string{"http://b.example", "https://C.example/"}
		res := from(request{method: "POST", path: "/client/negotiate", token: token}, page)
		require.Empty(t, res.header.Get("Access-Control-Allow-Origin"))
		res = f.do(request{method: "OPTIONS", header: map[string]string{"Origin": page, "Access-Control-Request-Method": "POST"}})
		require.Empty(t, res.header.Get("Access-Control-Allow-Methods"))
		for _, good := range []string{"http://b.example", "https://c.example"} {
			res = from(request{method: "POST", path: "/client/negotiate", token: token}, good)
			require.Equal(t, good, res.header.Get("Access-Control-Allow-Origin"))
		}
		_, res = f.tryDial("hub=chat&access_token="+token, http.Header{"Origin": {page}})
		require.Equal(t, 403, res.status)
		require.EqualValues(t, 1, f.h.Refused()[transport.RefusedOrigin])
		ws, _ := f.tryDial("hub=chat&access_token="+token, http.Header{"Origin": {"http://b.example"}})
		require.NotNil(t, ws)
		require.NoError(t, ws.WriteControl(websocket.CloseMessage, nil, deadline()))
		ws.wantClose(websocket.CloseNormalClosure)
	})
}
