package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/presence"
)

func TestListVerbs(t *testing.T) {
	t.Parallel()
	p := start(t, "--node=one")
	at := "--connection-string=" + p.connectionString()
	for i := range 5 {
		p.connect("chat", fmt.Sprintf("u%d", i/2))
	}
	p.connect("chat", "tab\there")
	status, _ := p.rest(http.MethodPut, "/api/hubs/chat/users/u0/groups/room?api-version=2022-06-01", "")
	require.Equal(t, http.StatusOK, status)

	code, out, stderr := command("users", "list", "chat", at)
	require.Zero(t, code, stderr)
	require.Equal(t, "USER       CONNECTIONS\ntab\\there  1\nu0         2\nu1         2\nu2         1\n", out)
	code, out, _ = command("users", "chat", at, "--group=room")
	require.Zero(t, code)
	require.Equal(t, "USER  CONNECTIONS\nu0    2\n", out)
	code, out, _ = command("groups", "list", "chat", at)
	require.Zero(t, code)
	require.Equal(t, "GROUP  CONNECTIONS\nroom   2\n", out)

	code, out, stderr = command("connections", "list", "chat", at, "--page-size=2", "--max=3")
	require.Zero(t, code)
	require.Equal(t, 4, strings.Count(out, "\n"), out)
	require.Regexp(t, `(?m)^CONNECTION +USER +GROUPS +TRANSPORT +PROTOCOL +SINCE +NODE$`, out)
	require.Equal(t, "the first 3 of 6; --max 0 shows all\n", stderr)

	code, out, _ = command("connections", "list", "chat", at, "-o", "json", "--max=0", "--page-size=4", "--addresses")
	require.Zero(t, code)
	var all []presence.Connection
	require.NoError(t, json.Unmarshal([]byte(out), &all), out)
	require.Len(t, all, 6)
	require.Equal(t, "127.0.0.1", all[0].RemoteAddress)
	require.Equal(t, "one", all[0].Node)

	code, out, stderr = command("connections", "list", "none", at, "-o", "json")
	require.Zero(t, code)
	require.Equal(t, "[]\n", out)
	require.Equal(t, "no connections\n", stderr)
	code, _, _ = command("connections", "list", "9", at)
	require.Equal(t, exitUsage, code)

	off := start(t, "--presence-access=off")
	code, _, stderr = command("groups", "list", "chat", "--connection-string="+off.connectionString())
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "presence.access is off")
}

// Any node lists what all have.
func TestListOfACluster(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	for i, p := range three.each() {
		p.isReady()
		p.connect("chat", fmt.Sprint("u", i))
		p.connect("chat", "everywhere")
	}
	for _, p := range three.each() {
		code, out, stderr := command("users", "list", "chat", "--connection-string="+p.connectionString())
		require.Zero(t, code, stderr)
		require.Equal(t, "USER        CONNECTIONS\neverywhere  3\nu0          1\nu1          1\nu2          1\n", out)
		code, out, stderr = command("connections", "list", "chat", "--connection-string="+p.connectionString())
		require.Zero(t, code, stderr)
		for _, node := range []string{"a", "b", "c"} {
			require.Regexp(t, `(?m) `+node+`$`, out)
		}
	}
}

// followClients follows the connects and disconnects of the hub chat. Next returns the next event but comments, as it is on the wire.
func (p *program) followClients(t *testing.T, lastID string) (resp *http.Response, next func() string) {
	url := p.URL + "/hubgate/v1/hubs/chat/events"
	token, err := auth.SignREST(auth.EmulatorKey, url, time.Hour)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	return resp, func() string {
		var event []string
		for lines.Scan() {
			if line := lines.Text(); line != "" && line != ":" {
				event = append(event, line)
			} else if len(event) > 0 {
				return strings.Join(event, "\n")
			}
		}
		return "the end"
	}
}

// Who follows at one node sees the clients of all, goes on at another node, and is told of a node that was killed.
func TestFollowClientsOfACluster(t *testing.T) {
	t.Parallel()
	three := startTrio(t, "--presence-events")
	for _, p := range three.each() {
		p.isReady()
	}
	resp, next := three.a.followClients(t, "")
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Regexp(t, `^event: ready\nid: a\.\w+\.0\ndata: \{\}$`, next())
	three.b.connect("chat", "ann")
	first := next()
	require.Regexp(t, `^event: connected\nid: a\.\w+\.1\ndata: \{"connectionId":"[^"]+","userId":"ann","node":"b","at":"[^"]+"\}$`, first)
	id := regexp.MustCompile(`id: (\S+)`).FindStringSubmatch(first)[1]
	three.c.connect("chat", "bob")
	require.Contains(t, next(), `"userId":"bob","node":"c"`)

	_, again := three.b.followClients(t, id) // the balancer has chosen another node
	require.Contains(t, again(), `"userId":"bob","node":"c"`)
	require.Equal(t, exitOK, three.c.stop())
	for _, next := range []func() string{next, again} {
		require.Regexp(t, `^event: disconnected\nid: a\.\w+\.3\ndata: \{.*"userId":"bob","node":"c","reason":"ServiceReload"`, next())
	}
	require.Equal(t, exitOK, three.a.stop())
	require.Contains(t, next(), "event: end")
	require.Equal(t, "the end", next())
	_, last := three.b.followClients(t, id)
	require.Contains(t, last(), "event: reset", "the node with the events has gone")
}
