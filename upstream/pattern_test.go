package upstream

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPattern(t *testing.T) {
	unset := Pattern{}
	for _, c := range []struct {
		name    string
		pattern Pattern
		takes   []string
		refuses []string
	}{
		{"R64 not set takes any", unset, []string{"", "a", "connected"}, nil},
		{"R64 star takes any", PatternOf("*"), []string{"", "a"}, nil},
		{"R64 list with a star takes any", PatternOf("a, *"), []string{"", "b"}, nil},
		{"R64 list is trimmed", PatternOf(" connected, disconnected "), []string{"connected", "disconnected"}, []string{"", "connected, disconnected", " connected"}},
		{"R64 no wildcards inside words", PatternOf("chat*"), []string{"chat*"}, []string{"chat", "chats"}},
		{"R64 exact", PatternOf("a"), []string{"a"}, []string{"A", "ab", ""}},
		{"empty takes only empty", PatternOf(""), []string{""}, []string{"a"}},
		{"empty item in a list", PatternOf("a,"), []string{"a", ""}, []string{"b"}},
		{"none takes nothing", NoPattern(), nil, []string{"", "a", "*"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range c.takes {
				require.True(t, c.pattern.Matches(name, false), "%q", name)
			}
			for _, name := range c.refuses {
				require.False(t, c.pattern.Matches(name, false), "%q", name)
			}
		})
	}
	require.True(t, PatternOf("chat,ÉCOLE").Matches("École", true))
	require.False(t, PatternOf("chat,ÉCOLE").Matches("École", false))
}

func TestPatternText(t *testing.T) {
	require.Equal(t, "*", Pattern{}.String())
	require.Equal(t, "*", PatternOf("a,*").String())
	require.Equal(t, "null", NoPattern().String())
	require.Equal(t, "a,b", PatternOf(" a , b ").String())
}

func TestMatch(t *testing.T) {
	p := newPlan(&Config{Templates: []Template{
		{URL: "0", Hub: PatternOf("Chat"), Category: PatternOf("MESSAGES"), Event: PatternOf("login")},
		{URL: "1", Hub: PatternOf("chat")},
		{URL: "2", Category: PatternOf("connections"), Event: PatternOf("connect,disconnect")},
	}})
	for _, c := range []struct {
		name string
		of   names
		url  string // empty: no template
	}{
		{"R63 first match wins", names{"chat", "messages", "login"}, "0"},
		{"R63 hub and category ignore case", names{"CHAT", "Messages", "login"}, "0"},
		{"R63 event does not ignore case", names{"chat", "messages", "Login"}, "1"},
		{"R63 no match", names{"other", "messages", "login"}, ""},
		{"R63 event names that never travel", names{"other", "connections", "connected"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if m := p.match(c.of); m != nil {
				got = m.source.URL
			}
			require.Equal(t, c.url, got)
		})
	}
	p.cfg = &Config{IgnoreEventCase: true}
	require.Equal(t, "0", p.match(names{"chat", "messages", "LOGIN"}).source.URL)
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"", "*", "a", "a,b", " a , * ", ",", "chat*", "\xff,é"} {
		f.Add(seed, "a")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		p := PatternOf(text)
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
		require.Equal(t, exact, PatternOf(p.String()).Matches(name, false))
	})
}
