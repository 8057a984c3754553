package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfigFileMistakes(t *testing.T) {
	tests := []struct{ name, text, err string }{
		{"letter missing", "acessKey: x", `c.yaml:1: unknown key "acessKey"; did you mean "accessKey"?`},
		{"letter case", "\naccesskey: x", `c.yaml:2: unknown key "accesskey"; did you mean "accessKey"?`},
		{"a flag's spelling", "access-key: x", `unknown key "access-key"; did you mean "accessKey"?`},
		{"a variable's spelling", "upstream_timeout: 1s", `unknown key "upstream_timeout"; did you mean "upstream.timeout"?`},
		{"section missing", "keepAlive: 1s", `unknown key "keepAlive"; did you mean "clients.keepAlive" or "aspnet.keepAlive"?`},
		{"in two sections", "timeout: 1s", `unknown key "timeout"; did you mean "upstream.timeout" or "clients.timeout" or "aspnet.timeout"?`},
		{"section misspelt", "upstreams: {}", `unknown key "upstreams"; did you mean "upstream"?`},
		{"in its section", "limits:\n  hub: 1", `c.yaml:2: unknown key "limits.hub"; did you mean "limits.hubs"?`},
		{"nothing like it", "frobnicate: 1", `unknown key "frobnicate"`},
		{"key of a template", "upstream: {templates: [{url: http://h, hubPatern: x}]}",
			`upstream.templates: unknown key "hubPatern"; did you mean "hubPattern"?`},
		{"a key that only a flag has", "config: x", `unknown key "config"`},
		{"very long key", strings.Repeat("accessKey", 20) + ": x", "unknown key"},
		{"given twice", "accessKey: x\naccessKey: y", `c.yaml:2: "accessKey" is given twice`},
		{"given twice in two ways", "upstream: {timeout: 1s}\nupstream.timeout: 2s", `"upstream.timeout" is given twice`},
		{"no value", "accessKey:", "c.yaml:1: accessKey has no value"},
		{"a map for a value", "accessKey: {a: b}", "accessKey must be a single value"},
		{"a list for a value", "accessKey: [a]", "accessKey takes one value, not a list"},
		{"a list in a list", "listen: [[a]]", "listen must be a single value"},
		{"a value for a section", "upstream: http://h", "upstream must be a map"},
		{"a list for the file", "[a]", "the file must be a map"},
		{"templates are no list", "upstream: {templates: http://h}", "upstream.templates must be a list"},
		{"hubs are no map", "hubs: [chat]", "c.yaml:1: hubs must be a map"},
		{"a hub is no map", "hubs:\n  chat: default", "c.yaml:2: hubs.chat must be a map of keys and values: write chat: {mode: default}"},
		{"key of a hub", "hubs: {chat: {mod: default}}", `hubs.chat: unknown key "mod"; did you mean "mode"?`},
		{"no mode", "hubs: {chat: {mode: }}", "hubs.chat.mode has no value"},
		{"hub given twice", "hubs: {chat: {mode: default}, Chat: {mode: classic}}", `hubs: "Chat" is given twice`},
		{"hubs with a dot", "hubs.chat: {mode: default}", `unknown key "hubs.chat"`},
		{"alias", "node: &a x\naccessKey: *a", "accessKey: aliases are not supported"},
		{"merge", "upstream:\n  <<: {timeout: 1s}", `unknown key "upstream.<<"`},
		{"tag", "accessKey: !!binary eA==", "accessKey: tags are not supported"},
		{"two documents", "node: a\n---\nnode: b", "c.yaml: holds more than one document"},
		{"no YAML", "a: b: c", "c.yaml: "},
		{"kind of a value", "\nclients:\n  keepAlive: 15", `c.yaml:3: clients.keepAlive: expected a duration but got "15": write 15s`},
		{"kind of a number", "limits: {hubs: many}", `limits.hubs: expected a valid 64 bit int but got "many"`},
		{"kind in a list", "trustedProxies: [proxy]", "c.yaml:1: trustedProxies: "},
		{"unknown word", "mode: defalt", `c.yaml:1: mode: "defalt" is none of "default", "serverless" and "classic"`},
		{"unknown word of a hub", "hubs:\n  chat: {mode: defalt}", `c.yaml:2: hubs.chat.mode: "defalt" is none of`},
		{"URL of a template", "upstream: {templates: [{url: http://h}]}", `unknown key "url"; did you mean "urlTemplate"?`},
		{"too large", "#" + strings.Repeat(" ", 1<<20), "is larger than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("--config", write(t, "c.yaml", tt.text))
			require.ErrorContains(t, err, tt.err)
			require.Less(t, len(err.Error()), 20_000)
		})
	}
	t.Run("all are told", func(t *testing.T) {
		_, err := parse("--config", write(t, "c.yaml", "nod: x\nlimits: {hub: 1}"))
		require.ErrorContains(t, err, `did you mean "node"?`)
		require.ErrorContains(t, err, `did you mean "limits.hubs"?`)
	})
	t.Run("missing file", func(t *testing.T) {
		_, err := parse("--config", "does-not-exist.yaml")
		require.ErrorContains(t, err, "does-not-exist.yaml")
	})
}

func TestConfigFileForms(t *testing.T) {
	tests := []struct{ name, text string }{
		{"YAML", "node: n1\nlimits:\n  hubs: 5\n"},
		{"dotted", "node: n1\nlimits.hubs: 5\n"},
		{"JSON", `{"node": "n1", "limits": {"hubs": 5}}`},
		{"JSON with tabs", "{\n\t\"node\": \"n1\",\n\t\"limits\": {\n\t\t\"hubs\": 5\n\t}\n}\n"},
		{"JSON on one line", `{"node":"n1","limits":{"hubs":5}}`},
		{"byte order mark", "\ufeffnode: n1\nlimits: {hubs: 5}"},
		{"UTF-16 as PowerShell writes it", "\xff\xfen\x00o\x00d\x00e\x00:\x00 \x00n\x001\x00\n\x00l\x00i\x00m\x00i\x00t\x00s\x00.\x00h\x00u\x00b\x00s\x00:\x00 \x005\x00"},
		{"comments and CRLF", "# x\r\nnode: n1 # y\r\nlimits:\r\n  hubs: 5\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustParse(t, "--config", write(t, "c.yaml", tt.text))
			require.Equal(t, "n1", c.Network.Node)
			require.Equal(t, 5, c.Capacity.Hubs)
		})
	}
	for name, text := range map[string]string{"empty": "", "comment": "# nothing\n", "null": "null", "marker": "---\n"} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 10_000, mustParse(t, "--config", write(t, "c.yaml", text)).Capacity.Hubs)
		})
	}
}
