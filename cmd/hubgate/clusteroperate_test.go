package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
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
	t.Parallel()
	three := startTrio(t, append(armFlags(t), "--trace-live", "--faults-hub=faulty")...)
	for _, p := range three.each() {
		p.managedBy(adminToken)
	}
	t.Run("R79 R81 a change by the resource API of one node reaches clients of another", func(t *testing.T) { resourceAPIOverNodes(t, three) })
	t.Run("R86 clients of all nodes count", func(t *testing.T) { rulesOverNodes(t, three) })
	t.Run("what happens on one node is seen at another", func(t *testing.T) { happeningsOverNodes(t, three) })
	t.Run("a fault is in force on all nodes, and its hits are added up", func(t *testing.T) { faultsOverNodes(t, three) })
	t.Run("a session of a browser is good at all nodes, until it ends at one", func(t *testing.T) { sessionsOverNodes(t, three) })
	t.Run("the overview has the numbers of all nodes", func(t *testing.T) { numbersOverNodes(t, three) })
}

// comesTrue waits until something is so. Nodes hear of each other's changes a moment later.
func comesTrue(t *testing.T, see func() bool) {
	t.Helper()
	require.Eventually(t, see, slowPatience, 50*time.Millisecond)
}

func resourceAPIOverNodes(t *testing.T, three trio) {
	a, b, c := three.a, three.b, three.c
	a.armWants(201, http.MethodPut, armResource, `{"location":"local"}`)
	require.Contains(t, b.armWants(200, http.MethodGet, armResource, ""), `"name":"gateway"`)
	a.armWants(200, http.MethodPatch, armResource, `{"properties":{"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":["ClientConnection"]}}}}`)
	comesTrue(t, func() bool { return b.enter("chat", auth.ClientTokenSpec{}) == "403" })
	b.armWants(200, http.MethodPatch, armResource, `{"properties":{"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":[]}}}}`)
	ann := c.dialWhenLetIn()
	comesTrue(t, func() bool { return a.enter("chat", auth.ClientTokenSpec{}) == "connected" })
	b.armWants(202, http.MethodPost, armResource+"/restart", "")
	ann.wantClose(true)
	next := firstMatch(`"primaryKey":"([^"]+)"`, c.armWants(202, http.MethodPost, armResource+"/regenerateKey", `{"keyType":"secondary"}`))
	require.NotEmpty(t, next)
	keys := c.armWants(200, http.MethodPost, armResource+"/listKeys", "")
	second := firstMatch(`"secondaryKey":"([^"]+)"`, keys)
	comesTrue(t, func() bool { return a.statusWithKey(auth.Secret(second)) == "202" })
	require.Equal(t, second, firstMatch(`"secondaryKey":"([^"]+)"`, a.armWants(200, http.MethodPost, armResource+"/listKeys", "")))
	status, history := a.api(http.MethodGet, "/api/settings/history", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 6, strings.Count(history, `"revision"`), history)
	require.Equal(t, 5, strings.Count(history, `"by": "admin token`), history)
	require.NotContains(t, history, second)
}

func rulesOverNodes(t *testing.T, three trio) {
	a, b, c := three.a, three.b, three.c
	c.set(`{"properties":{"applicationFirewall":{"clientConnectionCountRules":[{"type":"ThrottleByUserIdRule","maxCount":3}]}}}`)
	for _, p := range three.each() {
		comesTrue(t, func() bool { return strings.Contains(p.settingsText(), "ThrottleByUserIdRule") })
	}
	require.Equal(t, "connected", a.enter("chat", auth.ClientTokenSpec{UserID: "eve"}))
	require.Equal(t, "connected", b.enter("chat", auth.ClientTokenSpec{UserID: "eve"}))
	require.Equal(t, "connected", b.enter("chat", auth.ClientTokenSpec{UserID: "eve"}))
	comesTrue(t, func() bool { return a.enter("other", auth.ClientTokenSpec{UserID: "eve"}) == "429" })
	require.Equal(t, "connected", a.enter("chat", auth.ClientTokenSpec{UserID: "bob"}))
}

func happeningsOverNodes(t *testing.T, three trio) {
	a, b, c := three.a, three.b, three.c
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
}

