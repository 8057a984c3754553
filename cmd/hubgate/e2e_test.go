package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

const hello = `{"target":"newMessage","arguments":["hello"]}`

const helloRecord = `{"type":1,"target":"newMessage","arguments":["hello"]}`

func TestBroadcastReachesClients(t *testing.T) {
	t.Parallel()
	p := start(t)
	ann, bob := p.connect("chat", "ann"), p.connect("chat", "bob")
	other := p.connect("other", "ann")
	status, answer := p.rest(http.MethodPost, "/api/hubs/chat/:send?api-version=2022-06-01", hello)
	require.Equal(t, http.StatusAccepted, status, answer)
	require.Equal(t, helloRecord, ann.next())
	require.Equal(t, helloRecord, bob.next())
	status, _ = p.rest(http.MethodPost, "/api/hubs/other/users/ann/:send?api-version=2022-06-01", `{"target":"only","arguments":[]}`)
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, `{"type":1,"target":"only","arguments":[]}`, other.next())
	for _, c := range []*client{ann, bob, other} {
		c.leave()
	}
	require.Zero(t, p.stop())
}

func TestTokensMadeByREST(t *testing.T) {
	t.Parallel()
	p := start(t)
	t.Run("R39 the token of generateToken opens the hub", func(t *testing.T) {
		status, answer := p.rest(http.MethodPost, "/api/hubs/chat/:generateToken?api-version=2022-11-01&userId=ann&minutesToExpire=5", "")
		require.Equal(t, http.StatusOK, status, answer)
		var made struct{ Token string }
		require.NoError(t, json.Unmarshal([]byte(answer), &made))
		negotiate := func(hub string) int {
			status, _ := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub="+hub, "", "Authorization", "Bearer "+made.Token)
			return status
		}
		require.Equal(t, http.StatusOK, negotiate("chat"))
		require.Equal(t, http.StatusUnauthorized, negotiate("other"))
	})
}

// webhookServer is an application behind the gateway.
type webhookServer struct {
	*httptest.Server
	events chan event
	// hold, if not nil, keeps disconnected events until it is closed.
	hold chan struct{}
}

type event struct {
	path, connection, user, signature, body string
}

func newWebhook(t *testing.T) *webhookServer {
	w := &webhookServer{events: make(chan event, 100)}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.events <- event{
			path: r.URL.Path, connection: r.Header.Get("X-ASRS-Connection-Id"), user: r.Header.Get("X-ASRS-User-Id"),
			signature: r.Header.Get("X-ASRS-Signature"), body: string(body),
		}
		if w.hold != nil && strings.HasSuffix(r.URL.Path, "/disconnected") {
			<-w.hold
		}
		if strings.HasSuffix(r.URL.Path, "/messages/echo") {
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, "{\"type\":3,\"invocationId\":\"7\",\"result\":\"pong\"}\x1e")
		}
	}))
	t.Cleanup(w.Close)
	return w
}

func TestWebhookRoundTrip(t *testing.T) {
	t.Parallel()
	hook := newWebhook(t)
	p := start(t, "--upstream", "chat="+hook.URL+"/{hub}/{category}/{event}")
	ann := p.connect("chat", "ann")
	connected := <-hook.events
	require.Equal(t, event{
		path: "/chat/connections/connected", connection: ann.id, user: "ann", body: `{"type":10}`,
		signature: auth.UpstreamSignature([]auth.Secret{auth.EmulatorKey}, ann.id),
	}, connected)
	ann.send(`{"type":1,"invocationId":"7","target":"echo","arguments":["ping"]}`)
	message := <-hook.events
	require.Equal(t, "/chat/messages/echo", message.path)
	require.JSONEq(t, `{"type":1,"invocationId":"7","target":"echo","arguments":["ping"]}`, message.body)
	require.JSONEq(t, `{"type":3,"invocationId":"7","result":"pong"}`, ann.next())
	ann.leave()
	gone := <-hook.events
	require.Equal(t, "/chat/connections/disconnected", gone.path)
	require.Equal(t, `{"type":11}`, gone.body)
	_, metrics := p.get(p.Admin + "/metrics")
	require.Contains(t, metrics, `hubgate_upstream_requests_total{category="messages",result="ok",template="0"} 1`)
}

