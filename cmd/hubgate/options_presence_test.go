package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// Effects on those who ask who is connected, on callers of REST, and of rules about rates.
var presenceEffects = map[string]func(*testing.T) effect{
	"limits-rules": func(*testing.T) effect {
		return effect{unusual: "user connects 1/h", before: "connected", after: "429", see: func(t *testing.T, p *program) string {
			p.connect("chat", "ann")
			return p.enter("chat", auth.ClientTokenSpec{UserID: "ann"})
		}}
	},
	"rest-idempotency-age": func(*testing.T) effect {
		return effect{unusual: "0", before: "202 sent, 202 repeated", after: "400 sent", see: func(t *testing.T, p *program) string {
			did := func() string {
				status, replayed := p.sendOnce("/api/hubs/chat/:send", "a-key", text(1))
				if replayed {
					return fmt.Sprint(status, " repeated")
				}
				return fmt.Sprint(status, " sent")
			}
			first := did()
			if first != "202 sent" {
				return first
			}
			return first + ", " + did()
		}}
	},
	"presence-events": func(*testing.T) effect {
		return effect{unusual: "true", before: "404", after: "200", see: func(t *testing.T, p *program) string {
			resp, _ := p.followClients(t, "")
			return fmt.Sprint(resp.StatusCode)
		}}
	},
	"presence-access": func(*testing.T) effect {
		return effect{unusual: "claim", before: "200", after: "403", see: func(t *testing.T, p *program) string {
			url := p.URL + "/hubgate/v1/hubs/chat/users"
			token, err := auth.SignREST(auth.EmulatorKey, url, time.Minute)
			require.NoError(t, err)
			return p.status(http.MethodGet, url, "", "Authorization", "Bearer "+token)
		}}
	},
}

// Effects on what can be found out later.
var traceEffects = map[string]func(*testing.T) effect{
	"trace-recorder": func(*testing.T) effect {
		return effect{unusual: "0", before: "off: false", after: "off: true", see: func(t *testing.T, p *program) string {
			return fmt.Sprint("off: ", p.trace(0, "").Nodes[0].Off)
		}}
	},
	"trace-live": func(*testing.T) effect {
		return effect{unusual: "true", before: "403", after: "101", see: func(t *testing.T, p *program) string {
			_, status := p.lookOn(t, "/livetrace")
			return fmt.Sprint(status)
		}}
	},
	"trace-logs": func(t *testing.T) effect {
		path := filepath.Join(t.TempDir(), "logs")
		return effect{unusual: path, before: "no file", after: "a file", see: func(t *testing.T, p *program) string {
			if _, err := os.Stat(path); err != nil {
				return "no file"
			}
			return "a file"
		}}
	},
	"trace-log-bytes": func(t *testing.T) effect {
		path := filepath.Join(t.TempDir(), "logs")
		return effect{unusual: "500B", with: []string{"--trace-logs=" + path}, before: "one file", after: "several", see: func(t *testing.T, p *program) string {
			for range 5 {
				p.sendTo(":send", "hello")
			}
			p.connect("chat", "ann").leave()
			logged(t, path, "ConnectionEnded")
			if _, err := os.Stat(path + ".1"); err != nil {
				return "one file"
			}
			return "several"
		}}
	},
	"trace-payloads": func(*testing.T) effect {
		return effect{unusual: "true", before: "", after: `["hello"]`, see: func(t *testing.T, p *program) string {
			p.sendTo(":send", "hello")
			return p.trace(1, "kind=send").Events[0].Payload
		}}
	},
}
