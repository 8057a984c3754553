package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

const ownKey = "an-access-key-of-ones-own-32-bytes-or-more"

// Effects of modes, keys, webhooks, pages and tokens.
var serviceEffects = map[string]func(*testing.T) effect{
	"mode": func(*testing.T) effect {
		return effect{unusual: "Default", see: seeMode, before: "serves without hub servers", after: "waits for hub servers"}
	},
	"hub-mode": func(*testing.T) effect {
		return effect{usual: "news=default", unusual: "news=classic;Chat=Default", see: seeMode, before: "serves without hub servers", after: "waits for hub servers"}
	},
	"hubs": func(*testing.T) effect {
		return effect{unusual: "{chat: {mode: default}}", see: seeMode, after: "waits for hub servers"}
	},
	"faults-hub": func(*testing.T) effect {
		return effect{usual: "news", unusual: "Chat,other", before: "403", after: "200", see: func(_ *testing.T, p *program) string {
			return p.status(http.MethodPost, p.Admin+"/api/faults", `{"hub":"chat","kind":"drop"}`, "Authorization", "Bearer "+p.manager())
		}}
	},
	"access-key": func(*testing.T) effect {
		return effect{unusual: ownKey, before: "401, the emulator's 202", after: "202, the emulator's 401", see: func(_ *testing.T, p *program) string {
			return p.statusWithKey(ownKey) + ", the emulator's " + p.statusWithKey(auth.EmulatorKey)
		}}
	},
	"secondary-key": func(*testing.T) effect {
		return effect{unusual: ownKey, before: "401, the emulator's 202", after: "202, the emulator's 202", see: func(_ *testing.T, p *program) string {
			return p.statusWithKey(ownKey) + ", the emulator's " + p.statusWithKey(auth.EmulatorKey)
		}}
	},
	"upstream": func(t *testing.T) effect {
		h := newHook(t, answers("hook"))
		return effect{unusual: "news=http://127.0.0.1:1/x,chat=" + h.template(), see: seeWebhook, before: unmatchedError, after: "result hook"}
	},
	"upstream.templates": func(t *testing.T) effect {
		h := newHook(t, answers("hook"))
		list := fmt.Sprintf("[{urlTemplate: 'http://127.0.0.1:1/', hubPattern: news}, {urlTemplate: '%s', hubPattern: chat}]", h.template())
		return effect{unusual: list, see: seeWebhook, after: "result hook"}
	},
	"cors-allowed-origins": func(*testing.T) effect {
		return effect{unusual: "HTTPS://App.Example:443/,https://other.example", before: "https://page.example", after: "nothing; https://app.example", see: func(t *testing.T, p *program) string {
			any := seeOrigin(t, p, "https://page.example")
			if any != "" {
				return any
			}
			return "nothing; " + seeOrigin(t, p, "https://app.example")
		}}
	},
	"auth-leeway": func(*testing.T) effect {
		return effect{usual: "24h", unusual: "0s", before: "200", after: "401", see: func(t *testing.T, p *program) string {
			token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{Lifetime: -time.Hour})
			require.NoError(t, err)
			return p.status(http.MethodPost, p.URL+"/client/negotiate?hub=chat", "", "Authorization", "Bearer "+token)
		}}
	},
	"auth-strict-audience": func(*testing.T) effect {
		return effect{unusual: "gw.example", before: "202", after: "401", see: func(_ *testing.T, p *program) string { return p.statusWithKey(auth.EmulatorKey) }}
	},
}

// seeOrigin is what a page of the origin is allowed.
func seeOrigin(t *testing.T, p *program, origin string) string {
	r, err := http.NewRequest(http.MethodPost, p.URL+"/client/negotiate?hub=chat", nil)
	require.NoError(t, err)
	r.Header.Set("Origin", origin)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.Header.Get("Access-Control-Allow-Origin")
}

// secretVariable is what a URL template reads in these tests. TestMain sets it.
const secretVariable = "SECRET_OF_A_TEMPLATE"

