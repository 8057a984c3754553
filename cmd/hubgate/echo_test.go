package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// With the webhook that the gateway has itself, a client can be tried without an application.
func TestBuiltInEcho(t *testing.T) {
	t.Parallel()
	p := start(t, "--upstream=echo")
	require.Contains(t, p.out.String(), "  webhooks           from --upstream, the first that matches:\n    echo, built in: calls get their own arguments back\n")
	for _, tc := range []struct {
		arguments []string
		want      string
	}{{[]string{"hello"}, "\"hello\"\n"}, {[]string{"1", `{"a":2}`}, "[1,{\"a\":2}]\n"}} {
		code, out, stderr := command(append([]string{"call", "--connection-string", p.connectionString(), "chat", "say"}, tc.arguments...)...)
		require.Zero(t, code, stderr)
		require.Equal(t, tc.want, out)
	}
	p.wantMetrics(`hubgate_upstream_requests_total{category="messages",result="ok",template="0"} 2`)
}
