package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/secret"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	const key secret.Text = "a-key-that-no-time-stamp-can-contain"
	values := map[string]any{
		"secret":  key,
		"pointer": new(key),
		"list":    []secret.Text{key},
		"struct":  struct{ Key secret.Text }{key},
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			var shown bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
				fmt.Fprintf(&shown, verb+"\n", value)
			}
			slog.New(slog.NewTextHandler(&shown, nil)).Info("text", "value", value)
			slog.New(slog.NewJSONHandler(&shown, nil)).Info("json", "value", value)
			asJSON, err := json.Marshal(value)
			require.NoError(t, err)
			asYAML, err := yaml.Marshal(value)
			require.NoError(t, err)
			shown.Write(asJSON)
			shown.Write(asYAML)
			require.NotContains(t, shown.String(), key.Reveal())
			require.NotContains(t, shown.String(), fmt.Sprintf("%x", key.Reveal()))
			require.NotContains(t, shown.String(), fmt.Sprintf("%X", key.Reveal()))
			require.Contains(t, shown.String(), "[redacted]")
		})
	}
}

func TestSecret(t *testing.T) {
	require.Equal(t, "abc", secret.Text("abc").Reveal())
	require.Equal(t, "[redacted]", fmt.Sprint(secret.Text("abc")))
	require.Equal(t, "", fmt.Sprint(secret.Text("")), "an unset key is seen to be unset")
	require.True(t, secret.Text("abc").Equal("abc"))
	require.False(t, secret.Text("abc").Equal("abd"))
	require.False(t, secret.Text("abc").Equal(""))
}