func TestDrainEndsClientsAndLetsWebhooksFinish(t *testing.T) {
	t.Parallel()
	hook := newWebhook(t)
	hook.hold = make(chan struct{})
	p := start(t, "--upstream", hook.URL+"/{hub}/{category}/{event}")
	ann := p.connect("chat", "ann")
	require.Equal(t, "/chat/connections/connected", (<-hook.events).path)
	status, _ := p.get(p.Admin + "/readyz")
	require.Equal(t, http.StatusOK, status)

	p.cancel()
	t.Run("C78 draining tells clients to reconnect", func(t *testing.T) {
		ann.wantClose(true)
	})
	// The webhook of the disconnect is under way: the gateway still answers,
	// but takes no clients.
	require.Equal(t, "/chat/connections/disconnected", (<-hook.events).path)
	t.Run("R45 health is 503 while draining", func(t *testing.T) {
		for _, url := range []string{p.URL + "/api/health", p.URL + "/api/v1/health", p.Admin + "/readyz"} {
			status, _ := p.get(url)
			require.Equal(t, http.StatusServiceUnavailable, status, url)
		}
		status, _ := p.get(p.Admin + "/livez")
		require.Equal(t, http.StatusOK, status)
	})
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{})
	require.NoError(t, err)
	resp := p.response(t, http.MethodPost, "/client/negotiate?negotiateVersion=1&hub=chat", token, "")
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	// Else a client that comes again by the connection that it has does not get past a balancer of connections.
	assert.True(t, resp.Close, "the connection is kept")
	select {
	case <-p.ended:
		t.Fatal("the gateway ended before its webhook")
	default:
	}
	close(hook.hold)
	require.Zero(t, p.stop(), p.logs)
}

func TestSettingsReload(t *testing.T) {
	t.Parallel()
	first, second := newWebhook(t), newWebhook(t)
	p := start(t)
	settings := func(url string) []byte {
		return fmt.Appendf(nil, `{"Logging":{"LogLevel":{"Default":"Information"}},"UpstreamSettings":{"Templates":[{"UrlTemplate":%q}]}}`, url+"/{event}")
	}
	require.NoError(t, os.WriteFile(p.settings, settings(first.URL), 0o600))
	p.logs.want(t, first.URL)
	ann := p.connect("chat", "ann")
	require.Equal(t, "/connected", (<-first.events).path)
	t.Run("R78 changed templates take the next event of the same connection", func(t *testing.T) {
		require.NoError(t, os.WriteFile(p.settings, settings(second.URL), 0o600))
		p.logs.want(t, second.URL)
		ann.send(`{"type":1,"target":"m","arguments":[]}`)
		require.Equal(t, "/m", (<-second.events).path)
	})
	t.Run("an invalid file changes nothing", func(t *testing.T) {
		require.NoError(t, os.WriteFile(p.settings, []byte(`{"UpstreamSettings":`), 0o600))
		p.logs.want(t, "the old settings stay in force")
		ann.send(`{"type":1,"target":"n","arguments":[]}`)
		require.Equal(t, "/n", (<-second.events).path)
	})
}

