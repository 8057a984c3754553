package settings_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

func TestSecretShowsNowhere(t *testing.T) {
	const text = "0123456789abcdef0123456789abcdef"
	keys := settings.Keys{Primary: text}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%5.3t"} {
		t.Run(verb, func(t *testing.T) {
			require.NotContains(t, fmt.Sprintf(verb, settings.Secret(text)), "0123")
			require.NotContains(t, fmt.Sprintf(verb, keys), "0123")
			require.NotContains(t, fmt.Sprintf(verb, &keys), "0123")
			require.NotContains(t, fmt.Sprintf(verb, keys), "30313233", "in hexadecimal")
		})
	}
	t.Run("JSON", func(t *testing.T) {
		out, err := json.Marshal(keys)
		require.NoError(t, err)
		require.JSONEq(t, `{"Primary": "[redacted]", "Secondary": ""}`, string(out))
	})
	t.Run("log", func(t *testing.T) {
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", keys.Primary, "keys", keys)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", keys.Primary, "keys", keys)
		require.NotContains(t, out.String(), "0123")
		require.Contains(t, out.String(), "[redacted]")
	})
	t.Run("Reveal", func(t *testing.T) {
		require.Equal(t, text, settings.Secret(text).Reveal())
	})
}

func TestKeysAll(t *testing.T) {
	require.Equal(t, []settings.Secret{"a"}, settings.Keys{Primary: "a"}.All())
	require.Equal(t, []settings.Secret{"a", "b"}, settings.Keys{Primary: "a", Secondary: "b"}.All())
	require.False(t, settings.Keys{Primary: "a"}.HasEmulatorKey())
	require.True(t, settings.Keys{Primary: "a", Secondary: settings.EmulatorKey}.HasEmulatorKey())
}
