package webhook_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/webhook"
)

func TestParseURL(t *testing.T) {
	type parts = []webhook.Part
	literal := func(s string) webhook.Part { return webhook.Part{Kind: webhook.Literal, Text: s} }
	tests := []struct {
		name, text string
		want       parts
		err        string
	}{
		{"literal only", "http://h/x", parts{literal("http://h/x")}, ""},
		{"all placeholders", "http://{hub}/{category}/{event}", parts{
			literal("http://"), {Kind: webhook.Hub}, literal("/"), {Kind: webhook.Category},
			literal("/"), {Kind: webhook.Event}}, ""},
		{"two in a row", "{hub}{hub}", parts{{Kind: webhook.Hub}, {Kind: webhook.Hub}}, ""},
		{"other letter case is literal", "http://h/{Hub}", parts{literal("http://h/{Hub}")}, ""},
		{"other braces are literal", "http://h/{x}{{hub}}", parts{
			literal("http://h/{x}{"), {Kind: webhook.Hub}, literal("}")}, ""},
		{"variable", "http://h/?code={@env:KEY_1}&x", parts{
			literal("http://h/?code="), {Kind: webhook.Env, Text: "KEY_1"}, literal("&x")}, ""},
		{"file", "http://h/?code={@file:/run/secrets/a b}", parts{
			literal("http://h/?code="), {Kind: webhook.File, Text: "/run/secrets/a b"}}, ""},
		{"empty", "", nil, ""},
		{"variable without name", "http://h/{@env:}", nil, "name of an environment variable"},
		{"variable with a bad name", "http://h/{@env:1A}", nil, "name of an environment variable"},
		{"file without path", "http://h/{@file:}", nil, "path of a file"},
		{"unknown reference", "http://h/{@vault:x}", nil, "{@env:NAME} or {@file:PATH}"},
		{"unfinished reference", "http://h/{@env:KEY", nil, `no "}"`},
		{"Key Vault", "http://h/{@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)}", nil,
			"Key Vault references are not supported"},
		{"Key Vault in other letters", "{@microsoft.keyvault(", nil, "Key Vault references are not supported"},
		{"control character", "http://h/\x7f", nil, "byte 9 is a control character"},
		{"line feed in the fragment", "http://h/#\n", nil, "byte 10 is a control character"},
		{"too long", strings.Repeat("a", 8<<10+1), nil, "longer than 8192 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := webhook.ParseURL(tt.text)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestRedactURL(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing secret", "http://h:7071/{hub}/x", "http://h:7071/{hub}/x"},
		{"query value", "https://h/x?code=s3cret&hub={hub}", "https://h/x?code=[redacted]&hub={hub}"},
		{"value with an equals sign", "https://h/x?code=s3cret==&b", "https://h/x?code=[redacted]&[redacted]"},
		{"a value without a name", "http://h/?a=b&s3cret&c=d", "http://h/?a=[redacted]&[redacted]&c=[redacted]"},
		{"a query that is one value", "http://h/?s3cret", "http://h/?[redacted]"},
		{"beginning from a file", "{@file:/x}?code=s3cret", "{@file:/x}?code=[redacted]"},
		{"value around a placeholder", "https://h/?a=s3{hub}cret", "https://h/?a=[redacted]{hub}[redacted]"},
		{"empty value", "https://h/?a=&b=", "https://h/?a=&b="},
		{"references stay", "https://h/?code={@env:KEY}&f={@file:/a?b=c}", "https://h/?code={@env:KEY}&f={@file:/a?b=c}"},
		{"user info", "https://me:s3cret@h/x@y", "https://[redacted]@h/x@y"},
		{"user info with two at signs", "https://me:s3@cret@h/", "https://[redacted]@h/"},
		{"user info with a placeholder", "https://{hub}:s3cret@h/", "https://[redacted]@h/"},
		{"host from a variable", "https://{@env:HOST}/x", "https://{@env:HOST}/x"},
		{"fragment", "https://h/?a=s3cret#top", "https://h/?a=[redacted]"},
		{"does not parse", "https://h/?code=s3cret{@", "[redacted]"},
		{"at sign in a query name", "https://h?s@a=s3cret", "https://h?s@a=[redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, webhook.RedactURL(tt.text))
		})
	}
}

// FuzzURL checks that the parts are the template again and that what does not
// parse is not shown.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"http://localhost:7071/runtime/webhooks/signalr", "http://h/{hub}/api/{category}/{event}?a={hub}",
		"{@env:URL}/x", "https://h/?code={@file:/run/secrets/code}", "http://{{hub}", "{@", "{@env:", "{@env:A",
		"https://u:p@h/?a=b=c&d#e", "{@Microsoft.KeyVault(SecretUri=https://v/)}", "http://h/\r\nX: y", "http://[::1]:{hub}/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		masked := webhook.RedactURL(text)
		parts, err := webhook.ParseURL(text)
		if err != nil {
			require.Equal(t, "[redacted]", masked)
			return
		}
		var joined strings.Builder
		for _, p := range parts {
			joined.WriteString(p.String())
		}
		require.Equal(t, text, joined.String())
	})
}
