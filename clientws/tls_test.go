package clientws

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/internal/transport"
)

func TestTLS(t *testing.T) {
	for name, wrap := range map[string]bool{"over a Listener": true, "over a foreign listener": false} {
		t.Run(name, func(t *testing.T) {
			tlsServer := httptest.NewUnstartedServer(nil)
			tlsServer.StartTLS()
			config := tlsServer.TLS.Clone()
			roots := tlsServer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			tlsServer.Close()

			f := newFixture(t)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var under net.Listener = l
			if wrap {
				under = transport.Listener(l, func() time.Duration { return 10 * time.Second })
			}
			config.NextProtos = []string{"http/1.1"}
			server := &http.Server{Handler: f.h}
			served := make(chan error, 1)
			go func() { served <- server.Serve(tls.NewListener(under, config)) }()
			defer func() {
				_ = server.Close()
				<-served
			}()

			dialer := f.dialer()
			dialer.NetDialContext = gatewaytest.Loopback{Listener: l}.Dial
			dialer.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "example.com"}
			token := f.token(auth.ClientTokenSpec{UserID: "u"})
			conn, _, err := dialer.Dial("wss://example.com/client/?hub=chat&access_token="+token, nil)
			require.NoError(t, err)
			defer conn.Close()
			ws := &wsClient{conn, t}
			ws.say(jsonHandshake)
			ws.want("{}\x1e")
			for range 100 {
				f.send(strings.Repeat("x", 5000))
			}
			for got := 0; got < 100; {
				_, message, err := ws.ReadMessage()
				require.NoError(t, err)
				got += strings.Count(string(message), "\x1e")
			}
			ws.say(`{"type":7}` + "\x1e")
			ws.want(`{"type":7}` + "\x1e")
			ws.wantClose(1000)
			f.waitFor(t, "Normal")
		})
	}
}
