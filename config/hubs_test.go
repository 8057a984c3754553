package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

func TestModesOfHubs(t *testing.T) {
	const file = "mode: classic\nhubs: {Chat: {mode: serverless}, app_news: {mode: default}, plain: {}}"
	tests := []struct {
		name string
		args []string
		env  string
		file string
		want map[string]settings.Mode // "" is any other hub
		err  string
	}{
		{name: "none", want: map[string]settings.Mode{"chat": settings.Serverless}},
		{name: "file", file: file, want: map[string]settings.Mode{
			"chat": settings.Serverless, "app_news": settings.DefaultMode, "plain": settings.Classic, "": settings.Classic}},
		{name: "flags", args: []string{"--hub-mode", "chat=default", "--hub-mode=News=classic"}, want: map[string]settings.Mode{
			"chat": settings.DefaultMode, "news": settings.Classic, "": settings.Serverless}},
		{name: "flags over file, hub by hub", args: []string{"--hub-mode=chat=default", "--mode=default"}, file: file, want: map[string]settings.Mode{
			"chat": settings.DefaultMode, "app_news": settings.DefaultMode, "": settings.DefaultMode}},
		{name: "environment over file, hub by hub", env: "chat=default;a,b=classic", file: file, want: map[string]settings.Mode{
			"chat": settings.DefaultMode, "a,b": settings.Classic, "app_news": settings.DefaultMode}},
		{name: "flags over environment", args: []string{"--hub-mode=chat=default"}, env: "chat=classic;news=classic", want: map[string]settings.Mode{
			"chat": settings.DefaultMode, "news": settings.Serverless}},
		{name: "unknown mode", args: []string{"--hub-mode=chat=clasic"}, err: `hubs.chat.mode: "clasic" is none of`},
		{name: "no hub", args: []string{"--hub-mode", "=default"}, err: `hubs: "" is not the name of a hub`},
		{name: "twice", args: []string{"--hub-mode=chat=default;Chat=classic"}, err: `--hub-mode: hub "chat" is given twice`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			args := tt.args
			if tt.env != "" {
				t.Setenv("HUBGATE_HUB_MODE", tt.env)
			}
			if tt.file != "" {
				args = append(args, "--config", write(t, "c.yaml", tt.file))
			}
			got, err := mustParse(t, args...).Settings()
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			for hub, mode := range tt.want {
				require.Equal(t, mode, got.ModeOf(hub), hub)
			}
		})
	}
	_, err := parse("--hub-mode=chat")
	require.ErrorContains(t, err, "--hub-mode")
}
