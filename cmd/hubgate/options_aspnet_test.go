package main

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// Effects of the clocks of ASP.NET SignalR. Those that only clients keep are seen in the answer to
// negotiate.
var aspnetEffects = map[string]func(*testing.T) effect{
	"aspnet-keep-alive": func(*testing.T) effect {
		return effect{usual: "13s", unusual: "1s", with: inDefaultMode, before: never, after: "{}", see: func(_ *testing.T, p *program) string {
			p.aspnetApplication("app")
			return p.aspnet("app", "ann").open().anything()
		}}
	},
	"aspnet-timeout": func(*testing.T) effect {
		return effect{unusual: "29s", with: inDefaultMode, before: "20", after: "29", see: negotiated("KeepAliveTimeout")}
	},
	"aspnet-disconnect-timeout": func(*testing.T) effect {
		with := append([]string{"--aspnet-keep-alive=1s", "--aspnet-timeout=2s"}, inDefaultMode...)
		return effect{usual: "24h", unusual: "3s", with: with, before: never, after: "closed", see: func(_ *testing.T, p *program) string {
			app := p.aspnetApplication("app")
			c := p.aspnet("app", "ann").open()
			c.conn.NetConn().Close()
			app.want("closed")
			return "closed"
		}}
	},
	"aspnet-connect-timeout": func(*testing.T) effect {
		return effect{unusual: "7s", with: inDefaultMode, before: "5", after: "7", see: negotiated("TransportConnectTimeout")}
	},
	"aspnet-long-poll-interval": func(*testing.T) effect {
		return effect{usual: "24h", unusual: "1s", with: inDefaultMode, before: never, after: "answered with nothing", see: func(t *testing.T, p *program) string {
			p.aspnetApplication("app")
			c := p.aspnet("app", "ann")
			status, answer := c.post("connect", "longPolling", nil)
			require.Equal(t, http.StatusOK, status)
			c.wantInit(answer)
			status, answer = c.post("poll", "longPolling", url.Values{"messageId": {c.cursor}})
			require.Equal(t, http.StatusOK, status)
			require.Regexp(t, `^ *\{"C":"[^"]+","M":\[\]\}$`, answer)
			return "answered with nothing"
		}}
	},
}

var inDefaultMode = []string{"--mode=default"}

// negotiated sees a member of the answer to negotiate.
func negotiated(member string) func(*testing.T, *program) string {
	return func(_ *testing.T, p *program) string { return fmt.Sprint(p.aspnet("app", "ann").negotiated[member]) }
}
