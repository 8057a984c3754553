package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever starts the gateway sees what is in force, where it comes from and what to try.
func TestBanner(t *testing.T) {
	const own = "an-access-key-of-ones-own-32-bytes-or-more"
	t.Run("nothing configured", func(t *testing.T) {
		p := start(t)
		text := p.out.String()
		require.True(t, strings.HasPrefix(text, "hubgate "+version()+" serves in Serverless mode on "+p.URL+"\n"), text)
		require.Contains(t, text, "  webhooks           none, says "+p.settings+"\n")
		require.Contains(t, text, "export HUBGATE_CONNECTION_STRING='"+p.connectionString()+"'\n")
		require.Contains(t, text, "\nListen:  hubgate listen chat\nSend:    hubgate send all chat newMessage hello\n")
		require.Contains(t, text, "\ncurl -i ")
		require.NotContains(t, text, "UNSAFE")
		require.NotContains(t, p.logs.String(), "level=WARN")
	})
	t.Run("one of many nodes", func(t *testing.T) {
		dir := t.TempDir()
		p := start(t, oneNode("--cluster-peer=127.0.0.1:1", "--data-dir", dir)...)
		at := p.clusterStatus().Address
		require.Contains(t, p.out.String(), "  node               n: other nodes reach it at "+at+"\n  looks for others at 127.0.0.1:1\n")
		require.Contains(t, p.out.String(), "  nodes              hubgate cluster status --admin "+strings.TrimPrefix(p.Admin, "http://")+"\n")
		require.Contains(t, p.out.String(), "  data               "+dir+"\n")
		require.Contains(t, p.logs.String(), "msg=cluster part=cluster node=n listen="+at)
	})
	t.Run("where the other verbs find it", func(t *testing.T) {
		t.Setenv("HUBGATE_ACCESS_KEY", own)
		t.Setenv("HUBGATE_PUBLIC_URL", "https://gw.example")
		p := start(t)
		require.NotContains(t, p.out.String(), "export ")
		require.NotContains(t, p.out.String(), own)
	})
	t.Run("webhooks", func(t *testing.T) {
		p := start(t, "--upstream", "chat=https://a.example/{event}?code=hidden", "--upstream", "https://b.example/{Event}/{hubb}")
		require.Contains(t, p.out.String(), "  webhooks           from --upstream, the first that matches:\n    https://a.example/{event}?code=")
		require.Contains(t, p.out.String(), "  hub chat\n    https://b.example/{Event}/{hubb}\n")
		require.NotContains(t, p.out.String()+p.logs.String(), "hidden")
		require.Contains(t, p.logs.String(), `braces="[{Event} {hubb}]"`)
		require.NoError(t, os.WriteFile(p.settings, []byte("{}"), 0o600))
	})
	t.Run("a settings.json that lies about", func(t *testing.T) {
		t.Chdir(t.TempDir())
		require.NoError(t, os.WriteFile(settingsFileName, []byte(`{"UpstreamSettings":{"Templates":[{"UrlTemplate":"http://localhost:7071/x"}]}}`), 0o600))
		p := start(t, "--settings", "")
		require.Contains(t, p.out.String(), "from settings.json, the first that matches:\n    http://localhost:7071/x\n")
		require.Contains(t, p.logs.String(), "msg=webhooks from=settings.json")
		code, out, stderr := command("config")
		require.Zero(t, code, stderr)
		require.Contains(t, out, "settings: settings.json\n")
	})
	t.Run("file, modes and what is unsafe", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "gateway.yaml")
		require.NoError(t, os.WriteFile(file, []byte("mode: classic\nhubs: {chat: {mode: default}}\nunsafeListenWithWellKnownKey: true\nupstream.allowLinkLocal: true\n"), 0o600))
		p := start(t, "--config", file, "--listen", "0.0.0.0:0", "--admin-listen", "0.0.0.0:0")
		for _, want := range []string{
			"  configuration      " + file + "\n", "  Default mode       hub chat\n", "AddAzureSignalR()",
			"  UNSAFE             0.0.0.0:0 can be reached from other machines with the emulator's access key",
			"  UNSAFE             metrics and memory profiles at 0.0.0.0:0 can be reached",
			"  UNSAFE             webhooks may go to link-local",
		} {
			require.Contains(t, p.out.String(), want)
		}
		require.NotContains(t, p.out.String(), "\n  webhooks ")
		require.Equal(t, 3, strings.Count(p.logs.String(), "level=WARN msg=unsafe"))
		status, _ := p.request(http.MethodGet, p.Admin+"/livez", "")
		require.Equal(t, http.StatusOK, status, "the name under which others reach it is not this program's to know")
	})
	t.Run("JSON logs stand alone", func(t *testing.T) {
		p := start(t, "--log-format", "json")
		require.Empty(t, p.out.String())
	})
}

func TestUnknownVariables(t *testing.T) {
	t.Setenv("HUBGATE_LISTN", "localhost:1")
	t.Setenv("HUBGATE_SERVICE_HOST", "10.0.0.1")
	t.Setenv("HUBGATE_PORT_8888_TCP", "tcp://10.0.0.1:8888")
	p := start(t)
	require.Contains(t, p.logs.String(), `variable="HUBGATE_LISTN; did you mean HUBGATE_LISTEN?"`)
	require.Equal(t, 1, strings.Count(p.logs.String(), "none of hubgate's"))
}

func TestFirstWords(t *testing.T) {
	for args, want := range map[string]string{
		"--version": "hubgate " + version() + " ", "help": "Commands: serve Run the gateway", "help send": "Usage: hubgate send", "version": "hubgate " + version() + " ",
	} {
		code, out, stderr := command(strings.Fields(args)...)
		require.Zero(t, code, stderr)
		require.Contains(t, strings.Join(strings.Fields(out), " "), strings.TrimSpace(want), args)
	}
	for args, want := range map[string]string{
		"serv":         `unknown verb "serv"; did you mean "serve"?`,
		"frobnicate x": `unknown verb "frobnicate"`,
		"send":         "expected ",
	} {
		code, _, stderr := command(strings.Fields(args)...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, want, args)
	}
}
