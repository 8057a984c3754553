package upstream

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/webhook"
)

// expand is what one template makes of the names.
func expand(text string, n names, allowed AllowedSecrets) (string, error) {
	p := newPlan(&Config{Templates: []Template{{URL: text}}, Secrets: allowed})
	at, err := p.templates[0].endpoint(n, &secretStore{})
	if err != nil {
		return "", err
	}
	return at.url.String(), nil
}

func TestTemplateExpansion(t *testing.T) {
	for _, c := range []struct{ name, template, event, want string }{
		{"R62 placeholders", "http://h/{hub}/api/{category}/{event}", "a b/ü", "http://h/chat/api/messages/a%20b%2F%C3%BC"},
		{"R62 unreserved stay", "http://h/{event}", "aZ09-_.~", "http://h/aZ09-_.~"},
		{"R62 all else is encoded", "http://h/{event}", "!*'()+&=?#%;:@$,[]{}", "http://h/%21%2A%27%28%29%2B%26%3D%3F%23%25%3B%3A%40%24%2C%5B%5D%7B%7D"},
		{"R62 in a query", "https://h/?code=k&e={event}", "a&b", "https://h/?code=k&e=a%26b"},
		{"R62 in a host", "https://{hub}.example:81/x", "e", "https://chat.example:81/x"},
		{"R62 a value is not expanded again", "http://h/{event}", "{hub}", "http://h/%7Bhub%7D"},
		{"R62 other braces are literal, and an escaped slash stays one", "http://h/{Event}/{event}", "a/b", "http://h/%7BEvent%7D/a%2Fb"},
		{"spaces and letters beyond ASCII", "http://h/a b/é?q=a b", "e", "http://h/a%20b/%C3%A9?q=a%20b"},
		{"fragment is dropped", "http://h/x#y", "e", "http://h/x"},
		{"dots inside of a name", "http://h/{event}", "a..b", "http://h/a..b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := expand(c.template, names{"chat", "messages", c.event}, AllowedSecrets{})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestTemplateRefusals(t *testing.T) {
	t.Setenv("UPSTREAM_OTHER", "s3cret")
	for _, c := range []struct{ name, template, event, says string }{
		{"relative", "/api", "e", "absolute"},
		{"other scheme", "ftp://h/", "e", "absolute"},
		{"no host", "http:///x", "e", "absolute"},
		{"host made of a name that cannot be one", "http://{event}/", "a b", "not valid"},
		{"bad escape", "http://h/%zz", "e", "not valid"},
		{"a name that climbs", "http://h/{event}", "..", `".."`},
		{"a name that stays", "http://h/{event}/x", ".", `"."`},
		{"too long", "http://h/" + strings.Repeat("x", webhook.MaxURLBytes), "e", "longer"},
		{"R65 Key Vault", "http://h/?code={@Microsoft.KeyVault(SecretUri=https://v/s)}", "e", "not supported"},
		{"R65 unfinished", "http://h/?code={@env:X", "e", "no \"}\""},
		{"R65 unknown variable", "http://h/?code={@env:UPSTREAM_UNSET}", "e", "not set"},
		{"R65 variable not in the list", "http://h/?code={@env:UPSTREAM_OTHER}", "e", "list"},
		{"R65 file not in the list", "http://h/?code={@file:/etc/hostname}", "e", "list"},
		{"R65 path that leaves the list", "http://h/?code={@file:/secrets/../etc/hostname}", "e", "list"},
		{"R65 relative path", "http://h/?code={@file:secrets/x}", "e", "list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := expand(c.template, names{"chat", "messages", c.event}, AllowedSecrets{
				Env: []string{"UPSTREAM_UNSET"}, Files: []string{"/secrets/"},
			})
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestTemplateSecretsAreReadWhenUsed(t *testing.T) {
	t.Setenv("UPSTREAM_CODE", "one")
	p := newPlan(&Config{
		Templates: []Template{{URL: "http://h/{event}?code={@env:UPSTREAM_CODE}"}},
		Secrets:   AllowedSecrets{Env: []string{"UPSTREAM_CODE"}},
	})
	var store secretStore
	for _, value := range []string{"one", "two", "one"} {
		t.Setenv("UPSTREAM_CODE", value)
		for range 2 {
			at, err := p.templates[0].endpoint(names{event: "e"}, &store)
			require.NoError(t, err)
			require.Equal(t, "http://h/e?code="+value, at.url.String())
		}
	}
}

func TestTemplateFileIsReadAgainAfterSeconds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "code")
	require.NoError(t, os.WriteFile(path, []byte("one\n"), 0o600))
	synctest.Test(t, func(t *testing.T) {
		p := newPlan(&Config{
			Templates: []Template{{URL: "http://h/?code={@file:" + path + "}"}},
			Secrets:   AllowedSecrets{Files: []string{dir + string(filepath.Separator)}},
		})
		var store secretStore
		code := func() string {
			at, err := p.templates[0].endpoint(names{}, &store)
			if err != nil {
				return err.Error()
			}
			return at.url.Query().Get("code")
		}
		require.Equal(t, "one", code())
		require.NoError(t, os.WriteFile(path, []byte("three"), 0o600))
		require.Equal(t, "one", code(), "not looked at again so soon")
		time.Sleep(fileCheckPeriod)
		require.Equal(t, "three", code())
		require.NoError(t, os.Remove(path))
		time.Sleep(fileCheckPeriod)
		require.Contains(t, code(), "no such file")
		require.NoError(t, os.WriteFile(path, []byte("four"), 0o600))
		time.Sleep(fileCheckPeriod)
		require.Equal(t, "four", code())
	})
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	for _, c := range []struct{ name, path, says string }{
		{"empty", write("empty", "\r\n"), "empty"},
		{"too large", write("large", strings.Repeat("x", maxSecretBytes+10)), "8 KiB"},
		{"directory", dir, "regular file"},
		{"missing", filepath.Join(dir, "missing"), "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := (&secretStore{}).resolve(webhook.Part{Kind: webhook.File, Text: c.path}, &AllowedSecrets{Files: []string{c.path}})
			require.ErrorContains(t, err, c.says)
		})
	}
}

