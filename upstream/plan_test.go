package upstream

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/webhook"
)

func TestMatch(t *testing.T) {
	p := newPlan(&Config{Templates: []Template{
		{URL: "0", Hub: webhook.PatternOf("Chat"), Category: webhook.PatternOf("MESSAGES"), Event: webhook.PatternOf("login")},
		{URL: "1", Hub: webhook.PatternOf("chat")},
		{URL: "2", Category: webhook.PatternOf("connections"), Event: webhook.PatternOf("connect,disconnect")},
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
