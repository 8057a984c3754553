package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/presence"
)

func TestListVerbs(t *testing.T) {
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
