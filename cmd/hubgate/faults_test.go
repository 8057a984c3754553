package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
)

// inject runs a command about faults at a program.
func (p *program) inject(args ...string) (code int, out, errText string) {
	return command(append(append([]string{"fault"}, args...), p.adminAt(), "--connection-string="+p.connectionString())...)
}

// manager is a token with which to manage a program that nobody has given an admin token.
func (p *program) manager() string {
	token, err := auth.SignREST(auth.EmulatorKey, p.Admin+admin.LiveResource, time.Minute)
	require.NoError(p.t, err)
	return token
}

// Faults hit the real clients of a hub that is marked, and no other hub.
func TestFaultsOfAMarkedHub(t *testing.T) {
	t.Parallel()
	h := newHook(t, answers("hook"))
	p := start(t, "--faults-hub=Chat", "--upstream="+h.template())
	ann := p.connect("chat", "ann")

	code, _, errText := p.inject("set", "news", "drop")
	require.Equal(t, exitError, code)
	require.Contains(t, errText, "not marked")
	code, _, errText = p.inject("set", "chat", "drop", "--share=2")
	require.Equal(t, exitError, code)
	require.Contains(t, errText, "share is not more than 0")

	code, out, errText := p.inject("set", "chat", "negotiate")
	require.Zero(t, code, errText)
	require.Contains(t, out, "negotiate in hub chat, until ")
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{Lifetime: time.Hour})
	require.NoError(t, err)
	resp := p.response(t, http.MethodPost, "/client/negotiate?hub=chat&negotiateVersion=1", token, "")
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	_, out, _ = p.inject("list")
	require.Contains(t, out, "negotiate")
	_, out, _ = p.inject("clear", "chat")
	require.Equal(t, "1 ended\n", out)

	code, _, errText = p.inject("set", "chat", "webhook", "--delay=30ms")
	require.Zero(t, code, errText)
	began := time.Now()
	require.Contains(t, ann.invoke("say", ""), `"result":"hook"`)
	require.GreaterOrEqual(t, time.Since(began), 30*time.Millisecond)

	code, out, errText = p.inject("set", "chat", "cut")
	require.Zero(t, code, errText)
	require.Equal(t, "cut in hub chat, once\n", out)
	eventually(t, func() string {
		if p.metric(`hubgate_connections_closed_total{reason="FaultInjected"}`) == 1 {
			return "cut"
		}
		return ""
	})
	require.EqualValues(t, 1, p.metric(`hubgate_faults_injected_total{kind="cut"}`))
}