// The line is what a person pastes first.
func TestPrintedCurlLineWorks(t *testing.T) {
	t.Parallel()
	p := start(t)
	ann := p.connect(bannerHub, "ann")
	var line string
	for l := range strings.Lines(p.out.String()) {
		if strings.HasPrefix(l, "curl ") {
			line = strings.TrimSpace(l)
		}
	}
	require.NotEmpty(t, line)
	words := shellWords(t, line)
	require.Equal(t, []string{"curl", "-i"}, words[:2])
	require.Equal(t, []string{"-H", "-H", "-d"}, []string{words[3], words[5], words[7]})
	name, value, _ := strings.Cut(words[4], ": ")
	_, kind, _ := strings.Cut(words[6], ": ")
	status, _ := p.request(http.MethodPost, words[2], words[8], name, value, "Content-Type", kind)
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, helloRecord, ann.next())

	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl: the line was only replayed")
	}
	out, err := exec.Command("sh", "-c", line).Output()
	require.NoError(t, err)
	require.Contains(t, string(out), " 202 ")
	require.Equal(t, helloRecord, ann.next())
}

// shellWords splits a line of words and single-quoted words as a shell does.
func shellWords(t *testing.T, line string) (words []string) {
	t.Helper()
	for line != "" {
		var word string
		if rest, quoted := strings.CutPrefix(line, "'"); quoted {
			var closed bool
			word, line, closed = strings.Cut(rest, "'")
			require.True(t, closed)
			line = strings.TrimPrefix(line, " ")
		} else {
			word, line, _ = strings.Cut(line, " ")
		}
		words = append(words, word)
	}
	return words
}

func TestMetricsContainTheBooks(t *testing.T) {
	t.Parallel()
	p := start(t)
	clients := []*client{p.connect("chat", "ann"), p.connect("chat", "bob")}
	for range 3 {
		status, _ := p.rest(http.MethodPost, "/api/hubs/chat/:send?api-version=2022-06-01", hello)
		require.Equal(t, http.StatusAccepted, status)
	}
	for _, c := range clients {
		for range 3 {
			require.Equal(t, helloRecord, c.next())
		}
	}
	// A client may have a message before the worker that wrote it has counted it.
	want := []string{
		`hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 2`,
		`hubgate_connections_opened_total{generation="aspnetcore",transport="WebSockets"} 2`,
		`hubgate_negotiations_total{generation="aspnetcore"} 2`,
		`hubgate_deliveries_attempted_total{hub="chat"} 6`,
		`hubgate_deliveries_written_total{hub="chat"} 6`,
		`hubgate_deliveries_queued{hub="chat"} 0`,
		`hubgate_deliveries_dropped_total{hub="chat",reason="SlowClient"} 0`,
		`,status="202"} 3`,
		`hubgate_rest_request_duration_seconds_count{operation="Broadcast"} `,
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, metrics := p.get(p.Admin + "/metrics")
		for _, line := range want {
			assert.Contains(c, metrics, line)
		}
	}, patience, 10*time.Millisecond)
	status, check := p.get(p.Admin + "/debug/check")
	require.Equal(t, http.StatusOK, status, check)
}

// Whatever is logged at whatever level, a token or a key is not in it.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	hook := newWebhook(t)
	p := start(t, "--upstream", hook.URL+"/{event}?code=azure-function-key")
	t.Run("C14 the access token is in no log", func(t *testing.T) {
		ann := p.connect("chat", "ann") // its token is in the query of the upgrade
		<-hook.events
		p.get(p.URL + "/client/?hub=chat&id=nobody&access_token=eyJhbGciOiJub25lIn0.e30.x")
		p.request(http.MethodPost, p.URL+"/api/hubs/chat/:send?access_token=eyJhbGciOiJub25lIn0.e30.x", "{}", "Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.x")
		p.rest(http.MethodPost, "/api/hubs/chat/:send?api-version=2022-06-01", "{}")
		ann.leave()
		<-hook.events
		hook.CloseClientConnections()
		require.Zero(t, p.stop())
		logs := p.logs.String()
		require.Contains(t, logs, "connection closed")
		require.Contains(t, logs, "level=DEBUG")
		for _, secret := range []string{"eyJhbGci", string(auth.EmulatorKey.Reveal()), "azure-function-key"} {
			require.NotContains(t, logs, secret)
		}
	})
}
