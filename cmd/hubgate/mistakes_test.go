package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubname"
)

// typedMistakes are what people type, and the whole of what they are told. Each ends
// with the exit code of what makes no sense.
var typedMistakes = []struct {
	name string
	// typed are the arguments, file is the configuration file gateway.yaml, env a variable.
	typed, file, env string
	said             string
}{
	{name: "a webhook without a scheme", typed: "--upstream localhost:7071/hook", said: `--upstream "localhost:7071/hook": must begin with http:// or https:// and name a host, or be echo`},
	{name: "a port alone", typed: "--listen 8888", said: `listen: "8888" is not HOST:PORT: write localhost:8888, or :8888 for all addresses`},
	{name: "a duration without a unit", typed: "--drain-timeout 30", said: `--drain-timeout: expected a duration but got "30": write 30s`},
	{name: "the same in a variable", env: "HUBGATE_DRAIN_TIMEOUT=30", said: `--drain-timeout: expected a duration but got "30": write 30s (from envar HUBGATE_DRAIN_TIMEOUT="30")`},
	{name: "a mode with a typing error", typed: "--mode defalt", said: `--mode: "defalt" is none of "default", "serverless" and "classic"; did you mean "default"?`},
	{name: "the same in a file", file: "\nmode: defalt\n", said: `gateway.yaml:2: mode: "defalt" is none of "default", "serverless" and "classic"; did you mean "default"?`},
	{name: "a mode where a map is", file: "hubs: {chat: default}", said: `gateway.yaml:1: hubs.chat must be a map of keys and values: write chat: {mode: default}`},
	{name: "url for urlTemplate", file: "upstream: {templates: [{url: http://x/}]}", said: `gateway.yaml:1: upstream.templates: unknown key "url"; did you mean "urlTemplate"?`},
	{name: "a hyphen in a hub", typed: "--hub-mode my-chat=default", said: `hubs: "my-chat" is ` + hubname.ErrInvalid.Error()},
	{name: "a hyphen in a hub to send to", typed: "send all my-chat m", said: `hub "my-chat" is ` + hubname.ErrInvalid.Error()},
	{name: "a hyphen in a hub to listen to", typed: "listen my-chat", said: `hub "my-chat" is ` + hubname.ErrInvalid.Error()},
	{name: "a hyphen in a hub to call", typed: "call my-chat m", said: `hub "my-chat" is ` + hubname.ErrInvalid.Error()},
	{name: "a hyphen in a token's hub", typed: "token client my-chat", said: `hub "my-chat" is ` + hubname.ErrInvalid.Error()},
	{name: "a hyphen in a hub to measure", typed: "bench --hub my-chat", said: `hub "my-chat" is ` + hubname.ErrInvalid.Error()},
	{name: "a short key", typed: "--access-key short", said: "accessKey: must have 32 to 256 bytes, not 5"},
	{name: "no connection string", typed: "send all chat m --connection-string foo", said: "connection string: part 1 is not of the form key=value"},
	{name: "a mode that client verbs see too", typed: "send all chat m", env: "HUBGATE_MODE=defalt", said: `the gateway's configuration: --mode: "defalt" is none of "default", "serverless" and "classic"; did you mean "default"? (from envar HUBGATE_MODE="defalt")`},
	{name: "a file that is not there", typed: "--settings nowhere/settings.json", said: "settings: stat nowhere/settings.json: no such file or directory"},
	{name: "a configuration that is not there", typed: "--config nowhere.yaml", said: "config: stat nowhere.yaml: no such file or directory"},
	{name: "a certificate that is not there", typed: "--tls-cert a --tls-key b", said: "TLS certificate: stat a: no such file or directory"},
	{name: "a certificate alone", typed: "--tls-cert a", said: "tls: cert and key go together: set both or none"},
	{name: "no URL for health", typed: "health foo", said: `"foo" is no http:// or https:// URL`},
	{name: "no address for health", typed: "health --admin-listen 8889", said: `--admin-listen: "8889" is not HOST:PORT: write localhost:8889, or :8889 for all addresses`},
	{name: "no address for hooks", typed: "hooks --listen 7071", said: `--listen: "7071" is not HOST:PORT: write localhost:7071, or :7071 for all addresses`},
	{name: "no resource for a token", typed: "token rest foo", said: `"foo" is no resource: sign REST token: needs an absolute http or https URL`},
	{name: "a rate for clients that call", typed: "bench --echo --rate 20", said: "a rate bounds what is sent, and clients that call send at their own pace: leave out the rate or echo"},
	{name: "no clients", typed: "bench --clients 0", said: "clients: 1 to 1000000"},
	{name: "no floor", typed: "bench --floor ://x", said: `parse "://x": missing protocol scheme`},
	{name: "a lifetime of nothing", typed: "listen chat --lifetime 0s", said: "--lifetime must be at least 1s"},
	{name: "a claim without a value", typed: "listen chat --claim role", said: `--claim "role" is not TYPE=VALUE`},
	{name: "a size of no unit", typed: "--limits-outbox-bytes 1X", said: `--limits-outbox-bytes: expected a size such as 1048576 or 1MiB but got "1X"`},
	{name: "an unknown flag", typed: "--lissten x", said: `unknown flag --lissten, did you mean "--listen"?`},
	{name: "an unknown verb", typed: "serv", said: `unknown verb "serv"; did you mean "serve"? hubgate --help lists the verbs`},
	{name: "no verb at all", typed: "frobnicate", said: `unknown verb "frobnicate". hubgate --help lists the verbs`},
	{name: "an argument too many", typed: "serve now", said: "unexpected argument now"},
	{name: "arguments too few", typed: "send all", said: `expected "<hub> <method>"`},
	{name: "two voters", typed: "--listen 127.0.0.1:0 --admin-listen off --node a --cluster-listen 127.0.0.1:0 --cluster-voter a,b", said: "a cluster has one, three or five voters: with any other number more nodes have to be there, and no more may be missing; named are 2: a, b"},
	{name: "a short secret", typed: "--listen 127.0.0.1:0 --admin-listen off --node a --cluster-listen 127.0.0.1:0 --cluster-voter a", env: "HUBGATE_CLUSTER_SECRET=short", said: "the secret of a cluster has at least 32 bytes"},
	{name: "a public gateway with the key of everybody", typed: "--listen 0.0.0.0:0", said: "listen: 0.0.0.0:0 can be reached from other machines, and the access key is the emulator's, which everybody knows: set accessKey (--access-key, HUBGATE_ACCESS_KEY), or accept the risk with --unsafe-listen-with-well-known-key"},
}

func TestMistakesAreTold(t *testing.T) {
	single(t)
	for _, m := range typedMistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			args := strings.Fields(m.typed)
			if m.file != "" {
				require.NoError(t, os.WriteFile("gateway.yaml", []byte(m.file), 0o600))
				args = append(args, "--config", "gateway.yaml")
			}
			if name, value, ok := strings.Cut(m.env, "="); ok {
				t.Setenv(name, value)
			}
			code, out, stderr := command(args...)
			require.Equal(t, "hubgate: "+m.said+"\n", stderr)
			require.Equal(t, exitUsage, code)
			require.Empty(t, out)
		})
	}
}