func faultsOverNodes(t *testing.T, three trio) {
	faults := func(p *program) (list admin.FaultList) {
		status, text := p.api(http.MethodGet, "/api/faults", "")
		require.Equal(t, http.StatusOK, status, text)
		require.NoError(t, json.Unmarshal([]byte(text), &list))
		return list
	}
	status, text := three.a.api(http.MethodPost, "/api/faults", `{"hub":"faulty","kind":"drop"}`)
	require.Equal(t, http.StatusOK, status, text)
	require.Eventually(t, func() bool {
		list := faults(three.b)
		return len(list.Faults) == 1 && len(list.Faults[0].Nodes) == 3
	}, slowPatience, 50*time.Millisecond)
	for _, p := range []*program{three.a, three.b, three.b} {
		p.connect("faulty", "")
	}
	status, text = three.c.rest(http.MethodPost, "/api/hubs/faulty/:send?api-version=2022-06-01", `{"target":"m","arguments":[]}`)
	require.Equal(t, http.StatusAccepted, status, text)
	require.Eventually(t, func() bool { return faults(three.c).Faults[0].Hits == 3 }, slowPatience, 50*time.Millisecond)
	list := faults(three.c)
	require.Equal(t, []admin.NodeHits{{Node: "a", Hits: 1}, {Node: "b", Hits: 2}, {Node: "c"}}, list.Faults[0].Nodes)
	require.Empty(t, list.Missing)
	code, out, errText := command("fault", "list", three.a.adminAt(), "--admin-token-file="+secretFile(t, adminToken))
	require.Zero(t, code, errText)
	require.Contains(t, out, "a 1, b 2, c 0")
	status, text = three.b.api(http.MethodDelete, "/api/faults?hub=Faulty", "")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"cleared":1}`, text)
	require.Eventually(t, func() bool { return len(faults(three.c).Faults) == 0 }, slowPatience, 50*time.Millisecond)
}

func sessionsOverNodes(t *testing.T, three trio) {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := http.Client{Jar: jar}
	status := func(p *program) int {
		resp, err := browser.Get(p.Admin + "/api/session")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	post := func(p *program, path, body string) {
		resp, err := browser.Post(p.Admin+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
	}
	post(three.a, "/api/login", `{"token":"`+adminToken+`"}`)
	at, err := url.Parse(three.a.Admin)
	require.NoError(t, err)
	kept := jar.Cookies(at)
	for _, p := range three.each() {
		require.Equal(t, http.StatusOK, status(p))
	}
	post(three.b, "/api/logout", "{}")
	jar.SetCookies(at, kept) // somebody has copied it
	require.Equal(t, http.StatusUnauthorized, status(three.b))
	for _, p := range three.each() {
		require.Eventually(t, func() bool { return status(p) == http.StatusUnauthorized }, slowPatience, 10*time.Millisecond)
	}
}

func numbersOverNodes(t *testing.T, three trio) {
	three.a.connect("counted", "")
	three.c.connect("counted", "")
	for _, p := range three.each() {
		require.Eventually(t, func() bool {
			status, text := p.api(http.MethodGet, "/api/nodes/metrics", "")
			require.Equal(t, http.StatusOK, status, text)
			var all struct{ Nodes []admin.NodeMetrics }
			require.NoError(t, json.Unmarshal([]byte(text), &all))
			require.NotEmpty(t, all.Nodes)
			require.Equal(t, p.clusterStatus().Node, all.Nodes[0].Node, "the asked node comes first")
			var clients, without []string
			for _, n := range all.Nodes {
				without = append(without, n.Error)
				if strings.Contains(n.Metrics, `hubgate_connections{generation="aspnetcore",hub="counted",transport="WebSockets"} 1`) {
					clients = append(clients, n.Node)
				}
			}
			slices.Sort(clients)
			return strings.Join(clients, ",") == "a,c" && strings.Join(without, "") == "" && len(all.Nodes) == 3
		}, slowPatience, 50*time.Millisecond)
	}
}

// settingsText is what the API says of the settings.
func (p *program) settingsText() string {
	_, text := p.api(http.MethodGet, "/api/settings", "")
	return text
}
