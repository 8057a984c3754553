package settings

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRule(t *testing.T) {
	for text, want := range map[string]Rule{
		"user messages 10/s": {Name: "user.messages", Scope: "user", What: "messages", Rate: 10, Burst: 10, Text: "10/s"},
		"Hub Connects 30/m burst=50 hubs=Chat,news report": {Name: "hub.connects", Scope: "hub", What: "connects", Rate: 0.5, Burst: 50, Text: "30/m", Hubs: "chat,news", ReportOnly: true},
		"connection bytes 64KiB/s burst=1MiB name=big":     {Name: "big", Scope: "connection", What: "bytes", Rate: 65536, Burst: 1 << 20, Text: "64KiB/s"},
		"key messages 36/h": {Name: "key.messages", Scope: "key", What: "messages", Rate: 0.01, Burst: 1, Text: "36/h"},
	} {
		got, err := ParseRule(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for text, why := range map[string]string{
		"":                               "is not SCOPE WHAT RATE",
		"user messages":                  "is not SCOPE WHAT RATE",
		"usr messages 1/s":               `did you mean "user"`,
		"user message 1/s":               `"messages"`,
		"key connects 1/s":               "for each user or hub",
		"user messages 10":               "is not a rate",
		"user messages 10/d":             "is not a rate",
		"user messages 1KiB/s":           "is not a rate",
		"user messages -1/s":             "is not a rate",
		"user messages NaN/s":            "is not a rate",
		"user messages 1e300/s":          "is not between",
		"user messages 1/s burst=0":      "is not a burst",
		"user messages 1/s report=false": "report has no value",
		"user messages 1/s hubs=9":       "hub",
		"key messages 1/s hubs=chat":     "not for single hubs",
		"user messages 1/s name=":        "is not a name",
		"user messages 1/s brust=1":      "burst",
	} {
		_, err := ParseRule(text)
		require.ErrorContains(t, err, why, text)
	}
	two := Default()
	for range 2 {
		r, err := ParseRule("user messages 1/s")
		require.NoError(t, err)
		two.Limits.Rules = append(two.Limits.Rules, r)
	}
	require.ErrorContains(t, two.Validate(), `limits.rules: two rules have the name "user.messages"`)
}

// Whatever the text, a rule that is accepted has numbers that can be counted with.
func FuzzParseRule(f *testing.F) {
	f.Add("user messages 10/s burst=20 hubs=chat report name=a.b")
	for _, seed := range []string{
		"connection bytes 64KiB/s", "hub connects 1/m burst=1", "key messages 0.5/s", "user bytes 1GiB/h burst=2GiB hubs=a,b", "user messages 1e9/s", "user messages -1/s",
		"user messages NaN/s", "user messages 10/s hubs=", "user messages 10/s name=", "user messages 10/s burst=0", "user  messages\t10/s", "user messages 10/s report report", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		require.True(t, r.Rate >= minRate && r.Rate <= maxRate && r.Burst >= 1 && r.Burst <= maxRate, "%+v", r)
		require.NotEmpty(t, r.Name)
	})
}
