package settings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

func TestModeOf(t *testing.T) {
	s := settings.Default()
	require.Equal(t, settings.Serverless, s.ModeOf("chat"))
	s.Hubs = map[string]settings.Hub{"chat": {Mode: settings.DefaultMode}, "app_news": {Mode: settings.Classic}, "plain": {}}
	for hub, want := range map[string]settings.Mode{
		"chat": settings.DefaultMode, "Chat": settings.DefaultMode, "app_news": settings.Classic,
		"aspnet:app_news": settings.Classic, "aspnet:other": settings.Serverless,
		"news": settings.Serverless, "plain": settings.Serverless, "": settings.Serverless,
	} {
		require.Equal(t, want, s.ModeOf(hub), hub)
	}
	require.True(t, s.HasMode(settings.DefaultMode))
	require.True(t, s.HasMode(settings.Serverless))
	delete(s.Hubs, "app_news")
	require.False(t, s.HasMode(settings.Classic))
	require.Zero(t, testing.AllocsPerRun(100, func() { s.ModeOf("chat"); s.ModeOf("aspnet:app_news") }))
}

func TestSameModes(t *testing.T) {
	with := func(mode settings.Mode, hubs map[string]settings.Hub) *settings.Settings {
		s := settings.Default()
		s.Mode, s.Hubs = mode, hubs
		return &s
	}
	type hubs = map[string]settings.Hub
	chat := func(mode settings.Mode) hubs { return hubs{"chat": {Mode: mode}} }
	for _, tt := range []struct {
		name string
		a, b *settings.Settings
		want bool
	}{
		{"equal", with(settings.Serverless, nil), with(settings.Serverless, nil), true},
		{"other mode", with(settings.Serverless, nil), with(settings.Classic, nil), false},
		{"a hub gets another mode", with(settings.Serverless, nil), with(settings.Serverless, chat(settings.Classic)), false},
		{"a hub gets the mode that it has", with(settings.Serverless, nil), with(settings.Serverless, chat(settings.Serverless)), true},
		{"a hub changes its mode", with(settings.Serverless, chat(settings.DefaultMode)), with(settings.Serverless, chat(settings.Classic)), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.a.SameModes(tt.b))
			require.Equal(t, tt.want, tt.b.SameModes(tt.a))
		})
	}
}
