package settings_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

func TestTemplateInALogIsMasked(t *testing.T) {
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "template", settings.Template{
		URLTemplate: "https://h/?code=s3cret", EventPattern: webhook.PatternOf("connected")})
	require.NotContains(t, out.String(), "s3cret")
	require.Contains(t, out.String(), "template.event=connected")
}

// FuzzTemplateURL checks that a URL that is accepted and begins with text is
// an HTTP URL of one line.
func FuzzTemplateURL(f *testing.F) {
	for _, seed := range []string{
		"http://localhost:7071/runtime/webhooks/signalr", "http://h/{hub}/api/{category}/{event}?a={hub}",
		"{@env:URL}/x", "https://h/?code={@file:/run/secrets/code}", "http://h/\r\nX: y", "http://[::1]:{hub}/", "ftp://h", "http://0#\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := settings.Default()
		s.Upstream.Templates = []settings.Template{{URLTemplate: text}}
		if s.Validate() != nil {
			return
		}
		parts, err := webhook.ParseURL(text)
		require.NoError(t, err)
		if parts[0].Kind == webhook.Literal {
			require.NotContains(t, text, "\n")
			require.Regexp(t, `(?i)^https?://`, text)
		}
	})
}
