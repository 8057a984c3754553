package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// patientPollers lets long-polling clients be without a poll.
var patientPollers = []string{"--clients-long-poll-disconnect", "1h"}

// Effects of the bounds of what is held.
var capacityEffects = map[string]func(*testing.T) effect{
	"limits-max-connections": func(*testing.T) effect {
		return effect{unusual: "1", before: "connected", after: "429", see: func(_ *testing.T, p *program) string {
			p.connect("chat", "ann")
			return p.enter("chat", auth.ClientTokenSpec{})
		}}
	},
	"limits-max-diagnostic-connections": func(*testing.T) effect {
		return effect{unusual: "1", before: "connected", after: "429", see: func(_ *testing.T, p *program) string {
			c := p.dial("chat", auth.ClientTokenSpec{Diagnostic: true})
			c.handshake()
			return p.enter("chat", auth.ClientTokenSpec{Diagnostic: true})
		}}
	},
	"limits-groups-per-connection": func(*testing.T) effect {
		return effect{unusual: "1", before: "200 200", after: "200 400", see: func(_ *testing.T, p *program) string {
			id := p.connect("chat", "ann").id
			return p.restStatus(http.MethodPut, "/api/hubs/chat/groups/a/connections/"+id, "") + " " +
				p.restStatus(http.MethodPut, "/api/hubs/chat/groups/b/connections/"+id, "")
		}}
	},
	"limits-groups-per-user": func(*testing.T) effect {
		return effect{unusual: "1", before: "a 200 b 200", after: "a 404 b 200", see: func(t *testing.T, p *program) string {
			for _, group := range []string{"a", "b"} {
				require.Equal(t, "200", p.restStatus(http.MethodPut, "/api/hubs/chat/users/ann/groups/"+group, ""))
			}
			return "a " + p.restStatus(http.MethodGet, "/api/hubs/chat/users/ann/groups/a", "") +
				" b " + p.restStatus(http.MethodGet, "/api/hubs/chat/users/ann/groups/b", "")
		}}
	},
	"limits-hubs": func(*testing.T) effect {
		return effect{unusual: "1", before: "connected", after: "429", see: func(_ *testing.T, p *program) string {
			p.connect("chat", "ann")
			return p.enter("news", auth.ClientTokenSpec{})
		}}
	},
	"limits-unfinished-bytes": func(*testing.T) effect {
		return effect{unusual: "2KiB", with: []string{"--limits-message-bytes", "1KiB"}, before: never, after: "Throttled", see: func(t *testing.T, p *program) string {
			for range 3 {
				require.NoError(t, p.connect("chat", "ann").conn.WriteMessage(websocket.TextMessage, []byte(invocation("1", 900))))
			}
			return p.whyClosed()
		}}
	},
	"limits-outbox-bytes": func(*testing.T) effect {
		return effect{unusual: "1KiB", with: patientPollers, before: never, after: "SlowClient", see: func(t *testing.T, p *program) string {
			p.poller("chat")
			require.Equal(t, "202", p.restStatus(http.MethodPost, "/api/hubs/chat/:send", text(10_000)))
			return p.whyClosed()
		}}
	},
	"limits-outbox-max-bytes": func(*testing.T) effect {
		return effect{unusual: "128KiB", with: append([]string{"--limits-outbox-bytes", "1KiB"}, patientPollers...), before: "2 messages", after: "closed", see: func(t *testing.T, p *program) string {
			p.poller("chat")
			for range 2 {
				require.Equal(t, "202", p.restStatus(http.MethodPost, "/api/hubs/chat/:send", text(80<<10)))
			}
			return eventually(t, func() string {
				switch {
				case p.metric(`hubgate_deliveries_dropped_total{hub="chat",reason="SlowClient"}`) > 0:
					return "closed"
				case p.metric(`hubgate_deliveries_queued{hub="chat"}`) == 2:
					return "2 messages"
				}
				return ""
			})
		}}
	},
	"limits-hub-queued-bytes": func(*testing.T) effect {
		return effect{unusual: "16KiB", with: append([]string{"--limits-outbox-bytes", "1KiB"}, patientPollers...), before: "202", after: "503", see: func(_ *testing.T, p *program) string {
			p.poller("chat")
			for range 20 {
				if status := p.restStatus(http.MethodPost, "/api/hubs/chat/:send", text(20<<10)); status != "202" {
					return status
				}
			}
			return "202"
		}}
	},
	"limits-queued-bytes": func(*testing.T) effect {
		return effect{unusual: "16KiB", with: append([]string{"--limits-outbox-bytes", "1KiB"}, patientPollers...), before: never, after: "SlowClient", see: func(t *testing.T, p *program) string {
			p.poller("chat")
			require.Equal(t, "202", p.restStatus(http.MethodPost, "/api/hubs/chat/:send", text(40<<10)))
			return p.whyClosed()
		}}
	},
}

// Effects of the bounds of single inputs.
var sizeEffects = map[string]func(*testing.T) effect{
	"limits-message-bytes": func(*testing.T) effect {
		return effect{unusual: "1KiB", before: "answered", after: "closed", see: func(_ *testing.T, p *program) string {
			c := p.connect("chat", "ann")
			c.send(invocation("1", 2000))
			if strings.Contains(c.next(), `"type":7`) {
				return "closed"
			}
			return "answered"
		}}
	},
	"limits-post-bytes": func(*testing.T) effect {
		return effect{unusual: "1KiB", before: "200", after: "413", see: func(_ *testing.T, p *program) string {
			return p.poller("chat").post(invocation("1", 2000))
		}}
	},
	"limits-handshake-bytes": func(*testing.T) effect {
		return effect{unusual: "64", before: "{}", after: "refused", see: func(_ *testing.T, p *program) string {
			c := p.dial("chat", auth.ClientTokenSpec{})
			c.send(`{"protocol":"json","version":1,"more":"` + strings.Repeat("x", 100) + `"}`)
			if _, data, err := c.conn.ReadMessage(); err == nil && string(data) == "{}\x1e" {
				return "{}"
			}
			return "refused"
		}}
	},
	"limits-rest-body-bytes": func(*testing.T) effect {
		return effect{unusual: "1KiB", before: "202", after: "413", see: func(_ *testing.T, p *program) string {
			return p.restStatus(http.MethodPost, "/api/hubs/chat/:send", text(2000))
		}}
	},
	"limits-token-bytes": func(*testing.T) effect {
		return effect{unusual: "64", before: "202", after: "413", see: func(_ *testing.T, p *program) string { return p.statusWithKey(auth.EmulatorKey) }}
	},
	"limits-uri-bytes": func(*testing.T) effect {
		return effect{unusual: "64KiB", before: "414", after: "200", see: func(_ *testing.T, p *program) string {
			return p.status(http.MethodGet, p.URL+"/?"+strings.Repeat("x", 60<<10), "")
		}}
	},
	"limits-header-bytes": func(*testing.T) effect {
		return effect{unusual: "128KiB", before: "431", after: "200", see: func(_ *testing.T, p *program) string {
			return p.status(http.MethodGet, p.URL+"/", "", "X-Large", strings.Repeat("x", 120<<10))
		}}
	},
}
