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
	require.ErrorContains(t, put(`{"UpstreamSettings": {"Templates": [{"UrlTemplate": "ftp://a/"}]}}`), "must be an absolute http")
	require.Same(t, inForce, store.Current())

	require.NoError(t, put(`{}`))
	require.Empty(t, store.Current().Upstream.Templates)
	require.Equal(t, []int{1, 0}, told)
	cancel()
	require.NoError(t, <-ended)
}
