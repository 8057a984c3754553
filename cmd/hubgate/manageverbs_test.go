package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// manage runs a command about the program's settings, which has to succeed.
func (p *program) manage(words ...string) string {
	p.t.Helper()
	code, out, stderr := command(append(words, p.adminAt(), "--connection-string="+p.connectionString())...)
	require.Zero(p.t, code, stderr)
	return out
}

// Settings are shown and changed by commands like those of az, at the running gateway.
func TestCommandsChangeTheRunningGateway(t *testing.T) {
	t.Parallel()
	p := start(t)
	require.Equal(t, "Serverless\n", p.manage("mode", "get"))
	require.Contains(t, p.manage("mode", "set", "default", "--note", "hub servers"), "revision 2")
	require.Contains(t, p.dial("chat", auth.ClientTokenSpec{}).handshake(), "No hub server is connected")
	p.manage("mode", "set", "Serverless")

	h := newHook(t, answers("hook"))
	require.Contains(t, p.manage("upstream", "update", "--template", "url-template="+h.template()+" hub-pattern=chat"), h.template())
	require.Equal(t, "result hook", seeWebhook(t, p))
	require.Contains(t, p.manage("upstream", "list", "-o", "json"), `"hubPattern": "chat"`)
	p.manage("upstream", "clear")
	require.NotEqual(t, "result hook", seeWebhook(t, p))

	require.Equal(t, "*\n", p.manage("cors", "list"))
	require.Equal(t, "https://a.example\nhttps://b.example\n", p.manage("cors", "add", "https://a.example", "https://b.example"))
	require.Equal(t, "https://b.example\n", p.manage("cors", "remove", "https://a.example"))
	require.Empty(t, seeOrigin(t, p, "https://a.example"))
	require.Equal(t, "*\n", p.manage("cors", "remove", "https://b.example"))

	p.manage("network-rule", "update", "--default-action", "Allow", "--deny", "ClientConnection")
	require.Equal(t, "403", p.enter("chat", auth.ClientTokenSpec{}))
	p.manage("network-rule", "update", "--default-action", "Deny", "--allow", "ClientConnection,RESTAPI")
	require.Contains(t, p.manage("network-rule", "ip-rule", "add", "127.0.0.1=Deny"), "Deny 127.0.0.1")
	require.Equal(t, "403", p.enter("chat", auth.ClientTokenSpec{}))
	require.NotContains(t, p.manage("network-rule", "ip-rule", "remove", "127.0.0.1"), "Deny 127.0.0.1")
	require.Equal(t, "connected", p.enter("chat", auth.ClientTokenSpec{}))

	p.manage("settings", "set", "properties.serverless.keepAliveIntervalInSeconds=7", "properties.hubgate.limits.hubs=5", "tags.team=chat", `tags.odd="a"] b`)
	shown := p.manage("settings", "show")
	require.Regexp(t, `properties.serverless.keepAliveIntervalInSeconds +7 +settings`, shown)
	require.Regexp(t, `properties.serverless.connectionTimeoutInSeconds +120 +configuration`, shown)
	require.Contains(t, shown, `"\"a\"] b"`, "what is no JSON is a text, all of it")
	history := p.manage("settings", "history")
	require.Contains(t, history, "hub servers")
	require.Contains(t, history, "the configuration")
	p.manage("settings", "set", "tags.team=news", "--note", "\x1b[31mred\u202e")
	require.Contains(t, p.manage("settings", "history"), `\x1b[31mred\u202e`, "a note moves no terminal's cursor")
	p.manage("settings", "rollback", "1")
	require.Regexp(t, `properties.serverless.keepAliveIntervalInSeconds +15 +configuration`, p.manage("settings", "show"))

	code, _, stderr := command("settings", "set", "properties.serverless.keepAliveIntervalInSeconds=121", p.adminAt())
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "properties.serverless.keepAliveIntervalInSeconds must be between 1 and 120, not 121")

	ann := p.connect("chat", "ann")
	p.manage("restart")
	ann.wantClose(true)
	require.Contains(t, p.manage("key", "list"), auth.EmulatorKey.Reveal())
	var keys map[string]string
	require.NoError(t, json.Unmarshal([]byte(p.manage("key", "renew", "--key-type", "primary", "-o", "json")), &keys))
	require.Equal(t, "202", p.statusWithKey(auth.Secret(keys["primaryKey"])))
	require.Equal(t, "401", p.statusWithKey(auth.EmulatorKey))
}

// What was exported can be imported, and so can the emulator's file; what means nothing here is named.
func TestExportAndImport(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.manage("settings", "set", "properties.features=[{\"flag\":\"ServiceMode\",\"value\":\"Classic\"}]", "location=local")
	exported := p.manage("settings", "export")
	require.Contains(t, exported, "deploymentTemplate.json")
	file := filepath.Join(t.TempDir(), "template.json")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(exported, `"properties": {`, `"properties": {"future": 1,`, 1)), 0o600))
	other := start(t)
	code, _, stderr := command("settings", "import", file, other.adminAt(), "--dry-run")
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "ignored: properties.future")
	require.Equal(t, "Serverless\n", other.manage("mode", "get"))
	changed := other.manage("settings", "import", file)
	require.Contains(t, changed, `[{"flag":"ServiceMode","value":"Classic"}]`, "a change is one line")
	require.Equal(t, "Classic\n", other.manage("mode", "get"))
	require.Equal(t, "nothing has changed\n", other.manage("settings", "import", file))
	require.NoError(t, os.WriteFile(file, []byte(`{"type":"Microsoft.SignalRService/SignalR","properties":{"upstream":{"templates":[{"urlTemplate":"[concat('http://', parameters('host'))]"}]}}}`), 0o600))
	code, _, stderr = command("settings", "import", file, other.adminAt())
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "properties.upstream.templates[0].urlTemplate is missing\n  properties.upstream.templates[0].urlTemplate ([concat('http://', parameters('host'))]) was left out")
	code, _, stderr = command("mode", "get", "--admin", other.URL)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "this needs the admin address")
	code, _, stderr = command("mode", "get", other.adminAt(), "--admin-token-file", secretFile(t, "wrong"))
	require.Equal(t, exitError, code)
	require.Equal(t, "hubgate: 401 Unauthorized: the admin token is wrong\n", stderr)

	h := newHook(t, answers("hook"))
	require.NoError(t, os.WriteFile(file, []byte(`{ // the emulator's
		"Logging": {}, `+settingsWith(h.template())[1:]), 0o600))
	code, _, stderr = command("settings", "import", file, p.adminAt())
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "ignored: logging")
	p.manage("mode", "set", "serverless")
	require.Equal(t, "result hook", seeWebhook(t, p))
}

// One connection is shown and closed, and so are those of a user and of a group.
func TestConnectionsAreShownAndClosed(t *testing.T) {
	t.Parallel()
	p := start(t)
	at := "--connection-string=" + p.connectionString()
	ann, bob := p.connect("chat", "ann"), p.connect("chat", "bob")
	code, out, stderr := command("connection", "show", "chat", ann.id, at)
	require.Zero(t, code, stderr)
	require.Contains(t, out, `"ann"`)
	code, _, stderr = command("connection", "close", "chat", ann.id, at, "--reason", "enough")
	require.Zero(t, code, stderr)
	require.Contains(t, ann.next(), "enough")
	code, _, stderr = command("user", "close", "chat", "bob", at)
	require.Zero(t, code, stderr)
	require.Contains(t, bob.next(), `"type":7`)
	code, _, _ = command("connection", "show", "chat", "nobody", at)
	require.Equal(t, exitError, code)
}
