package auth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/auth"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	connection, err := auth.ParseConnectionString(auth.FormatConnectionString("http://localhost", 8888, key))
	require.NoError(t, err)
	values := map[string]any{
		"secret":            key,
		"pointer":           new(key),
		"list":              []auth.Secret{key},
		"struct":            struct{ Key auth.Secret }{key},
		"connection string": connection,
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
	require.Equal(t, "abc", auth.Secret("abc").Reveal())
	require.Equal(t, "[redacted]", fmt.Sprint(auth.Secret("abc")))
	require.Equal(t, "", fmt.Sprint(auth.Secret("")), "an unset key is seen to be unset")
	require.True(t, auth.Secret("abc").Equal("abc"))
	require.False(t, auth.Secret("abc").Equal("abd"))
	require.False(t, auth.Secret("abc").Equal(""))
}
