package webhook_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/webhook"
)

func TestPatternMatches(t *testing.T) {
	tests := []struct {
		name    string
		pattern webhook.Pattern
		value   string
		fold    bool
		want    bool
	}{
		{"zero takes any", webhook.Pattern{}, "anything", false, true},
		{"zero takes the empty name", webhook.Pattern{}, "", false, true},
		{"R64 star takes any", webhook.PatternOf("*"), "connected", false, true},
		{"R64 first of a list", webhook.PatternOf("connected, disconnected"), "connected", false, true},
		{"R64 second of a list with a space", webhook.PatternOf("connected, disconnected"), "disconnected", false, true},
		{"R64 not in the list", webhook.PatternOf("connected, disconnected"), "send", false, false},
		{"R64 star in a list takes any", webhook.PatternOf("a, *"), "send", false, true},
		{"R64 star in a word is literal", webhook.PatternOf("chat*"), "chatroom", false, false},
		{"R64 the literal star matches itself", webhook.PatternOf("chat*"), "chat*", false, true},
		{"R64 items are trimmed", webhook.PatternOf(" connected , disconnected "), "disconnected", false, true},
		{"R64 a list is not one name", webhook.PatternOf("a,b"), "a,b", false, false},
		{"empty item in a list", webhook.PatternOf("a,"), "", false, true},
		{"letter case beyond ASCII folds", webhook.PatternOf("chat,ÉCOLE"), "École", true, true},
		{"letter case counts", webhook.PatternOf("Chat"), "chat", false, false},
		{"letter case folds", webhook.PatternOf("Chat"), "chat", true, true},
		{"a part is not the word", webhook.PatternOf("chat"), "chatroom", true, false},
		{"explicit empty takes only the empty name", webhook.PatternOf(""), "chat", true, false},
		{"explicit empty takes the empty name", webhook.PatternOf(""), "", true, true},
		{"null takes nothing", webhook.NoPattern(), "chat", true, false},
		{"null takes not even the empty name", webhook.NoPattern(), "", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.pattern.Matches(tt.value, tt.fold))
		})
	}
}

func TestPatternText(t *testing.T) {
	require.Equal(t, "*", webhook.Pattern{}.String())
	require.Equal(t, "*", webhook.PatternOf("a,*").String())
	require.Equal(t, "a, b", webhook.PatternOf("a, b").String())
	require.Equal(t, "null", webhook.NoPattern().String())
}

func TestMatchesAllocatesNothing(t *testing.T) {
	p := webhook.PatternOf("a, b, chat")
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Matches("news", true) }))
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"", "*", "a", "a,b", " a , * ", ",", "chat*", "\xff,é"} {
		f.Add(seed, "a")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		p := webhook.PatternOf(text)
		exact, folded, any := p.Matches(name, false), p.Matches(name, true), false
		listed := false
		for _, item := range strings.Split(text, ",") {
			any = any || strings.TrimSpace(item) == "*"
			listed = listed || strings.TrimSpace(item) == name
		}
		require.Equal(t, any || listed, exact)
		if exact {
			require.True(t, folded)
		}
		// What it prints means the same.
		require.Equal(t, exact, webhook.PatternOf(p.String()).Matches(name, false))
	})
}
