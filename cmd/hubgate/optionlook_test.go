package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// What the effects of options look at: requests, clients, webhooks, metrics.

// slowPatience bounds waits for what takes the gateway half a minute. It is
// less than any usual value that an effect must not be seen with.
const slowPatience = 100 * time.Second

// eventually asks until it is told something.
func eventually(t *testing.T, ask func() string) string {
	t.Helper()
	answer := ""
	require.Eventually(t, func() bool {
		answer = ask()
		return answer != ""
	}, slowPatience, 100*time.Millisecond)
	return answer
}

// status is the status of a request as text.
func (p *program) status(method, url, body string, headers ...string) string {
	status, _ := p.request(method, url, body, headers...)
	return fmt.Sprint(status)
}

// restStatus is the status of a REST request; query may have none of its own.
func (p *program) restStatus(method, path, body string) string {
	status, _ := p.rest(method, path+"?api-version=2022-06-01", body)
	return fmt.Sprint(status)
}

// statusWithKey is the status of a REST request that is signed with the key.
func (p *program) statusWithKey(key auth.Secret) string {
	path := "/api/hubs/chat/:send"
	token, err := auth.SignREST(key, p.URL+path, time.Minute)
	require.NoError(p.t, err)
	return p.status(http.MethodPost, p.URL+path, hello, "Authorization", "Bearer "+token, "Content-Type", "application/json")
}

// enter negotiates and opens a WebSocket. It returns the status of the request
// that was refused, or "connected".
func (p *program) enter(hub string, spec auth.ClientTokenSpec) string {
	p.t.Helper()
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, hub, spec)
	require.NoError(p.t, err)
	query := "hub=" + hub
	status, answer := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&"+query, "", "Authorization", "Bearer "+token)
	if status != http.StatusOK {
		return fmt.Sprint(status)
	}
	var negotiated struct{ ConnectionToken string }
	require.NoError(p.t, json.Unmarshal([]byte(answer), &negotiated))
	return p.open(query+"&id="+negotiated.ConnectionToken, token)
}

// open opens a WebSocket that stays until the test ends.
func (p *program) open(query, token string) string {
	p.t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.URL, "http")+"/client/?"+query+"&access_token="+token, nil)
	if err != nil {
		require.NotNil(p.t, resp, err)
		return fmt.Sprint(resp.StatusCode)
	}
	p.t.Cleanup(func() { conn.Close() })
	return "connected"
}

// result is the outcome of an invocation: its error or its result.
func (c *client) result(target, arguments string) string {
	c.t.Helper()
	return outcome(c.t, c.invoke(target, arguments))
}

func outcome(t *testing.T, completion string) string {
	t.Helper()
	var r struct {
		Error  string
		Result any
	}
	require.NoError(t, json.Unmarshal([]byte(completion), &r))
	if r.Error != "" {
		return r.Error
	}
	return fmt.Sprintf("result %v", r.Result)
}

var closedSeries = regexp.MustCompile(`(?m)^hubgate_connections_closed_total\{reason="([A-Za-z]+)"\} [1-9]`)

// whyClosed waits until a client was closed and returns the reason.
func (p *program) whyClosed() string {
	p.t.Helper()
	return eventually(p.t, func() string {
		_, text := p.get(p.Admin + "/metrics")
		if m := closedSeries.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		return ""
	})
}

// metric is the value of a series, 0 if there is none.
func (p *program) metric(series string) float64 {
	p.t.Helper()
	_, text := p.get(p.Admin + "/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			var n float64
			_, err := fmt.Sscan(value, &n)
			require.NoError(p.t, err)
			return n
		}
	}
	return 0
}

// poller is a long-polling client, which takes what waits for it only when told to.
type poller struct {
	p          *program
	url, token string
}

// poller connects one that has shaken hands.
func (p *program) poller(hub string) *poller {
	p.t.Helper()
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, hub, auth.ClientTokenSpec{UserID: "ann"})
	require.NoError(p.t, err)
	status, answer := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub="+hub, "", "Authorization", "Bearer "+token)
	require.Equal(p.t, http.StatusOK, status, answer)
	var negotiated struct{ ConnectionToken string }
	require.NoError(p.t, json.Unmarshal([]byte(answer), &negotiated))
	c := &poller{p, p.URL + "/client/?hub=" + hub + "&id=" + negotiated.ConnectionToken, token}
	status, _ = c.poll()
	require.Equal(p.t, http.StatusOK, status)
	require.Equal(p.t, "200", c.post(`{"protocol":"json","version":1}`))
	_, answer = c.poll()
	require.Equal(p.t, "{}\x1e", answer)
	return c
}

func (c *poller) poll() (status int, answer string) {
	c.p.t.Helper()
	return c.p.request(http.MethodGet, c.url, "", "Authorization", "Bearer "+c.token)
}

func (c *poller) post(record string) (status string) {
	c.p.t.Helper()
	return c.p.status(http.MethodPost, c.url, record+"\x1e", "Authorization", "Bearer "+c.token)
}

// message is the body of a REST request that sends a text of so many bytes.
func text(bytes int) string {
	return `{"target":"m","arguments":["` + strings.Repeat("x", bytes) + `"]}`
}

// invocation is a record with one text argument.
func invocation(id string, bytes int) string {
	return `{"type":1,"invocationId":"` + id + `",` + text(bytes)[1:]
}

// hook is an application that answers invocations with a text.
type hook struct {
	*httptest.Server
	calls chan *http.Request
}

// newHook answers events of clients that come and go with 200, messages as told.
func newHook(t *testing.T, answer func(w http.ResponseWriter, id string, r *http.Request)) *hook {
	h := &hook{calls: make(chan *http.Request, 1000)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		h.calls <- r
		var record struct{ InvocationID string }
		if strings.HasPrefix(r.URL.Path, "/messages/") && json.Unmarshal(bytes.TrimSuffix(body, []byte("\x1e")), &record) == nil {
			answer(w, record.InvocationID, r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// template is a URL for --upstream.
func (h *hook) template() string { return h.URL + "/{category}/{event}" }

// upstream are flags that make it the webhook of all hubs.
func (h *hook) upstream(more ...string) []string {
	return append([]string{"--upstream", h.template()}, more...)
}

// answers answers at once with the text.
func answers(text string) func(http.ResponseWriter, string, *http.Request) {
	return func(w http.ResponseWriter, id string, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"type":3,"invocationId":%q,"result":%q}`+"\x1e", id, text)
	}
}

// hangs answers when the gateway has given up.
func hangs(_ http.ResponseWriter, _ string, r *http.Request) { <-r.Context().Done() }
