package hubserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnectionStringDoesNotShowItsKey(t *testing.T) {
	const key = "0123456789012345678901234567890123456789"
	c, err := ParseConnectionString(testConnectionString + "ClientEndpoint=https://clients.example/;")
	require.NoError(t, err)
	require.Equal(t, "Endpoint=http://gateway:8888;AccessKey=[redacted];ClientEndpoint=https://clients.example;", c.String())
	var shown bytes.Buffer
	for _, value := range []any{c, &c, newTestServer(), NewServer(c)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&shown, verb, value)
		}
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "value", value)
		slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "value", value)
	}
	require.NoError(t, json.NewEncoder(&shown).Encode(c))
	require.NotContains(t, shown.String(), key)
	require.NotContains(t, shown.String(), fmt.Sprintf("%x", key))
	require.Empty(t, ConnectionString{}.String())
}

func TestParseConnectionString(t *testing.T) {
	for text, want := range map[string]string{
		"nonsense":                                "connection string: part 1",
		"AccessKey=s3cret":                        "no Endpoint",
		"Endpoint=http://x;AuthType=azure;":       "only access keys are supported",
		"Endpoint=http://x;AccessKey=a;Version=2": "only versions 1.x",
	} {
		_, err := ParseConnectionString(text)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "s3cret")
		require.Panics(t, func() { MustParseConnectionString(text) })
	}
}
