package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
)

func TestRedactedShowsNoSecret(t *testing.T) {
	t.Chdir(t.TempDir())
	out, err := mustParse(t, "--access-key="+testKey, "--secondary-key="+otherKey,
		"--upstream=https://user:s3cret@h/x?code=s3cret&hub={hub}", "--upstream=chat=https://h/?code={@env:KEY}").Redacted()
	require.NoError(t, err)
	text := string(out)
	for _, secret := range []string{testKey, otherKey, "s3cret", "user:"} {
		require.NotContains(t, text, secret)
	}
	require.Contains(t, text, "accessKey: '[redacted]'\nsecondaryKey: '[redacted]'\n")
	require.Contains(t, text, "urlTemplate: https://[redacted]@h/x?code=[redacted]&hub={hub}\n")
	require.Contains(t, text, "urlTemplate: https://h/?code={@env:KEY}\n      hubPattern: chat\n")
}

func TestRedactedMasksTheWellKnownKeyToo(t *testing.T) {
	t.Chdir(t.TempDir())
	out, err := mustParse(t).Redacted()
	require.NoError(t, err)
	require.NotContains(t, string(out), secret.EmulatorKey.Reveal())
	require.Contains(t, string(out), "secondaryKey: \"\"\n", "that there is none is no secret")
	require.Contains(t, string(out), "templates: []\n")
}

func TestRedactedIsAConfigFile(t *testing.T) {
	t.Chdir(t.TempDir())
	args := []string{
		"--listen=localhost:1", "--listen=[::1]:2", "--node=true", "--trusted-proxies=10.0.0.0/8,fd00::/8", "--tls-cert=c: d", "--tls-key=k",
		"--upstream-timeout=1m40s", "--upstream-max-response-bytes=3MiB", "--upstream-ignore-event-case", "--limits-hubs=0",
		"--limits-post-bytes=1000", "--clients-timeout=1m", "--auth-strict-audience=a,b", "--upstream-unmatched=silent", "--log-format=json",
		"--mode=classic", "--hub-mode=Chat=default", "--hub-mode=app_news=serverless", "--servers-grace-period=10s",
	}
	before := mustParse(t, args...)
	out, err := before.Redacted()
	require.NoError(t, err)
	// Masked keys would be too short, so put them back.
	file := strings.Replace(string(out), "accessKey: '[redacted]'", "accessKey: "+secret.EmulatorKey.Reveal(), 1)
	after := mustParse(t, "--config", write(t, "c.yaml", file))
	again, err := after.Redacted()
	require.NoError(t, err)
	require.Equal(t, string(out), string(again))

	want, err := before.Settings()
	require.NoError(t, err)
	got, err := after.Settings()
	require.NoError(t, err)
	require.Equal(t, want.Mode, got.Mode)
	require.Equal(t, want.Hubs, got.Hubs)
	require.Len(t, got.Hubs, 2)
	require.Equal(t, want.Servers, got.Servers)
	require.Equal(t, want.Upstream.Timeout, got.Upstream.Timeout)
	require.Equal(t, want.Limits, got.Limits)
	require.Equal(t, want.Clients, got.Clients)
	require.Equal(t, want.Auth, got.Auth)
	require.Equal(t, before.Network, after.Network)
	require.Equal(t, before.TLS, after.TLS)

	_, err = mustParse(t, "--config", write(t, "c.yaml", string(out))).Settings()
	require.ErrorContains(t, err, "accessKey: must have 32 to 256 bytes", "a masked key serves nothing")
}

func TestRedactedTellsOfABrokenSettingsFile(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("settings.json", []byte("{"), 0o600))
	_, err := mustParse(t).Redacted()
	require.ErrorContains(t, err, "settings.json: line 1")
}
