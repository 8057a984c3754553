package settings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

// Browsers send each origin in one spelling: an origin of the configuration that is written in
// another one would never be met.
func TestNormalOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"*": "*", "null": "null",
		"https://app.example": "https://app.example", "http://localhost:3000": "http://localhost:3000",
		"https://app.example:443": "https://app.example", "http://app.example:80": "http://app.example",
		"https://app.example:80":      "https://app.example:80",
		"HTTPS://App.Example/":        "https://app.example",
		"https://b\u00fccher.example": "https://xn--bcher-kva.example", "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
		"http://[::1]:80": "http://[::1]", "http://[::1]:3000": "http://[::1]:3000", "http://127.0.0.1:3000": "http://127.0.0.1:3000",
		"chrome-extension://abcdefghijklmnop": "chrome-extension://abcdefghijklmnop", "capacitor://localhost": "capacitor://localhost",
		"http://my_app.internal": "http://my_app.internal",
	} {
		got, err := settings.NormalOrigin(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "app.example", "https://", "https://app.example/x", "https://app.example?x", "https://u@app.example", "//app.example", "mailto:a@b"} {
		_, err := settings.NormalOrigin(text)
		require.ErrorContains(t, err, "is neither", text)
	}
	_, err := settings.NormalOrigin("https://*.app.example")
	require.ErrorContains(t, err, "list each origin")
}
