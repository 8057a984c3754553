package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

// What the nodes share wins over all that a node was given by itself, and nothing else changes.
func TestSharedOptionsWin(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HUBGATE_CLIENTS_KEEP_ALIVE", "9s")
	file := write(t, "hubgate.yaml", "limits.hubs: 3\nlimits.maxConnections: 7\nhubs: {own: {mode: classic}}\n")
	c := mustParse(t, "--config="+file, "--mode=classic", "--upstream=http://own/hook", "--node=n")
	merged, err := c.WithShared([]byte(`
mode: default
limits: {hubs: 5}
clients.keepAlive: 20s
cors.allowedOrigins: [https://one.example, https://two.example]
hubs: {chat: {mode: serverless}}
upstream.templates:
  - urlTemplate: http://shared/hook
`))
	require.NoError(t, err)
	s, err := merged.Settings()
	require.NoError(t, err)
	require.Equal(t, settings.DefaultMode, s.Mode)
	require.Equal(t, 5, s.Limits.Hubs)
	require.Equal(t, 7, s.Limits.MaxConnections)
	require.Equal(t, 20*time.Second, s.Clients.KeepAlive)
	require.Equal(t, []string{"https://one.example", "https://two.example"}, s.CORS.AllowedOrigins)
	require.Equal(t, map[string]settings.Hub{"chat": {Mode: settings.Serverless}}, s.Hubs)
	require.Len(t, s.Upstream.Templates, 1)
	require.Equal(t, "http://shared/hook", s.Upstream.Templates[0].URLTemplate)
	require.Equal(t, "n", merged.Network.Node)

	before, err := c.Settings()
	require.NoError(t, err, "what was given is as it was")
	require.Equal(t, settings.Classic, before.Mode)
	require.Equal(t, "http://own/hook", before.Upstream.Templates[0].URLTemplate)
	require.Equal(t, []string{"mode", "cors.allowedOrigins", "limits.hubs", "clients.keepAlive", "upstream.templates", "hubs"}, inAnyOrder(c.Changed(merged, &before, &s)))

	nothing, err := c.WithShared(nil)
	require.NoError(t, err)
	same, err := nothing.Settings()
	require.NoError(t, err)
	require.Equal(t, before, same)
}

// inAnyOrder has the names in the order of this test: that of the fields is no promise.
func inAnyOrder(names []string) (sorted []string) {
	for _, name := range []string{"mode", "cors.allowedOrigins", "limits.hubs", "clients.keepAlive", "upstream.templates", "hubs"} {
		for _, one := range names {
			if one == name {
				sorted = append(sorted, name)
			}
		}
	}
	if len(sorted) != len(names) {
		return names
	}
	return sorted
}

func TestWhatCannotBeShared(t *testing.T) {
	t.Chdir(t.TempDir())
	c := mustParse(t)
	for text, want := range map[string]string{
		"node: a":                                         "shared settings:1: node is read only when a node starts",
		"\ncluster.lease: 30s":                            "shared settings:2: cluster.lease is read only when a node starts",
		"accessKey: 0123456789":                           "shared settings:1: accessKey is a secret: give it to each node",
		"secondaryKey: 0123456789":                        "secondaryKey is a secret",
		"upstream.allowedEnv: [HOME]":                     "shared settings:1: upstream.allowedEnv says what webhooks may read or reach from a node: give it to each node",
		"upstream:\n  allowedFiles: [/]":                  "shared settings:2: upstream.allowedFiles says what",
		"upstream.allowLinkLocal: true":                   "shared settings:1: upstream.allowLinkLocal says what",
		"upstream: {tokenUrl: 'https://elsewhere/token'}": "shared settings:1: upstream.tokenUrl says what",
		"oidc.issuers: ['https://elsewhere']":             "shared settings:1: oidc.issuers says whose tokens are accepted: give it to each node",
		"oidc.serverClaims: ['sub=me']":                   "oidc.serverClaims says whose",
		"limits.hub: 1":                                   "unknown",
		"limits.hubs: many":                               "shared settings:1: limits.hubs",
		"mode: other":                                     "mode",
		"clients: {keepAlive: 20}":                        "shared settings:1: clients.keepAlive: expected a duration",
		"mode: default\nmode: other":                      "given twice",
		"- mode":                                          "must be a map",
	} {
		_, err := c.WithShared([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
