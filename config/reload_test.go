package config_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/settings"
)

// TestHotReload changes settings.json under a running watch: templates follow,
// a broken file changes nothing, flags keep their word.
func TestHotReload(t *testing.T) {
	t.Chdir(t.TempDir())
	args := []string{"--upstream-timeout=7s"}
	first := mustParse(t, args...)
	initial, err := first.Settings()
	require.NoError(t, err)
	store, err := settings.NewStore(initial)
	require.NoError(t, err)
	var told []int
	store.Observe(func(_, new *settings.Settings) { told = append(told, len(new.Upstream.Templates)) })

	ctx, cancel := context.WithCancel(t.Context())
	reloads, ended := make(chan error), make(chan error, 1)
	go func() {
		ended <- config.Watch(ctx, first.Watched(), func() {
			cli, err := parse(args...)
			if err == nil {
				var next settings.Settings
				if next, err = cli.Serve.Settings(); err == nil {
					err = store.Swap(next)
				}
			}
			reloads <- err
		})
	}()
	put := func(text string) error {
		require.NoError(t, os.WriteFile("settings.json~", []byte(text), 0o600))
		require.NoError(t, os.Rename("settings.json~", "settings.json"))
		return <-reloads
	}
	require.NoError(t, <-reloads, "once at the beginning")
	require.NoError(t, put(`{"UpstreamSettings": {"Templates": [{"UrlTemplate": "http://a/"}]}}`))
	require.Equal(t, []settings.Template{{URLTemplate: "http://a/"}}, store.Current().Upstream.Templates)
	require.EqualValues(t, "7s", store.Current().Upstream.Timeout.String())

	inForce := store.Current()
	require.ErrorContains(t, put(`{"UpstreamSettings": `), "settings.json: line 1")
	require.ErrorContains(t, put(`{"UpstreamSettings": {"Templates": [{"UrlTemplate": "ftp://a/"}]}}`), "must begin with http")
	require.Same(t, inForce, store.Current())

	require.NoError(t, put(`{}`))
	require.Empty(t, store.Current().Upstream.Templates)
	require.Equal(t, []int{1, 0}, told)
	cancel()
	require.NoError(t, <-ended)
}

// A file that is only half written changes nothing, and what is read only at the
// start stays as it is when the rest is judged.
func TestReloadOfAFileThatIsNotWhole(t *testing.T) {
	const own = "an-access-key-of-ones-own-that-is-longer-than-32-bytes"
	const whole = "listen: ['0.0.0.0:0']\nmode: default\naccessKey: " + own + "\nupstream:\n  templates: ['http://a/{event}', 'http://a/b']\n"
	for _, tt := range []struct{ name, text, want string }{
		{"whole", whole, ""},
		{"empty", "", "is empty, and was not"},
		{"nothing but a comment", "# soon\n", "is empty, and was not"},
		{"first line", "listen: ['0.0.0.0:0']\n", "accessKey was in it and is gone"},
		{"mode cut off", "listen: ['0.0.0.0:0']\nmode: default\naccessKey: " + own[:40], "as if it was cut off"},
		{"shorter by a line", "listen: ['0.0.0.0:0']\nmode: default\naccessKey: " + own + "\n", ""},
		{"without the last line break", whole[:len(whole)-1], ""},
		{"another address, which needs a restart", "listen: ['127.0.0.1:0']\nmode: default\naccessKey: ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH\n", "can be reached from other machines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			put := func(text string) *config.Config {
				require.NoError(t, os.WriteFile("gateway.yaml", []byte(text), 0o600))
				return mustParse(t, "--config=gateway.yaml")
			}
			inForce := put(whole)
			next, err := inForce.Reload(put(tt.text))
			if err == nil {
				require.Equal(t, inForce.Network, next.Network)
				_, err = next.Settings()
			}
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
			}
		})
	}
}

// A key that comes from elsewhere does not need the file's.
func TestReloadWithoutAKeyInTheFile(t *testing.T) {
	t.Chdir(t.TempDir())
	put := func(text string) *config.Config {
		require.NoError(t, os.WriteFile("gateway.yaml", []byte(text), 0o600))
		return mustParse(t, "--config=gateway.yaml", "--access-key=an-access-key-of-ones-own-that-is-longer-than-32-bytes")
	}
	inForce := put("accessKey: another-access-key-of-ones-own-32-bytes-or-more\nmode: default\n")
	next, err := inForce.Reload(put("mode: classic\n"))
	require.NoError(t, err)
	before, err := inForce.Settings()
	require.NoError(t, err)
	after, err := next.Settings()
	require.NoError(t, err)
	require.Equal(t, []string{"mode"}, inForce.Changed(next, &before, &after))
}