// Names come from clients: neither they nor what is made of them may pile up.
func TestEndpointCacheIsBounded(t *testing.T) {
	p := newPlan(toAll("http://h/{event}"))
	one := p.templates[0]
	for i := range 3 * maxEndpoints {
		_, err := one.endpoint(names{event: fmt.Sprint("e", i)}, &secretStore{})
		require.NoError(t, err)
		require.LessOrEqual(t, len(one.endpoints), maxEndpoints)
	}
	long := strings.Repeat("x", maxCachedName+1)
	_, err := one.endpoint(names{event: long}, &secretStore{})
	require.NoError(t, err)
	require.NotContains(t, one.endpoints, names{event: long})

	a, _ := one.endpoint(names{hub: "h1", event: "same"}, &secretStore{})
	b, _ := one.endpoint(names{hub: "h2", event: "same"}, &secretStore{})
	require.Same(t, a, b, "names that the template does not use make no difference")
}

func FuzzTemplate(f *testing.F) {
	f.Add("http://h/{hub}/api/{category}/{event}?code=k", "chat", "a b/ü")
	f.Add("https://{hub}.x:1/{Event}{{event}}", "h", "..")
	f.Add("{@env:A}{@file:/x}{@", "", "\x00\xff")
	f.Add("http://[::1]/%2F?{event}#{event}", "%", "#?&")
	f.Fuzz(func(t *testing.T, text, hub, event string) {
		at, err := expand(text, names{hub, "messages", event}, AllowedSecrets{})
		if err != nil {
			return
		}
		u, err := url.Parse(at)
		require.NoError(t, err)
		require.Contains(t, []string{"http", "https"}, u.Scheme)
		require.NotEmpty(t, u.Hostname())
		for _, c := range []byte(u.RequestURI()) {
			require.True(t, c > ' ' && c < 0x7f, "%q cannot stand in a request line", at)
		}
	})
}

// A name only ever becomes one path segment or one query value.
func FuzzTemplateName(f *testing.F) {
	for _, seed := range []string{"a", "a/b", "../x", "?x=y", "#", "%2F", "a\r\nb", "\xff", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, event string) {
		at, err := expand("http://h/a/{event}/z?e={event}", names{event: event}, AllowedSecrets{})
		if err != nil {
			require.Contains(t, []string{".", ".."}, event)
			return
		}
		u, err := url.Parse(at)
		require.NoError(t, err)
		require.Equal(t, "h", u.Host)
		require.Equal(t, event, u.Query().Get("e"))
		segments := strings.Split(u.EscapedPath(), "/")
		require.Len(t, segments, 4)
		back, err := url.PathUnescape(segments[2])
		require.NoError(t, err)
		require.Equal(t, event, back)
	})
}
