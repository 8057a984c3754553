package settings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

func TestPatternMatches(t *testing.T) {
	tests := []struct {
		name    string
		pattern settings.Pattern
		value   string
		fold    bool
		want    bool
	}{
		{"zero takes any", settings.Pattern{}, "anything", false, true},
		{"zero takes the empty name", settings.Pattern{}, "", false, true},
		{"R64 star takes any", settings.PatternOf("*"), "connected", false, true},
		{"R64 first of a list", settings.PatternOf("connected, disconnected"), "connected", false, true},
		{"R64 second of a list with a space", settings.PatternOf("connected, disconnected"), "disconnected", false, true},
		{"R64 not in the list", settings.PatternOf("connected, disconnected"), "send", false, false},
		{"R64 star in a list takes any", settings.PatternOf("a, *"), "send", false, true},
		{"R64 star in a word is literal", settings.PatternOf("chat*"), "chatroom", false, false},
		{"R64 the literal star matches itself", settings.PatternOf("chat*"), "chat*", false, true},
		{"letter case counts", settings.PatternOf("Chat"), "chat", false, false},
		{"letter case folds", settings.PatternOf("Chat"), "chat", true, true},
		{"a part is not the word", settings.PatternOf("chat"), "chatroom", true, false},
		{"explicit empty takes only the empty name", settings.PatternOf(""), "chat", true, false},
		{"explicit empty takes the empty name", settings.PatternOf(""), "", true, true},
		{"null takes nothing", settings.NoPattern(), "chat", true, false},
		{"null takes not even the empty name", settings.NoPattern(), "", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.pattern.Matches(tt.value, tt.fold))
		})
	}
}

func TestPatternText(t *testing.T) {
	require.Equal(t, "*", settings.Pattern{}.String())
	require.Equal(t, "*", settings.PatternOf("a,*").String())
	require.Equal(t, "a, b", settings.PatternOf("a, b").String())
	require.Equal(t, "null", settings.NoPattern().String())
}

func TestUpstreamMatch(t *testing.T) {
	u := settings.Upstream{Templates: []settings.Template{
		{HubPattern: settings.PatternOf("Chat"), CategoryPattern: settings.PatternOf("connections")},
		{HubPattern: settings.PatternOf("chat"), EventPattern: settings.PatternOf("Send")},
		{HubPattern: settings.PatternOf("chat")},
	}}
	tests := []struct {
		name                 string
		hub, category, event string
		ignoreEventCase      bool
		want                 int // -1: none
	}{
		{"first of two that match wins", "chat", "connections", "connected", false, 0},
		{"hub and category ignore letter case", "CHAT", "Connections", "connected", false, 0},
		{"event counts letter case", "chat", "messages", "Send", false, 1},
		{"event in other letters goes on", "chat", "messages", "send", false, 2},
		{"event letter case can be ignored", "chat", "messages", "send", true, 1},
		{"no match", "news", "messages", "send", false, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u.IgnoreEventCase = tt.ignoreEventCase
			got, ok := u.Match(tt.hub, tt.category, tt.event)
			require.Equal(t, tt.want >= 0, ok)
			require.Equal(t, max(tt.want, 0), got)
		})
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	u := settings.Upstream{Templates: []settings.Template{
		{HubPattern: settings.PatternOf("a, b, chat")}, {EventPattern: settings.PatternOf("x,y,z")},
	}}
	require.Zero(t, testing.AllocsPerRun(100, func() { u.Match("news", "messages", "z") }))
}