// Effects on the calls of webhooks.
var upstreamEffects = map[string]func(*testing.T) effect{
	"upstream-timeout": func(t *testing.T) effect {
		return effect{usual: "1h", unusual: "50ms", with: newHook(t, hangs).upstream(), see: seeWebhook, before: never, after: "Invocation failed, status code 500"}
	},
	"upstream-max-response-bytes": func(t *testing.T) effect {
		h := newHook(t, answers(strings.Repeat("x", 100)))
		return effect{unusual: "64", with: h.upstream(), see: seeWebhook, before: "result " + strings.Repeat("x", 100), after: "Invocation failed, response too large."}
	},
	"upstream-unmatched": func(t *testing.T) effect {
		h := newHook(t, answers("hook"))
		return effect{unusual: "Silent", before: unmatchedError, after: "result hook", see: func(t *testing.T, p *program) string {
			useSettings(t, p, `{"UrlTemplate":"`+h.template()+`","EventPattern":"taken"}`)
			c := p.connect("chat", "ann")
			c.send(`{"type":1,"invocationId":"1","target":"m","arguments":[]}`)
			return c.result("taken", "") // the first answer that comes, of either
		}}
	},
	"upstream-streams": func(t *testing.T) effect {
		h := newHook(t, func(http.ResponseWriter, string, *http.Request) {})
		return effect{unusual: "true", with: h.upstream(), before: "Streaming is not supported", after: "an item", see: func(t *testing.T, p *program) string {
			c := p.connect("chat", "ann")
			c.send(`{"type":4,"invocationId":"s","target":"m","arguments":[]}`)
			p.restStatus(http.MethodPut, "/api/hubs/chat/users/ann/groups/g", "")
			_, page := p.rest(http.MethodGet, "/api/hubs/chat/groups/g/connections", "")
			id := firstMatch(`"connectionId":"([^"]+)"`, page)
			p.restStatus(http.MethodPost, "/api/hubs/chat/connections/"+id+"/streams/s/:send", `"an item"`)
			return firstMatch(`(Streaming is not supported|an item)`, c.next())
		}}
	},
	"upstream-rejection": func(t *testing.T) effect {
		h := rejecting(t)
		return effect{unusual: "Ignore", with: h.upstream(), before: "closed", after: "result hook", see: func(_ *testing.T, p *program) string {
			c := p.connect("chat", "ann")
			c.send(`{"type":1,"invocationId":"1","target":"m","arguments":[]}`)
			record := c.next()
			if strings.Contains(record, `"type":7`) {
				return "closed"
			}
			return outcome(c.t, record)
		}}
	},
	"upstream-ignore-event-case": func(t *testing.T) effect {
		h := newHook(t, answers("hook"))
		return effect{unusual: "true", before: unmatchedError, after: "result hook", see: func(t *testing.T, p *program) string {
			useSettings(t, p, `{"UrlTemplate":"`+h.template()+`","EventPattern":"M"}`)
			return seeWebhook(t, p)
		}}
	},
	"upstream-max-concurrent-per-origin": func(t *testing.T) effect {
		h := newHook(t, hangs)
		return effect{usual: "1", unusual: "2", with: h.upstream(), before: never, after: "2 at a time", see: func(_ *testing.T, p *program) string {
			p.connect("chat", "ann").send(invocation("1", 1))
			<-h.calls // connected
			<-h.calls // m, which has its place until the gateway ends
			p.connect("chat", "bob")
			<-h.calls
			return "2 at a time"
		}}
	},
	"upstream-queue-per-connection": func(t *testing.T) effect {
		return queueEffect(t, "1", 10)
	},
	"upstream-queue-bytes-per-connection": func(t *testing.T) effect {
		return queueEffect(t, "1KiB", 900)
	},
	"upstream-allow-link-local": func(t *testing.T) effect {
		const nobody = "http://169.254.0.1:9/{event}"
		return effect{unusual: "true", with: []string{"--upstream", nobody, "--upstream-timeout", "200ms"}, before: "forbidden", after: "tried", see: func(t *testing.T, p *program) string {
			p.connect("chat", "ann")
			line := eventually(t, func() string { return firstMatch(`(msg="webhook called".*)`, p.logs.String()) })
			if strings.Contains(line, "are refused") {
				return "forbidden"
			}
			return "tried"
		}}
	},
	"upstream-allowed-env": func(t *testing.T) effect {
		h := newHook(t, answers("hook"))
		return effect{unusual: "OTHER," + secretVariable, before: "not allowed", after: "from-a-variable", see: func(t *testing.T, p *program) string {
			return seeSecret(t, p, h, "{@env:"+secretVariable+"}")
		}}
	},
	"upstream-allowed-files": func(t *testing.T) effect {
		h, file := newHook(t, answers("hook")), filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(file, []byte("from-a-file\n"), 0o600))
		return effect{unusual: filepath.Dir(file) + "/", before: "not allowed", after: "from-a-file", see: func(t *testing.T, p *program) string {
			return seeSecret(t, p, h, "{@file:"+file+"}")
		}}
	},
}

// useSettings puts templates into settings.json and waits until they are in force.
func useSettings(t *testing.T, p *program, templates string) {
	t.Helper()
	writeFile(t, p.settings, `{"UpstreamSettings":{"Templates":[`+templates+`]}}`)
	p.logs.want(t, "changed=[upstream.templates]")
}

