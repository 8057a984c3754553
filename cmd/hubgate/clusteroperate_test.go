package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/watch"
)

// watching is somebody who follows /watch.
type watching struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (p *program) watches(query string) *watching {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.Admin+"/watch"+query, nil)
	require.NoError(p.t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { resp.Body.Close() })
	require.Equal(p.t, http.StatusOK, resp.StatusCode)
	w := &watching{p.t, bufio.NewScanner(resp.Body)}
	w.lines.Buffer(nil, 1<<20)
	return w
}

// until returns the first event that is meant.
func (w *watching) until(meant func(*watch.Event) bool) *watch.Event {
	w.t.Helper()
	for w.lines.Scan() {
		data, ok := strings.CutPrefix(w.lines.Text(), "data: ")
		if !ok {
			continue
		}
		e, err := watch.Parse([]byte(data))
		require.NoError(w.t, err)
		if meant(e) {
			return e
		}
	}
	require.Fail(w.t, "the stream has ended")
	return nil
}

// Whoever operates a cluster may ask any node: a change by the resource API, a rule about clients, what happens and what
// has happened hold for all of them.
func TestN26AClusterIsOperatedFromAnyNode(t *testing.T) {
	three := startTrio(t, append(armFlags(t), "--trace-live")...)
	a, b, c := three.a, three.b, three.c
	for _, p := range three.each() {
		p.managedBy(adminToken)
	}
	eventually := func(see func() bool) {
		t.Helper()
		require.Eventually(t, see, slowPatience, 50*time.Millisecond)
	}

	t.Run("R79 R81 a change by the resource API of one node reaches clients of another", func(t *testing.T) {
		a.armWants(201, http.MethodPut, armResource, `{"location":"local"}`)
		require.Contains(t, b.armWants(200, http.MethodGet, armResource, ""), `"name":"gateway"`)
		a.armWants(200, http.MethodPatch, armResource, `{"properties":{"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":["ClientConnection"]}}}}`)
		eventually(func() bool { return b.enter("chat", auth.ClientTokenSpec{}) == "403" })
		b.armWants(200, http.MethodPatch, armResource, `{"properties":{"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":[]}}}}`)
		ann := c.dialWhenLetIn()
		eventually(func() bool { return a.enter("chat", auth.ClientTokenSpec{}) == "connected" })
		b.armWants(202, http.MethodPost, armResource+"/restart", "")
		ann.wantClose(true)
		next := firstMatch(`"primaryKey":"([^"]+)"`, c.armWants(202, http.MethodPost, armResource+"/regenerateKey", `{"keyType":"secondary"}`))
		require.NotEmpty(t, next)
		keys := c.armWants(200, http.MethodPost, armResource+"/listKeys", "")
		second := firstMatch(`"secondaryKey":"([^"]+)"`, keys)
		eventually(func() bool { return a.statusWithKey(auth.Secret(second)) == "202" })
		require.Equal(t, second, firstMatch(`"secondaryKey":"([^"]+)"`, a.armWants(200, http.MethodPost, armResource+"/listKeys", "")))
		status, history := a.api(http.MethodGet, "/api/settings/history", "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, 6, strings.Count(history, `"revision"`), history)
		require.Equal(t, 5, strings.Count(history, `"by": "admin token`), history)
		require.NotContains(t, history, second)
	})

	t.Run("R86 clients of all nodes count", func(t *testing.T) {
		c.set(`{"properties":{"applicationFirewall":{"clientConnectionCountRules":[{"type":"ThrottleByUserIdRule","maxCount":3}]}}}`)
		for _, p := range three.each() {
			eventually(func() bool { return strings.Contains(p.settingsText(), "ThrottleByUserIdRule") })
		}
		require.Equal(t, "connected", a.enter("chat", auth.ClientTokenSpec{UserID: "eve"}))
		require.Equal(t, "connected", b.enter("chat", auth.ClientTokenSpec{UserID: "eve"}))
		require.Equal(t, "connected", b.enter("chat", auth.ClientTokenSpec{UserID: "eve"}))
		eventually(func() bool { return a.enter("other", auth.ClientTokenSpec{UserID: "eve"}) == "429" })
		require.Equal(t, "connected", a.enter("chat", auth.ClientTokenSpec{UserID: "bob"}))
	})

	t.Run("what happens on one node is seen at another", func(t *testing.T) {
		seen := a.watches("?user=liv")
		live, _ := b.lookOn(t, "/livetrace")
		live.say(`{"type":1,"invocationId":"1","target":"startListeningToLogEvents","arguments":[]}`)
		require.JSONEq(t, `{"type":3,"invocationId":"1"}`, live.next())
		for _, p := range three.each() { // which the others answer when they have heard of those who look on
			status, text := p.api(http.MethodGet, "/api/hubs/chat/connections", "")
			require.Equal(t, http.StatusOK, status, text)
		}
		liv := c.connect("chat", "liv")
		opened := seen.until(func(e *watch.Event) bool { return e.What == watch.WhatOpened })
		require.Equal(t, "c", opened.Node)
		require.Equal(t, liv.id, opened.ConnectionID)
		for {
			e := live.event("ConnectionStarted")
			if e.LogContext["userId"] == "liv" {
				require.Equal(t, "chat", e.LogContext["hubName"])
				break
			}
		}
		a.sendTo("users/liv/:send", "hello")
		sent := seen.until(func(e *watch.Event) bool { return e.Kind == watch.KindSend && e.Send.Written == 1 })
		require.Equal(t, "c", sent.Node)
		later := b.watches("?user=liv")
		require.Equal(t, liv.id, later.until(func(e *watch.Event) bool { return e.What == watch.WhatPresent }).ConnectionID)

		var answer struct{ Events []json.RawMessage }
		status, text := a.api(http.MethodGet, "/api/trace?user=liv", "")
		require.Equal(t, http.StatusOK, status, text)
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		require.NotEmpty(t, answer.Events)
		require.Contains(t, text, liv.id)
	})
}

// settingsText is what the API says of the settings.
func (p *program) settingsText() string {
	_, text := p.api(http.MethodGet, "/api/settings", "")
	return text
}
