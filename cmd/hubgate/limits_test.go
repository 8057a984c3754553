package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

const slowRate = "1/h" // nothing comes back while a test runs

func TestRulesForClients(t *testing.T) {
	t.Parallel()
	p := start(t, "--limits-rules=user connects "+slowRate+" burst=3 hubs=chat", "--limits-rules=user messages "+slowRate+" burst=2 name=chatty")
	ann := p.connect("chat", "ann")
	for range 2 {
		require.Contains(t, ann.invoke("say", `"x"`), "invocationId")
	}
	ann.send(`{"type":1,"target":"say","arguments":[]}`)
	require.Regexp(t, `^\{"type":7,"error":"The limit \\"chatty\\" is reached: 1/h messages for each user. Try again in (59m[0-9.]+s|1h0m0s).","allowReconnect":true\}$`, ann.next())
	require.Contains(t, p.connect("chat", "bob").invoke("say", `"x"`), "invocationId", "others are not concerned")

	p.connect("chat", "ann")
	p.connect("chat", "ann")
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{UserID: "ann"})
	require.NoError(t, err)
	resp := p.response(t, http.MethodPost, "/client/negotiate?negotiateVersion=1&hub=chat", token, "")
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	require.Equal(t, "429", p.open("hub=chat", token), "without negotiate too")
	p.connect("news", "ann")
	p.wantMetrics(`hubgate_limits_over_total{outcome="Refused",rule="chatty"} 1`, `hubgate_limits_over_total{outcome="Refused",rule="user.connects"} 2`,
		`hubgate_client_requests_refused_total{generation="aspnetcore",reason="RateLimited"} 2`)
	require.Contains(t, p.logs.String(), "over a limit")
}

func TestRulesForRESTCallers(t *testing.T) {
	t.Parallel()
	const second = "SECONDSECONDSECONDSECONDSECONDSECONDSECOND"
	p := start(t, "--secondary-key="+second, "--limits-rules=key messages "+slowRate+" burst=2")
	require.Equal(t, "202", p.statusWithKey(auth.EmulatorKey))
	require.Equal(t, "202", p.statusWithKey(auth.EmulatorKey))
	token, err := auth.SignREST(auth.EmulatorKey, p.URL+"/api/hubs/chat/:send", time.Minute)
	require.NoError(t, err)
	resp := p.response(t, http.MethodPost, "/api/hubs/chat/:send", token, hello)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	_, answer := p.rest(http.MethodPost, "/api/hubs/chat/:send", hello)
	require.Contains(t, answer, `The limit \"key.messages\" is reached: 1/h messages for each access key. Try again in `)
	require.Contains(t, answer, `"Error.Request.Throttled"`)
	require.Equal(t, "202", p.statusWithKey(second), "each key has its own")
	code, _, stderr := command("users", "list", "chat", "--connection-string="+p.connectionString())
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "key.messages")
}

func TestRulesThatOnlyReport(t *testing.T) {
	t.Parallel()
	p := start(t, "--limits-rules=hub messages "+slowRate+" burst=1 report")
	c := p.connect("chat", "ann")
	for range 4 {
		require.Contains(t, c.invoke("say", `"x"`), "invocationId")
	}
	p.wantMetrics(`hubgate_limits_over_total{outcome="Reported",rule="hub.messages"} 3`, `hubgate_limits_over_total{outcome="Refused",rule="hub.messages"} 0`)
	require.Equal(t, 1, strings.Count(p.logs.String(), "over a limit"), "such lines are summed up")
}

// response is the answer to a request, without its body.
func (p *program) response(t *testing.T, method, path, token, body string) *http.Response {
	req, err := http.NewRequestWithContext(t.Context(), method, p.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}