// rejecting answers the connected event with 403.
func rejecting(t *testing.T) *hook {
	h := newHook(t, answers("hook"))
	inner := h.Config.Handler
	h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/connected") {
			w.WriteHeader(http.StatusForbidden)
		}
		inner.ServeHTTP(w, r)
	})
	return h
}

// many are invocations as one message.
func many(n, bytes int) string {
	var records []string
	for i := range n {
		records = append(records, invocation(fmt.Sprint(i), bytes))
	}
	return strings.Join(records, "\x1e")
}

// queueEffect sends six invocations while the webhook answers nothing.
func queueEffect(t *testing.T, unusual string, bytes int) effect {
	h := newHook(t, hangs)
	return effect{unusual: unusual, with: h.upstream(), before: "5 events wait", after: "an event is refused", see: func(t *testing.T, p *program) string {
		c := p.connect("chat", "ann")
		<-h.calls // connected
		c.send(many(6, bytes))
		refused := make(chan error, 1)
		go func() {
			_, _, err := c.conn.ReadMessage()
			refused <- err
		}()
		return eventually(t, func() string {
			select {
			case err := <-refused:
				require.NoError(t, err)
				return "an event is refused"
			default:
			}
			if p.metric("hubgate_upstream_queued_events") == 5 {
				return "5 events wait"
			}
			return ""
		})
	}}
}

// seeSecret uses a template with a secret and says what the webhook is given.
func seeSecret(t *testing.T, p *program, h *hook, secret string) string {
	writeFile(t, p.settings, settingsWith(h.URL+"/x?code="+secret))
	said := eventually(t, func() string {
		return firstMatch(`(is not allowed; add|changed=\[upstream.templates\])`, p.logs.String())
	})
	if strings.HasPrefix(said, "is not") {
		return "not allowed"
	}
	p.connect("chat", "ann")
	return (<-h.calls).URL.Query().Get("code")
}

// Effects on events that are kept.
var outboxEffects = map[string]func(*testing.T) effect{
	"upstream-outbox": func(t *testing.T) effect {
		h := newHook(t, answers("hook"))
		return effect{unusual: "true", with: append(h.upstream(), "--data-dir", filepath.Join(dataDir(t), "data"), "--drain-timeout", "5s"), before: "", after: "1", see: func(_ *testing.T, p *program) string {
			p.connect("chat", "ann")
			return (<-h.calls).Header.Get("X-Hubgate-Attempt")
		}}
	},
	"upstream-outbox-bytes": func(t *testing.T) effect {
		return effect{usual: "1KiB", unusual: "2MiB", with: seeOutbox(t, newHook(t, answers("hook"))), before: "outboxBytes 1MiB or more", after: "called", see: func(t *testing.T, p *program) string {
			p.connect("chat", "ann")
			p.wantMetrics(`hubgate_outbox_events_total{event="Done"} 1`)
			return "called"
		}}
	},
	"upstream-outbox-age": func(t *testing.T) effect {
		h := newHook(t, answers("hook"))
		h.Close()
		return effect{unusual: "100ms", with: seeOutbox(t, h), before: never, after: "1", see: func(t *testing.T, p *program) string {
			p.connect("chat", "ann")
			return seeDeadLetters(t, p)
		}}
	},
	"upstream-outbox-dead-letters": func(t *testing.T) effect {
		h := newHook(t, func(w http.ResponseWriter, _ string, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
		return effect{unusual: "1", with: seeOutbox(t, h), before: "2", after: "1", see: func(t *testing.T, p *program) string {
			c := p.connect("chat", "ann")
			for range 2 {
				c.send(`{"type":1,"target":"m","arguments":[]}`)
			}
			p.wantMetrics(`hubgate_outbox_dead_letters_total{reason="refused"} 2`)
			return seeDeadLetters(t, p)
		}}
	},
}

// seeOutbox are flags of a program that keeps events.
func seeOutbox(t *testing.T, h *hook) []string {
	return append(h.upstream(), "--data-dir", filepath.Join(dataDir(t), "data"), "--upstream-outbox", "--drain-timeout", "5s")
}

// seeDeadLetters waits for dead letters and counts them.
func seeDeadLetters(t *testing.T, p *program) string {
	return eventually(t, func() string {
		code, out, _ := command("upstream", "deliveries", "list", "-o", "json", p.adminAt())
		if n := strings.Count(out, `"event":`); code == 0 && n > 0 {
			return fmt.Sprint(n)
		}
		return ""
	})
}
